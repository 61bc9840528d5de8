//! How far vectors point in different directions.

use super::super::aggregate::norm;
use super::super::value::FeatureValue;
use super::gather::Hit;
use super::input::{Input, Outcome};
use super::pool::{Pooled, Vectors};

/// `1 - |mean of the vectors at length 1|`.
pub(super) fn dispersion(input: &Input<'_, '_>) -> Outcome {
    let mut vectors = Vectors::units();
    let add = |pooled: &mut Pooled, verb, hit: &Hit<'_>| {
        if let Some(values) = vectors.of(input.value(verb, hit)) {
            pooled.add(hit.t, 1.0, &values);
        }
    };
    let pooled = input.fold(Pooled::default, add, |sum, part| sum.merge(&part, 1.0));
    let value = if pooled.used.n == 0 {
        FeatureValue::None
    } else {
        let mean = norm(pooled.sum.iter().map(|x| x / pooled.weights));
        FeatureValue::Float((1.0 - mean).clamp(0.0, 1.0))
    };
    Outcome::new(value, pooled.used, input.matched)
}
