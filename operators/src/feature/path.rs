//! Paths to what an action holds: `verb`, `object`, `actor.X`, `verb.X`, `object.X`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::chain::{Cell, Column, Names, Row, Side};

/// A path to one part of an action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// What was done.
    Verb,
    /// What it was done to.
    Object,
    /// An attribute. Everything after the first dot is its name.
    Attribute(Side, Arc<str>),
}

/// A path that is not written as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not a path; write verb, object, actor.NAME, verb.NAME or object.NAME")]
pub struct PathError {
    /// What was written.
    pub path: String,
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        let attribute = |side, name: &str| Self::Attribute(side, Arc::from(name));
        match path.split_once('.') {
            None if path == "verb" => Ok(Self::Verb),
            None if path == "object" => Ok(Self::Object),
            Some(("actor", name)) if !name.is_empty() => Ok(attribute(Side::Actor, name)),
            Some(("verb", name)) if !name.is_empty() => Ok(attribute(Side::Verb, name)),
            Some(("object", name)) if !name.is_empty() => Ok(attribute(Side::Object, name)),
            _ => Err(PathError { path: path.to_owned() }),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verb => f.write_str("verb"),
            Self::Object => f.write_str("object"),
            Self::Attribute(side, name) => write!(f, "{}.{name}", side.as_str()),
        }
    }
}

/// What the rows of an actions query show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    /// One part, under its path.
    One(Path),
    /// Every attribute of a side, each under its own path: `object.*`, or `objectAttributes` as in the schema.
    All(Side),
}

impl FromStr for Select {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        match path {
            "actor.*" | "actorAttributes" => Ok(Self::All(Side::Actor)),
            "verb.*" | "verbAttributes" => Ok(Self::All(Side::Verb)),
            "object.*" | "objectAttributes" => Ok(Self::All(Side::Object)),
            path => path.parse().map(Self::One),
        }
    }
}

/// A path in one partition's terms.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resolved {
    Verb,
    Object,
    /// `None`: no event of the partition ever had the attribute.
    Column(Option<Column>),
}

/// What a path leads to in an event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    Missing,
    Text(&'a str),
    Cell(Cell<'a>),
}

impl Path {
    pub(crate) fn resolve(&self, names: &Names) -> Resolved {
        match self {
            Self::Verb => Resolved::Verb,
            Self::Object => Resolved::Object,
            Self::Attribute(side, name) => Resolved::Column(names.column(*side, name)),
        }
    }
}

impl Resolved {
    pub(crate) fn find<'a>(self, verb: &'a str, row: Row<'a>) -> Found<'a> {
        match self {
            Self::Verb => Found::Text(verb),
            Self::Object => Found::Text(row.object()),
            Self::Column(column) => column.and_then(|column| row.cell(column)).map_or(Found::Missing, Found::Cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_they_print() {
        for text in ["verb", "object", "actor.country", "verb.source", "object.price.eur"] {
            assert_eq!(text.parse::<Path>().map(|path| path.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn refuses_what_is_no_path() {
        for text in ["", "actor", "object.", "price", "objects.price", ".x"] {
            assert_eq!(text.parse::<Path>(), Err(PathError { path: text.to_owned() }));
        }
    }
}
