//! Paths and verbs, checked against the schema where there is one.

use nowfold_strict::{Node, nearest};

use super::Grammar;
use super::schema::{ActionSchema, AttributeKind};
use crate::feature::Path;
use crate::feature::path::Select;

/// What an aggregate can do something with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Anything,
    Number,
    Vector,
    /// A number or a vector.
    Summed,
}

impl Wanted {
    fn takes(self, kind: AttributeKind) -> bool {
        match self {
            Self::Anything => true,
            Self::Number => matches!(kind, AttributeKind::Number | AttributeKind::Any),
            Self::Vector => matches!(kind, AttributeKind::Vector | AttributeKind::Any),
            Self::Summed => matches!(kind, AttributeKind::Number | AttributeKind::Vector | AttributeKind::Any),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Anything => "anything",
            Self::Number => "a number",
            Self::Vector => "a vector",
            Self::Summed => "a number or a vector",
        }
    }
}

impl Grammar {
    /// A path to something that is wanted.
    pub(super) fn path(&self, node: &Node<'_>, wanted: Wanted) -> Option<String> {
        let text = node.text()?;
        let kind = match text.parse::<Path>() {
            Err(error) => return self.no_path(node, text, &error.to_string()),
            Ok(Path::Verb | Path::Object) => AttributeKind::Text,
            Ok(Path::Attribute(..)) => self.kind(node, text)?,
        };
        if wanted.takes(kind) {
            return Some(text.to_owned());
        }
        node.wrong(format!("is \"{text}\", which is {kind}; this needs {}", wanted.name()))
    }

    /// The kind of an attribute.
    pub(super) fn kind(&self, node: &Node<'_>, path: &str) -> Option<AttributeKind> {
        let Some(schema) = &self.schema else { return Some(AttributeKind::Any) };
        schema.kind(path).or_else(|| node.unknown("attribute", path, &schema.paths()))
    }

    fn no_path<T>(&self, node: &Node<'_>, text: &str, error: &str) -> Option<T> {
        let near = self.schema.as_ref().and_then(|schema| near(schema, text));
        match near {
            Some(near) => node.wrong(format!("is \"{text}\", which is no path; did you mean \"{near}\"?")),
            None => node.wrong(format!("is wrong: {error}")),
        }
    }

    /// What rows of actions show: a path, or all of a side.
    pub(super) fn select(&self, node: &Node<'_>) -> Option<String> {
        let text = node.text()?;
        match text.parse::<Select>() {
            Ok(Select::All(_)) => Some(text.to_owned()),
            _ => self.path(node, Wanted::Anything),
        }
    }

    pub(super) fn verb(&self, node: &Node<'_>) -> Option<String> {
        self.known_verb(node, node.text()?)
    }

    /// A verb that the schema has.
    pub(super) fn known_verb(&self, node: &Node<'_>, verb: &str) -> Option<String> {
        match self.schema.as_ref().and_then(ActionSchema::known_verbs) {
            Some(known) if !known.contains(&verb) => node.unknown("verb", verb, &known),
            _ => Some(verb.to_owned()),
        }
    }
}

/// The path that was meant, if only the side is missing: `embedding` for `object.embedding`.
fn near<'s>(schema: &'s ActionSchema, text: &str) -> Option<&'s str> {
    let paths = schema.paths();
    let of_side = paths.iter().find(|path| path.split_once('.').is_some_and(|(_, name)| name == text));
    of_side.copied().or_else(|| nearest(text, paths))
}
