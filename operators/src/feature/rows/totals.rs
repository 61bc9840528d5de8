//! Sum, mean and weighted mean over single actions, in the order that partial sums have.

use super::super::aggregate::{Finish, Finished, Total};
use super::super::path::Found;
use super::fold::fold;
use super::gather::Hit;
use super::input::{Input, Outcome, Part};
use crate::chain::{Cell, ColumnSum};

/// Sums everything.
pub(super) fn total(input: &Input<'_, '_>, finish: Finish) -> Outcome {
    let mut total = ColumnSum::default();
    let mut dim = None;
    for part in &input.parts {
        total.merge(&verb_sum(input, part, &mut dim));
    }
    outcome(input, Total::of(total).finish(finish))
}

/// Sums every verb with its weight.
pub(super) fn weighted(input: &Input<'_, '_>, weights: &[(String, f64)], finish: Finish) -> Outcome {
    let mut total = Total::default();
    let mut dim = None;
    for part in &input.parts {
        let sum = verb_sum(input, part, &mut dim);
        total.add_weighted(&sum, weight_of(weights, part.verb));
    }
    outcome(input, total.finish(finish))
}

pub(super) fn weight_of(weights: &[(String, f64)], verb: &str) -> f64 {
    weights.iter().find(|(other, _)| other == verb).map_or(0.0, |(_, weight)| *weight)
}

/// The first vector of a window sets the dimension; only late joins can bring others, which are left out.
fn verb_sum<'a>(input: &Input<'_, 'a>, part: &Part<'_, 'a>, dim: &mut Option<usize>) -> ColumnSum {
    let add = |sum: &mut ColumnSum, hit: &Hit<'a>| {
        let Found::Cell(cell) = input.value(part.verb, hit) else { return };
        match cell {
            Cell::Vector(vector) if *dim.get_or_insert(vector.len()) != vector.len() => {}
            cell => sum.add(hit.t, cell),
        }
    };
    fold(part.hits, ColumnSum::default, add, |sum, block| sum.merge(&block))
}

pub(super) fn outcome(input: &Input<'_, '_>, (value, used, error_bound): Finished) -> Outcome {
    Outcome { error_bound, ..Outcome::new(value, used, input.matched) }
}
