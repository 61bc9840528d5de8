//! Vectors made one.

use nowfold_schemas::action::Attribute;

use super::super::events::Event;
use super::super::question::{Pool, Unit};
use super::super::select::Selection;
use super::super::sums::{Weighed, by_verb, total};
use super::super::value::{Expected, Value};
use super::spread::weight;
use super::used;

pub(super) fn pool(selection: &Selection<'_>, pool: &Pool, path: &str, unit: Unit) -> Expected {
    let add = |sum: &mut Weighed, event: &Event| {
        let weight = match pool {
            Pool::DecayMean { half_life } => weight(selection, event, *half_life),
            _ => 1.0,
        };
        sum.add(event.t, weight, vector(event, path, unit.before).as_deref());
    };
    match pool {
        Pool::Min => extreme(selection, path, unit, f64::min),
        Pool::Max => extreme(selection, path, unit, f64::max),
        Pool::WeightedMean { weights } => {
            let mut all = Weighed::default();
            for (verb, sum) in by_verb(selection, add) {
                let weight = weights.iter().find(|(of, _)| *of == verb).unwrap().1;
                all.merge_times(&sum, weight);
            }
            finish(selection, &all, all.weight, unit)
        }
        Pool::Sum => finish(selection, &total(selection, add), 1.0, unit),
        Pool::Mean | Pool::DecayMean { .. } => {
            let all: Weighed = total(selection, add);
            finish(selection, &all, all.weight, unit)
        }
    }
}

/// One minus the length of the mean of the directions.
pub(super) fn dispersion(selection: &Selection<'_>, path: &str) -> Expected {
    let add = |sum: &mut Weighed, event: &Event| sum.add(event.t, 1.0, vector(event, path, true).as_deref());
    let all: Weighed = total(selection, add);
    let mean: Vec<f64> = all.sum.iter().map(|x| x / all.weight).collect();
    let value = if mean.is_empty() { Value::None } else { Value::float((1.0 - length(&mean)).clamp(0.0, 1.0)) };
    used(selection, value, all.times)
}

/// The vector of an event, of length 1 if `unit`; a vector of zeros then counts as missing.
pub(super) fn vector(event: &Event, path: &str, unit: bool) -> Option<Vec<f64>> {
    let Some(Attribute::Vector(found)) = event.attribute(path) else { return None };
    let vector: Vec<f64> = found.iter().map(|x| f64::from(*x)).collect();
    match length(&vector) {
        _ if !unit => Some(vector),
        length if length > 0.0 => Some(vector.iter().map(|x| x / length).collect()),
        _ => None,
    }
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().fold(0.0, |sum, x| sum + x * x).sqrt()
}

fn extreme(selection: &Selection<'_>, path: &str, unit: Unit, pick: fn(f64, f64) -> f64) -> Expected {
    let (mut all, mut times) = (Vec::new(), Vec::new());
    for event in selection.events() {
        if let Some(vector) = vector(event, path, unit.before) {
            all.push(vector);
            times.push(event.t);
        }
    }
    let dim = all.first().map_or(0, Vec::len);
    let element = |i: usize| all.iter().map(|vector| vector[i]).reduce(pick).unwrap();
    used(selection, divided(&(0..dim).map(element).collect::<Vec<_>>(), 1.0, unit.after), times)
}

fn finish(selection: &Selection<'_>, all: &Weighed, divisor: f64, unit: Unit) -> Expected {
    used(selection, divided(&all.sum, divisor, unit.after), all.times.clone())
}

/// A sum divided, and given the length 1 if `unit`; none where that leaves the range of numbers.
pub(super) fn divided(sum: &[f64], divisor: f64, unit: bool) -> Value {
    let mut values: Vec<f64> = sum.iter().map(|x| x / divisor).collect();
    if unit {
        let length = length(&values);
        values.iter_mut().for_each(|x| *x /= length);
    }
    if values.is_empty() { Value::None } else { Value::vector(values) }
}
