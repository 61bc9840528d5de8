//! What an aggregate is given: the actions of one window, and the attributes it looks at.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use nowfold_schemas::action::Attribute;

use super::super::late::LateJoin;
use super::super::path::{Found, Resolved};
use super::super::value::FeatureValue;
use super::gather::Hit;
use crate::chain::{Cell, Names, Span};

/// The actions of one verb in a window, newest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'s, 'a> {
    pub(crate) verb: &'a str,
    pub(crate) hits: &'s [Hit<'a>],
}

/// One window of one feature.
#[derive(Debug)]
pub(crate) struct Input<'s, 'a> {
    /// In byte order of the verbs; none is empty.
    pub(crate) parts: Vec<Part<'s, 'a>>,
    /// All of its actions.
    pub(crate) matched: Span,
    pub(crate) as_of: i64,
    pub(crate) names: &'a Names,
    /// What the feature's path leads to.
    pub(crate) values: &'s Values<'a>,
    /// What the feature groups by, or tells actions apart by.
    pub(crate) by: Option<Resolved>,
}

/// Where the values of a path are.
#[derive(Debug)]
pub(crate) enum Values<'a> {
    Own(Resolved),
    /// Looked up for each object.
    Late(HashMap<&'a str, Option<Attribute>, RandomState>),
}

/// What an aggregate makes of a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) value: FeatureValue,
    pub(crate) used: Span,
    pub(crate) missing: u64,
    pub(crate) error_bound: f64,
    /// Whether groups beyond the cap were left out.
    pub(crate) truncated: bool,
}

impl<'a> Values<'a> {
    /// Looks up an attribute of every object that any of the actions names.
    pub(crate) fn late(join: &LateJoin, name: &str, hits: impl Iterator<Item = Hit<'a>>) -> Self {
        let mut cells = HashMap::default();
        for hit in hits {
            cells.entry(hit.row.object()).or_insert_with_key(|object| join.attribute(object, name));
        }
        Self::Late(cells)
    }

    pub(crate) fn find<'s>(&'s self, verb: &'a str, hit: &Hit<'a>) -> Found<'s> {
        match self {
            Self::Own(resolved) => resolved.find(verb, hit.row),
            Self::Late(cells) => cells
                .get(hit.row.object())
                .and_then(Option::as_ref)
                .and_then(Cell::of)
                .map_or(Found::Missing, Found::Cell),
        }
    }
}

impl<'s, 'a> Input<'s, 'a> {
    /// Every action verb by verb, newest first within each.
    pub(crate) fn by_verb(&self) -> impl Iterator<Item = (&'a str, Hit<'a>)> {
        self.parts.iter().flat_map(|part| part.hits.iter().map(|hit| (part.verb, *hit)))
    }

    /// Every action, newest first; as lazily as it is read.
    pub(crate) fn newest_first(&self) -> NewestFirst<'s, 'a> {
        NewestFirst(self.parts.clone())
    }

    /// The value of an action.
    pub(crate) fn value(&self, verb: &'a str, hit: &Hit<'a>) -> Found<'s> {
        self.values.find(verb, hit)
    }
}

/// Merges the verbs.
#[derive(Clone, Debug)]
pub(crate) struct NewestFirst<'s, 'a>(Vec<Part<'s, 'a>>);

impl<'a> Iterator for NewestFirst<'_, 'a> {
    type Item = (&'a str, Hit<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let heads = self.0.iter_mut().filter_map(|part| Some((*part.hits.first()?, part)));
        let (_, part) = heads.max_by(|(a, _), (b, _)| a.cmp(b))?;
        let (hit, rest) = part.hits.split_first()?;
        part.hits = rest;
        Some((part.verb, *hit))
    }
}

impl Outcome {
    /// A value that used the actions of `used`; the others of the window lack what it needs.
    pub(crate) fn new(value: FeatureValue, used: Span, matched: Span) -> Self {
        Self { value, used, missing: matched.n - used.n, ..Self::default() }
    }
}
