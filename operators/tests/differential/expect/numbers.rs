//! Numbers picked out of others.

use std::cmp::Ordering;

use nowfold_schemas::action::Attribute;

use super::super::events::Event;
use super::super::predicate::compare_numbers;
use super::super::select::Selection;
use super::super::value::{Expected, Value};
use super::rows::value;
use super::used;

/// What a DDSketch may be off by, relatively.
const SKETCH_ERROR: f64 = 0.01;

/// The smallest or the largest number; of a whole number and an equal float the former is the smaller one.
pub(super) fn extreme(selection: &Selection<'_>, path: &str, wanted: Ordering) -> Expected {
    let (numbers, times) = numbers(selection, path);
    let mut sorted: Vec<_> = numbers.iter().map(|(number, _)| number.clone()).collect();
    sorted.sort_by(total);
    let found = if wanted == Ordering::Less { sorted.first() } else { sorted.last() };
    used(selection, value(found), times)
}

/// The number at place `max(1, ceil(p n))` in ascending order.
pub(super) fn quantile(selection: &Selection<'_>, p: f64, path: &str, cap: usize) -> Expected {
    let (numbers, times) = numbers(selection, path);
    let mut sorted: Vec<_> = numbers.iter().map(|(number, _)| number.clone()).collect();
    sorted.sort_by(total);
    let place = (1..=sorted.len()).find(|place| *place as f64 >= p * sorted.len() as f64);
    let found = value(place.map(|place| &sorted[place - 1]));
    let tolerance = if sorted.len() > cap { SKETCH_ERROR } else { 0.0 };
    Expected { tolerance, ..used(selection, found, times) }
}

/// The largest numbers, largest first; of equal ones that of the newest event comes first.
pub(super) fn top_k(selection: &Selection<'_>, k: usize, path: &str) -> Expected {
    let (mut numbers, times) = numbers(selection, path);
    numbers.reverse();
    numbers.sort_by(|(a, _), (b, _)| compare_numbers(b, a).unwrap());
    let largest = numbers.iter().take(k).map(|(number, _)| value(Some(number)));
    used(selection, Value::List(largest.collect()), times)
}

/// The numbers with their events in order, and the times of these. There is but one zero.
fn numbers<'a>(selection: &Selection<'a>, path: &str) -> (Vec<(Attribute, &'a Event)>, Vec<i64>) {
    let number = |event: &'a Event| match event.attribute(path) {
        Some(Attribute::Int(x)) => Some((Attribute::Int(*x), event)),
        Some(Attribute::Float(x)) => Some((Attribute::Float(x + 0.0), event)),
        _ => None,
    };
    let numbers: Vec<_> = selection.events().into_iter().filter_map(number).collect();
    let times = numbers.iter().map(|(_, event)| event.t).collect();
    (numbers, times)
}

/// Equal ones whole numbers first.
fn total(a: &Attribute, b: &Attribute) -> Ordering {
    let is_float = |number: &Attribute| matches!(number, Attribute::Float(_));
    compare_numbers(a, b).unwrap().then(is_float(a).cmp(&is_float(b)))
}
