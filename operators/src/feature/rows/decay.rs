//! Counts, sums and means of numbers whose weights halve with age.

use super::super::aggregate::finite;
use super::super::number::Number;
use super::super::value::FeatureValue;
use super::input::{Input, Outcome};
use super::numbers::all;
use crate::chain::Span;

/// `2^-(age / half_life)`, by a portable library so that it has equal bits on every machine.
pub(super) fn weight(age_ms: i64, half_life_ms: i64) -> f64 {
    libm::exp2(-(age_ms as f64 / half_life_ms as f64))
}

pub(super) fn count(input: &Input<'_, '_>, half_life: i64) -> Outcome {
    let sum = input.sum(|_, hit| Some(input.weight(hit.t, half_life)));
    Outcome::new(FeatureValue::Float(sum), input.matched, input.matched)
}

pub(super) fn sum(input: &Input<'_, '_>, half_life: i64) -> Outcome {
    Outcome::new(finite(weighted(input, half_life)), used(input), input.matched)
}

pub(super) fn mean(input: &Input<'_, '_>, half_life: i64) -> Outcome {
    let weights = input.sum(|verb, hit| {
        Number::of(input.value(verb, hit))?;
        Some(input.weight(hit.t, half_life))
    });
    Outcome::new(finite(weighted(input, half_life) / weights), used(input), input.matched)
}

fn weighted(input: &Input<'_, '_>, half_life: i64) -> f64 {
    input.sum(|verb, hit| {
        let number = Number::of(input.value(verb, hit))?;
        Some(input.weight(hit.t, half_life) * number.as_f64())
    })
}

fn used(input: &Input<'_, '_>) -> Span {
    let mut used = Span::default();
    all(input, &mut used).for_each(drop);
    used
}

impl Input<'_, '_> {
    /// The weight of an action at this time, as of the question.
    pub(super) fn weight(&self, t: i64, half_life: i64) -> f64 {
        weight(self.as_of.saturating_sub(t), half_life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_halve_with_every_half_life() {
        let weights = [0, 1_000, 2_000, 500].map(|age| weight(age, 1_000).to_bits());
        assert_eq!(weights, [1.0, 0.5, 0.25, 0.5_f64.sqrt()].map(f64::to_bits));
        assert_eq!(weight(i64::MAX, 1).to_bits(), 0);
    }
}
