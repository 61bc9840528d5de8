//! Many vectors become one, element by element.

use super::super::aggregate::{norm, vector};
use super::super::kind::{Normalize, Pool};
use super::super::path::Found;
use super::super::value::FeatureValue;
use super::fold::fold;
use super::gather::Hit;
use super::input::{Input, Outcome, Part};
use super::totals::weight_of;
use crate::chain::{Cell, Span};

/// A weighted sum of vectors.
#[derive(Clone, Debug, Default)]
pub(super) struct Pooled {
    pub(super) used: Span,
    pub(super) sum: Vec<f64>,
    /// Sum of the weights.
    pub(super) weights: f64,
}

/// Sums and means.
pub(super) fn mean<'a>(input: &Input<'_, 'a>, normalize: Option<Normalize>, pool: &Pool) -> Outcome {
    let mut vectors = Vectors::new(normalize);
    let mut all = Pooled::default();
    for Part { verb, hits } in &input.parts {
        let add = |pooled: &mut Pooled, hit: &Hit<'a>| {
            let weight = match pool {
                Pool::DecayMean { half_life } => input.weight(hit.t, *half_life),
                _ => 1.0,
            };
            if let Some(values) = vectors.of(input.values.find(verb, hit)) {
                pooled.add(hit.t, weight, &values);
            }
        };
        let sum = fold(hits, Pooled::default, add, |sum, block| sum.merge(&block, 1.0));
        match pool {
            Pool::WeightedMean { weights } => all.merge(&sum, weight_of(weights, verb)),
            _ => all.merge(&sum, 1.0),
        }
    }
    let divisor = if *pool == Pool::Sum { 1.0 } else { all.weights };
    Outcome::new(vector(&all.sum, divisor, normalize.is_some_and(Normalize::after)), all.used, input.matched)
}

/// The smallest or the largest of each element.
pub(super) fn extreme(input: &Input<'_, '_>, normalize: Option<Normalize>, pick: fn(f64, f64) -> f64) -> Outcome {
    let mut vectors = Vectors::new(normalize);
    let mut used = Span::default();
    let mut extreme: Vec<f64> = Vec::new();
    for (verb, hit) in input.by_verb() {
        let Some(values) = vectors.of(input.value(verb, &hit)) else { continue };
        used.add(hit.t);
        if extreme.is_empty() {
            extreme = values;
        } else {
            extreme.iter_mut().zip(values).for_each(|(own, value)| *own = pick(*own, value));
        }
    }
    let value: FeatureValue = vector(&extreme, 1.0, normalize.is_some_and(Normalize::after));
    Outcome::new(value, used, input.matched)
}

/// The vectors of a window: all of one dimension, and of length 1 if so wanted.
#[derive(Debug)]
pub(super) struct Vectors {
    unit: bool,
    dim: Option<usize>,
}

impl Vectors {
    pub(super) fn new(normalize: Option<Normalize>) -> Self {
        Self { unit: normalize.is_some_and(Normalize::before), dim: None }
    }

    pub(super) fn units() -> Self {
        Self { unit: true, dim: None }
    }

    /// The elements of an attribute. `None` for what is no vector, for another dimension than that of the first, and where
    /// zeros have no direction. Zeros lose their sign.
    pub(super) fn of(&mut self, found: Found<'_>) -> Option<Vec<f64>> {
        let Found::Cell(Cell::Vector(vector)) = found else { return None };
        if *self.dim.get_or_insert(vector.len()) != vector.len() {
            return None;
        }
        let mut values = vec![0.0; vector.len()];
        vector.add_to(&mut values);
        if self.unit {
            let length = norm(values.iter().copied());
            if length == 0.0 {
                return None;
            }
            values.iter_mut().for_each(|x| *x /= length);
        }
        Some(values)
    }
}

impl Pooled {
    pub(super) fn add(&mut self, t: i64, weight: f64, values: &[f64]) {
        self.used.add(t);
        self.weights += weight;
        self.add_values(weight, values);
    }

    /// Adds another sum with a weight; the sum of weights grows by its absolute value.
    pub(super) fn merge(&mut self, other: &Self, weight: f64) {
        self.used.merge(other.used);
        self.weights += weight.abs() * other.weights;
        self.add_values(weight, &other.sum);
    }

    fn add_values(&mut self, weight: f64, values: &[f64]) {
        if self.sum.is_empty() {
            self.sum.resize(values.len(), 0.0);
        }
        self.sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
    }
}
