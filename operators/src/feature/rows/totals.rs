//! Sum, mean and weighted mean over single actions, in the order that partial sums have.

use std::sync::Arc;

use super::super::aggregate::Total;
use super::super::path::Found;
use super::input::{Input, Outcome, Part};
use crate::chain::{Cell, ColumnSum};

pub(super) fn sum(input: &Input<'_, '_>) -> Outcome {
    outcome(input, Total::of(column_sum(input)).sum())
}

pub(super) fn mean(input: &Input<'_, '_>) -> Outcome {
    outcome(input, Total::of(column_sum(input)).mean())
}

pub(super) fn weighted_mean(input: &Input<'_, '_>, weights: &[(Arc<str>, f64)]) -> Outcome {
    let mut total = Total::default();
    let mut dim = None;
    for part in &input.parts {
        let sum = verb_sum(input, part, &mut dim);
        let weight = weights.iter().find(|(verb, _)| **verb == *part.verb).map_or(0.0, |(_, weight)| *weight);
        total.add_weighted(&sum, weight);
    }
    outcome(input, total.weighted_mean())
}

/// The sum of the feature's column over a window.
pub(super) fn column_sum(input: &Input<'_, '_>) -> ColumnSum {
    let mut total = ColumnSum::default();
    let mut dim = None;
    for part in &input.parts {
        total.merge(&verb_sum(input, part, &mut dim));
    }
    total
}

/// The first vector of a window sets the dimension; only late joins can bring others, which are left out.
fn verb_sum<'a>(input: &Input<'_, 'a>, part: &Part<'_, 'a>, dim: &mut Option<usize>) -> ColumnSum {
    let add = |sum: &mut ColumnSum, hit: &super::gather::Hit<'a>| {
        let Found::Cell(cell) = input.value(part.verb, hit) else { return };
        match cell {
            Cell::Vector(vector) if *dim.get_or_insert(vector.len()) != vector.len() => {}
            cell => sum.add(hit.t, cell),
        }
    };
    super::fold::fold(part.hits, ColumnSum::default, add, |sum, block| sum.merge(&block))
}

fn outcome(input: &Input<'_, '_>, (value, used, error_bound): super::super::aggregate::Finished) -> Outcome {
    Outcome { error_bound, ..Outcome::new(value, used, input.matched) }
}
