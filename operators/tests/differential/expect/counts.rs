//! Counts of events.

use super::super::question::Window;
use super::super::select::Selection;
use super::super::value::{Expected, Value};
use super::times;

const HOUR: f64 = 3_600_000.0;

pub(super) fn count(selection: &Selection<'_>) -> Expected {
    all(selection, Value::Count(selection.events().len() as u64))
}

pub(super) fn exists(selection: &Selection<'_>) -> Expected {
    all(selection, Value::Bool(!selection.events().is_empty()))
}

/// Milliseconds since the newest event.
pub(super) fn recency(selection: &Selection<'_>) -> Expected {
    let newest = times(&selection.events()).into_iter().max();
    all(selection, newest.map_or(Value::None, |newest| Value::Int(selection.as_of - newest)))
}

/// Events per hour of the window's length.
pub(super) fn rate(selection: &Selection<'_>, window: Window) -> Expected {
    let length = match window {
        Window::Sliding { length, .. } | Window::Tumbling { length, .. } => length,
        _ => panic!("{window:?} has no length"),
    };
    all(selection, Value::float(selection.events().len() as f64 / (length as f64 / HOUR)))
}

/// One more than there are gaps that are too long.
pub(super) fn session_count(selection: &Selection<'_>, gap: i64) -> Expected {
    let times = times(&selection.events());
    let breaks = times.windows(2).filter(|pair| pair[1] - pair[0] > gap).count();
    all(selection, Value::Count(if times.is_empty() { 0 } else { breaks as u64 + 1 }))
}

fn all(selection: &Selection<'_>, value: Value) -> Expected {
    Expected::exact(value, times(&selection.events()), 0)
}
