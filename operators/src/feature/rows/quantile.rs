//! Quantiles by nearest rank: exact up to a cap, then from a DDSketch.

use sketches_ddsketch::{Config, DDSketch};

use super::super::number::Number;
use super::super::value::FeatureValue;
use super::input::{Input, Outcome};
use super::numbers::all;
use crate::chain::Span;

/// The relative error of the sketch.
const SKETCH_ERROR: f64 = 0.01;

/// Enough bins for every f64 at that error, so that none is ever joined with another.
const BINS: u32 = 1 << 17;

pub(super) fn quantile(input: &Input<'_, '_>, p: f64, cap: usize) -> Outcome {
    let mut used = Span::default();
    let mut numbers: Vec<Number> = all(input, &mut used).map(|(number, _)| number).collect();
    if numbers.is_empty() {
        return Outcome::new(FeatureValue::None, used, input.matched);
    }
    let index = index(p, numbers.len());
    if numbers.len() > cap {
        let value = sketched(&numbers, index);
        return Outcome { error_bound: SKETCH_ERROR, ..Outcome::new(FeatureValue::Float(value), used, input.matched) };
    }
    let (_, number, _) = numbers.select_nth_unstable_by(index, |a, b| a.cmp_total(*b));
    Outcome::new((*number).into(), used, input.matched)
}

/// The place `ceil(p n)`, at least 1, counted from 0.
fn index(p: f64, n: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to n")]
    let rank = (p * n as f64).ceil() as usize;
    rank.clamp(1, n) - 1
}

/// The sketch takes the number at `floor(q (n - 1))`; half a place more makes up for rounding. It does not depend on the
/// order in which numbers are added.
fn sketched(numbers: &[Number], index: usize) -> f64 {
    let mut sketch = DDSketch::new(Config::new(SKETCH_ERROR, BINS, f64::MIN_POSITIVE));
    numbers.iter().for_each(|number| sketch.add(number.as_f64()));
    let last = numbers.len() - 1;
    let q = if index == 0 { 0.0 } else { ((index as f64 + 0.5) / last as f64).min(1.0) };
    sketch.quantile(q).ok().flatten().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest_from_above() {
        let cases = [(0.0, 4, 0), (0.25, 4, 0), (0.26, 4, 1), (0.5, 4, 1), (0.51, 4, 2), (1.0, 4, 3), (0.5, 1, 0)];
        for (p, n, expected) in cases {
            assert_eq!(index(p, n), expected, "{p} of {n}");
        }
    }

    #[test]
    fn a_sketch_stays_within_its_error_over_all_of_f64() {
        let mut numbers: Vec<Number> = (1..=1_000).map(Number::Int).collect();
        numbers.extend([-1e300, -5.5, 0.0, 1e-300, 1e300].map(Number::Float));
        let mut sorted = numbers.clone();
        sorted.sort_unstable_by(|a, b| a.cmp_total(*b));
        for index in [0, 1, 2, 3, 4, 500, 1_003, 1_004] {
            let (got, want) = (sketched(&numbers, index), sorted[index].as_f64());
            assert!((got - want).abs() <= want.abs() * (SKETCH_ERROR + 1e-9), "{index}: {got} {want}");
        }
        numbers.reverse();
        assert_eq!(sketched(&numbers, 500).to_bits(), sketched(&sorted, 500).to_bits());
    }
}
