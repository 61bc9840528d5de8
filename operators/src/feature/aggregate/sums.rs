//! Sum, mean and weighted mean of numbers and vectors.

use std::sync::Arc;

use super::super::plan::{Planned, PlannedAggregate};
use super::super::result::WindowResult;
use super::super::value::FeatureValue;
use crate::chain::{ColumnSum, Span};

/// A value, the actions it rests on, and its error bound.
pub(crate) type Finished = (FeatureValue, Span, f64);

/// Totals over the verbs so far, per window.
#[derive(Debug)]
pub(crate) struct Sums(Vec<Total>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    sum: ColumnSum,
    /// Sums of absolute weights, of events with numbers and with vectors.
    number_weights: f64,
    vector_weights: f64,
}

impl Sums {
    pub(crate) fn new(n_windows: usize) -> Self {
        Self(vec![Total::default(); n_windows])
    }

    /// Adds a verb's sums.
    pub(crate) fn chain(&mut self, planned: &Planned, verb: &str, sums: &[ColumnSum]) {
        let weight = match &planned.aggregate {
            PlannedAggregate::WeightedMean { weights, .. } => weights.iter().find(|(other, _)| **other == *verb),
            _ => None,
        };
        for (total, window) in self.0.iter_mut().zip(&planned.windows) {
            let Some(sum) = sums.get(window.slot) else { continue };
            match weight {
                Some((_, weight)) => total.add_weighted(sum, *weight),
                None => total.sum.merge(sum),
            }
        }
    }

    pub(crate) fn finish(self, planned: &Planned, matched: &[Span]) -> Vec<WindowResult> {
        let windows = planned.windows.iter().zip(matched);
        let results = windows.zip(self.0).map(|((window, matched), total)| {
            let (value, used, error_bound) = match &planned.aggregate {
                PlannedAggregate::Sum { .. } => total.sum(),
                PlannedAggregate::WeightedMean { .. } => total.weighted_mean(),
                _ => total.mean(),
            };
            let missing = matched.n - used.n;
            WindowResult { error_bound, ..WindowResult::new(&window.label, value, used, missing, matched.n) }
        });
        results.collect()
    }
}

impl Total {
    pub(crate) fn of(sum: ColumnSum) -> Self {
        Self { sum, ..Self::default() }
    }

    pub(crate) fn add_weighted(&mut self, sum: &ColumnSum, weight: f64) {
        self.sum.numbers.merge(sum.numbers);
        self.sum.floats += weight * number(sum);
        self.number_weights += weight.abs() * count(sum.numbers);
        self.sum.vectors.merge(sum.vectors);
        self.sum.add_to_vector(sum.vector.iter().map(|x| weight * x));
        self.vector_weights += weight.abs() * count(sum.vectors);
    }

    pub(crate) fn weighted_mean(self) -> Finished {
        if self.sum.vectors.n > 0 {
            (vector(&self.sum.vector, self.vector_weights), self.sum.vectors, 0.0)
        } else {
            (finite(self.sum.floats / self.number_weights), self.sum.numbers, 0.0)
        }
    }

    /// The sum of the numbers: exact when all are whole, f64 otherwise. Whole numbers beyond i64 become an f64 with
    /// its error bound.
    pub(crate) fn sum(self) -> Finished {
        let sum = &self.sum;
        let (value, error_bound) = match i64::try_from(sum.ints) {
            Ok(ints) if sum.n_floats == 0 => (FeatureValue::Int(ints), 0.0),
            Err(_) if sum.n_floats == 0 => (finite(number(sum)), f64::EPSILON / 2.0),
            _ => (finite(number(sum)), 0.0),
        };
        (value, sum.numbers, error_bound)
    }

    pub(crate) fn mean(self) -> Finished {
        let sum = &self.sum;
        if sum.vectors.n > 0 {
            (vector(&sum.vector, count(sum.vectors)), sum.vectors, 0.0)
        } else {
            (finite(number(sum) / count(sum.numbers)), sum.numbers, 0.0)
        }
    }
}

/// The sum of all numbers of a column.
pub(crate) fn number(sum: &ColumnSum) -> f64 {
    sum.floats + sum.ints as f64
}

fn count(span: Span) -> f64 {
    span.n as f64
}

/// None for 0/0 and for what has left the range of f64.
pub(crate) fn finite(value: f64) -> FeatureValue {
    if value.is_finite() { FeatureValue::Float(value) } else { FeatureValue::None }
}

pub(crate) fn vector(sum: &[f64], divisor: f64) -> FeatureValue {
    #[expect(clippy::cast_possible_truncation, reason = "vectors are computed in f64 and given as f32")]
    let values: Arc<[f32]> = sum.iter().map(|x| (x / divisor) as f32).collect();
    if values.iter().all(|x| x.is_finite()) { FeatureValue::Vector(values) } else { FeatureValue::None }
}
