//! Sum, mean and weighted mean of numbers and vectors.

use std::sync::Arc;

use super::super::plan::{Planned, PlannedAggregate};
use super::super::result::WindowResult;
use super::super::value::FeatureValue;
use crate::chain::{ColumnSum, Span};

/// What is made of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Sum,
    Mean,
    WeightedMean,
    /// Vectors only; `unit`: at length 1.
    VecSum {
        unit: bool,
    },
    VecMean {
        unit: bool,
    },
    VecWeightedMean {
        unit: bool,
    },
}

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
            PlannedAggregate::Sums { weights: Some(weights), .. } => weights.iter().find(|(other, _)| *other == verb),
            _ => None,
        };
        for (total, window) in self.0.iter_mut().zip(&planned.windows) {
            let Some(sum) = sums.get(window.slot) else { continue };
            match weight {
                Some((_, weight)) => total.add_weighted(sum, *weight),
                None => total.add(sum),
            }
        }
    }

    pub(crate) fn finish(self, planned: &Planned, matched: &[Span]) -> Vec<WindowResult> {
        let finish = match &planned.aggregate {
            PlannedAggregate::Sums { finish, .. } => *finish,
            _ => Finish::Sum,
        };
        let windows = planned.windows.iter().zip(matched);
        let results = windows.zip(self.0).map(|((window, matched), total)| {
            let (value, used, error_bound) = total.finish(finish);
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

    pub(crate) fn add(&mut self, sum: &ColumnSum) {
        self.sum.merge(sum);
    }

    pub(crate) fn add_weighted(&mut self, sum: &ColumnSum, weight: f64) {
        self.sum.numbers.merge(sum.numbers);
        self.sum.floats += weight * number(sum);
        self.number_weights += weight.abs() * count(sum.numbers);
        self.sum.vectors.merge(sum.vectors);
        self.sum.add_to_vector(sum.vector.iter().map(|x| weight * x));
        self.vector_weights += weight.abs() * count(sum.vectors);
    }

    pub(crate) fn finish(self, finish: Finish) -> Finished {
        let n = count(self.sum.vectors);
        match finish {
            Finish::Sum => self.sum(),
            Finish::Mean if n > 0.0 => self.pooled(n, false),
            Finish::Mean => (finite(number(&self.sum) / count(self.sum.numbers)), self.sum.numbers, 0.0),
            Finish::WeightedMean if n > 0.0 => self.pooled(self.vector_weights, false),
            Finish::WeightedMean => (finite(self.sum.floats / self.number_weights), self.sum.numbers, 0.0),
            Finish::VecSum { unit } => self.pooled(1.0, unit),
            Finish::VecMean { unit } => self.pooled(n, unit),
            Finish::VecWeightedMean { unit } => self.pooled(self.vector_weights, unit),
        }
    }

    /// The sum of the numbers: exact when all are whole, f64 otherwise. Whole numbers beyond i64 become an f64 with
    /// its error bound.
    fn sum(&self) -> Finished {
        let sum = &self.sum;
        let (value, error_bound) = match i64::try_from(sum.ints) {
            Ok(ints) if sum.n_floats == 0 => (FeatureValue::Int(ints), 0.0),
            Err(_) if sum.n_floats == 0 => (finite(number(sum)), f64::EPSILON / 2.0),
            _ => (finite(number(sum)), 0.0),
        };
        (value, sum.numbers, error_bound)
    }

    fn pooled(&self, divisor: f64, unit: bool) -> Finished {
        (vector(&self.sum.vector, divisor, unit), self.sum.vectors, 0.0)
    }
}

/// The sum of all numbers of a column.
fn number(sum: &ColumnSum) -> f64 {
    sum.floats + sum.ints as f64
}

fn count(span: Span) -> f64 {
    span.n as f64
}

/// None for 0/0 and for what has left the range of f64.
pub(crate) fn finite(value: f64) -> FeatureValue {
    if value.is_finite() { FeatureValue::Float(value) } else { FeatureValue::None }
}

/// A sum of vectors divided, and then given the length 1 if `unit`. None without elements, for a division by zero, for
/// what has left the range of f32, and for the direction of zeros.
pub(crate) fn vector(sum: &[f64], divisor: f64, unit: bool) -> FeatureValue {
    let mut values: Vec<f64> = sum.iter().map(|x| x / divisor).collect();
    if unit {
        let length = norm(values.iter().copied());
        values.iter_mut().for_each(|x| *x /= length);
    }
    #[expect(clippy::cast_possible_truncation, reason = "vectors are computed in f64 and given as f32")]
    let values: Arc<[f32]> = values.into_iter().map(|x| x as f32).collect();
    if !values.is_empty() && values.iter().all(|x| x.is_finite()) {
        FeatureValue::Vector(values)
    } else {
        FeatureValue::None
    }
}

/// The length (L2) of a vector, summed in order of its elements.
pub(crate) fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}
