//! Counts.

use std::cmp::Reverse;

use nowfold_schemas::action::Attribute;

use super::super::select::Selection;
use super::super::value::{Expected, Value};
use super::times;

/// What a HyperLogLog may be off by, relatively.
const SKETCH_ERROR: f64 = 0.05;

pub(super) fn count(selection: &Selection<'_>) -> Expected {
    let events = selection.events();
    Expected::exact(Value::Count(events.len() as u64), times(&events), 0)
}

/// The most frequent values up to the cap, ties in the order null, bool, int, float, text; the rest together as `other`.
pub(super) fn count_by(selection: &Selection<'_>, path: &str, cap: usize) -> Expected {
    let events = selection.events();
    let mut counts: Vec<(Key, u64)> = Vec::new();
    for event in &events {
        let key = Key::of(event.get(path).as_ref());
        match counts.iter_mut().find(|(other, _)| *other == key) {
            Some((_, n)) => *n += 1,
            None => counts.push((key, 1)),
        }
    }
    let missing = counts.iter().find(|(key, _)| *key == Key::Null).map_or(0, |(_, n)| *n);
    counts.sort();
    counts.sort_by_key(|(_, n)| Reverse(*n));
    let rest = counts.split_off(cap.min(counts.len()));
    counts.sort();
    let mut map: Vec<_> = counts.iter().map(|(key, n)| (key.show(), Value::Count(*n))).collect();
    if !rest.is_empty() {
        map.push(("other".to_owned(), Value::Count(rest.iter().map(|(_, n)| n).sum())));
    }
    Expected::exact(Value::Map(map), times(&events), usize::try_from(missing).unwrap())
}

pub(super) fn distinct_count(selection: &Selection<'_>, path: &str, cap: usize) -> Expected {
    let events = selection.events();
    let mut used = events.clone();
    used.retain(|event| Key::of(event.get(path).as_ref()) != Key::Null);
    let mut keys: Vec<_> = used.iter().map(|event| Key::of(event.get(path).as_ref())).collect();
    keys.sort();
    keys.dedup();
    let tolerance = if keys.len() > cap { SKETCH_ERROR } else { 0.0 };
    let value = Value::Count(keys.len() as u64);
    Expected { tolerance, ..Expected::exact(value, times(&used), events.len() - used.len()) }
}

/// A value that counts, in the order of kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Null,
    Bool(bool),
    Int(i64),
    /// Its text has the order that matters here: cases hold no more than one float for each key.
    Float(String),
    Text(String),
}

impl Key {
    pub(super) fn of(value: Option<&Attribute>) -> Self {
        match value {
            Some(Attribute::Bool(x)) => Self::Bool(*x),
            Some(Attribute::Int(x)) => Self::Int(*x),
            Some(Attribute::Float(x)) => Self::Float(x.to_string()),
            Some(Attribute::Text(text)) => Self::Text(text.to_string()),
            _ => Self::Null,
        }
    }

    pub(super) fn show(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(x) => format!("bool {x}"),
            Self::Int(x) => format!("int {x}"),
            Self::Float(x) => format!("float {x}"),
            Self::Text(text) => format!("text {text}"),
        }
    }
}
