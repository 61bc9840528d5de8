//! Variances, and sums that decay: canonical sums of one term for each number.

use nowfold_schemas::action::Attribute;

use super::super::events::Event;
use super::super::select::Selection;
use super::super::sums::{Terms, total};
use super::super::value::{Expected, Value};
use super::{times, used};

/// In two passes: the mean, and then the squares of the distances from it.
pub(super) fn spread(selection: &Selection<'_>, name: &str, path: &str) -> Expected {
    let sum = terms(selection, |event| number(event, path));
    let n = sum.times.len() as f64;
    let mean = sum.sum / n;
    let squares = terms(selection, |event| Some((number(event, path)? - mean) * (number(event, path)? - mean))).sum;
    let value = match name {
        "var_pop" => squares / n,
        "stddev_pop" => (squares / n).sqrt(),
        _ if sum.times.len() < 2 => f64::NAN,
        "var_sample" => squares / (n - 1.0),
        "stddev_sample" => (squares / (n - 1.0)).sqrt(),
        other => panic!("{other} is no spread"),
    };
    used(selection, Value::float(value), sum.times)
}

/// Each event has the weight `2^-((q - t) / H)`.
pub(super) fn decay(selection: &Selection<'_>, name: &str, path: &str, half_life: i64) -> Expected {
    let weight = |event: &Event| weight(selection, event, half_life);
    if name == "decay_count" {
        let weights = terms(selection, |event| Some(weight(event)));
        return Expected::exact(Value::float(weights.sum), times(&selection.events()), 0);
    }
    let sum = terms(selection, |event| Some(weight(event) * number(event, path)?));
    let weights = terms(selection, |event| number(event, path).map(|_| weight(event)));
    let value = if name == "decay_sum" { sum.sum } else { sum.sum / weights.sum };
    used(selection, Value::float(value), sum.times)
}

/// The weight of an event at the instant of the question. The power of two is that of libm, on every machine.
pub(super) fn weight(selection: &Selection<'_>, event: &Event, half_life: i64) -> f64 {
    libm::exp2(-((selection.as_of - event.t) as f64 / half_life as f64))
}

fn number(event: &Event, path: &str) -> Option<f64> {
    match event.attribute(path) {
        Some(Attribute::Int(x)) => Some(*x as f64),
        Some(Attribute::Float(x)) => Some(x + 0.0),
        _ => None,
    }
}

fn terms(selection: &Selection<'_>, term: impl Fn(&Event) -> Option<f64>) -> Terms {
    total(selection, |sum: &mut Terms, event| sum.add(event.t, term(event)))
}
