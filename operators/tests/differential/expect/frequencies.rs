//! How often values occur.

use std::cmp::Reverse;

use nowfold_schemas::action::Attribute;

use super::super::events::Event;
use super::super::select::Selection;
use super::super::value::{Expected, Value};
use super::{times, used};

/// What a HyperLogLog may be off by, relatively.
const SKETCH_ERROR: f64 = 0.05;

/// The most frequent values up to the cap, ties in the order null, bool, int, float, text; the rest together as `other`.
pub(super) fn count_by(selection: &Selection<'_>, path: &str, cap: usize) -> Expected {
    let events = selection.events();
    let mut counts = frequencies(&events, path);
    let missing = counts.iter().find(|(key, _)| *key == Key::Null).map_or(0, |(_, found)| found.len());
    counts.sort_by(|(a, _), (b, _)| a.cmp(b));
    counts.sort_by_key(|(_, found)| Reverse(found.len()));
    let rest = counts.split_off(cap.min(counts.len()));
    counts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut map: Vec<_> = counts.iter().map(|(key, found)| (key.show(), Value::Count(found.len() as u64))).collect();
    if !rest.is_empty() {
        map.push(("other".to_owned(), Value::Count(rest.iter().map(|(_, found)| found.len() as u64).sum())));
    }
    Expected::exact(Value::Map(map), times(&events), missing)
}

pub(super) fn distinct_count(selection: &Selection<'_>, path: &str, cap: usize) -> Expected {
    let (values, times) = values(selection, path);
    let tolerance = if values.len() > cap { SKETCH_ERROR } else { 0.0 };
    Expected { tolerance, ..used(selection, Value::Count(values.len() as u64), times) }
}

/// The most frequent values with their counts; of equally frequent ones that with the newest event comes first.
pub(super) fn top_n(selection: &Selection<'_>, n: usize, path: &str) -> Expected {
    let (mut values, times) = values(selection, path);
    values.sort_by_key(|(_, found)| Reverse((found.len(), found.last().unwrap().order())));
    let ranked = values.iter().take(n).map(|(key, found)| (key.show(), Value::Count(found.len() as u64)));
    used(selection, Value::Map(ranked.collect()), times)
}

pub(super) fn ratio_top1(selection: &Selection<'_>, path: &str) -> Expected {
    let (values, times) = values(selection, path);
    let most = values.iter().map(|(_, found)| found.len()).max().unwrap_or(0);
    used(selection, Value::float(most as f64 / times.len() as f64), times)
}

/// Values with the events that have them, in order; and the times of all these events.
fn values<'a>(selection: &Selection<'a>, path: &str) -> (Vec<(Key, Vec<&'a Event>)>, Vec<i64>) {
    let mut values = frequencies(&selection.events(), path);
    values.retain(|(key, _)| *key != Key::Null);
    let times = values.iter().flat_map(|(_, found)| times(found)).collect();
    (values, times)
}

fn frequencies<'a>(events: &[&'a Event], path: &str) -> Vec<(Key, Vec<&'a Event>)> {
    let mut values: Vec<(Key, Vec<&Event>)> = Vec::new();
    for event in events {
        let key = Key::of(event.get(path).as_ref());
        match values.iter_mut().find(|(other, _)| *other == key) {
            Some((_, found)) => found.push(event),
            None => values.push((key, vec![event])),
        }
    }
    values
}

/// A value that counts, in the order of kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

impl Key {
    /// Vectors count as null. Floats are not among what cases count.
    pub(super) fn of(value: Option<&Attribute>) -> Self {
        match value {
            Some(Attribute::Bool(x)) => Self::Bool(*x),
            Some(Attribute::Int(x)) => Self::Int(*x),
            Some(Attribute::Text(text)) => Self::Text(text.to_string()),
            _ => Self::Null,
        }
    }

    pub(super) fn show(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(x) => format!("bool {x}"),
            Self::Int(x) => format!("int {x}"),
            Self::Text(text) => format!("text {text}"),
        }
    }
}
