//! Sums and means in the canonical order.

use super::super::select::Selection;
use super::super::sums::{Numbers, Vectors, by_verb, total};
use super::super::value::{Expected, Value};
use super::used;

/// The error of a whole number beyond i64 that is given as f64.
const ROUNDING: f64 = f64::EPSILON / 2.0;

pub(super) fn sum(selection: &Selection<'_>, path: &str) -> Expected {
    let numbers: Numbers = total(selection, |sum: &mut Numbers, event| sum.add(path, event));
    let (value, tolerance) = sum_of(&numbers);
    Expected { tolerance, ..used(selection, value, numbers.times) }
}

/// Exact when all are whole; whole numbers beyond i64 are rounded once.
pub(super) fn sum_of(numbers: &Numbers) -> (Value, f64) {
    match i64::try_from(numbers.int) {
        Ok(int) if numbers.n_floats == 0 => (Value::Int(int), 0.0),
        Err(_) if numbers.n_floats == 0 => (Value::float(numbers.sum()), ROUNDING),
        _ => (Value::float(numbers.sum()), 0.0),
    }
}

pub(super) fn mean_of(numbers: &Numbers) -> Value {
    Value::float(numbers.sum() / numbers.times.len() as f64)
}

pub(super) fn mean(selection: &Selection<'_>, path: &str) -> Expected {
    let vectors: Vectors = total(selection, |sum: &mut Vectors, event| sum.add(path, event));
    if vectors.times.is_empty() {
        let numbers: Numbers = total(selection, |sum: &mut Numbers, event| sum.add(path, event));
        return used(selection, mean_of(&numbers), numbers.times);
    }
    let n = vectors.times.len() as f64;
    used(selection, Value::vector(vectors.sum.iter().map(|x| x / n)), vectors.times)
}

/// `sum(w x) / sum(|w|)`: each verb's sum times its weight.
pub(super) fn weighted_mean(selection: &Selection<'_>, path: &str, weights: &[(&str, f64)]) -> Expected {
    let weight = |verb: &str| weights.iter().find(|(of, _)| *of == verb).unwrap().1;
    let (mut sum, mut weighed, mut times) = (Vec::new(), 0.0, Vec::new());
    for (verb, vectors) in by_verb(selection, |sum: &mut Vectors, event| sum.add(path, event)) {
        sum.resize(vectors.sum.len().max(sum.len()), 0.0);
        (0..vectors.sum.len()).for_each(|i| sum[i] += weight(&verb) * vectors.sum[i]);
        weighed += weight(&verb).abs() * vectors.times.len() as f64;
        times.extend(vectors.times);
    }
    if !times.is_empty() {
        return used(selection, Value::vector(sum.iter().map(|x| x / weighed)), times);
    }
    let mut sum = 0.0;
    for (verb, numbers) in by_verb(selection, |sum: &mut Numbers, event| sum.add(path, event)) {
        sum += weight(&verb) * numbers.sum();
        weighed += weight(&verb).abs() * numbers.times.len() as f64;
        times.extend(numbers.times);
    }
    used(selection, Value::float(sum / weighed), times)
}
