//! Variance and standard deviation, in two passes.

use super::super::aggregate::finite;
use super::super::kind::Spread;
use super::super::number::Number;
use super::super::value::FeatureValue;
use super::input::{Input, Outcome};
use super::numbers::all;
use crate::chain::Span;

/// The canonical sum of the squared distances to the mean, which is the canonical sum of the numbers over their count.
pub(super) fn spread(input: &Input<'_, '_>, spread: Spread) -> Outcome {
    let mut used = Span::default();
    all(input, &mut used).for_each(drop);
    let n = used.n as f64;
    let mean = input.sum(|verb, hit| Some(Number::of(input.value(verb, hit))?.as_f64())) / n;
    let squares = input.sum(|verb, hit| {
        let distance = Number::of(input.value(verb, hit))?.as_f64() - mean;
        Some(distance * distance)
    });
    let value = match spread {
        Spread::VarPop => finite(squares / n),
        Spread::StddevPop => finite((squares / n).sqrt()),
        Spread::VarSample | Spread::StddevSample if used.n < 2 => FeatureValue::None,
        Spread::VarSample => finite(squares / (n - 1.0)),
        Spread::StddevSample => finite((squares / (n - 1.0)).sqrt()),
    };
    Outcome::new(value, used, input.matched)
}
