//! Scores of candidate vectors against a feature's pooled vector, in the call that computes it.

use std::sync::Arc;

use nowfold_core::query::QueryError;

use crate::feature::{FeatureResult, FeatureValue, WindowResult};

/// How two vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The sum of the products of their elements.
    Dot,
    /// That divided by the product of their lengths, from -1 to 1; none where either is zero.
    Cosine,
}

/// Candidates for one feature.
#[derive(Clone, Debug)]
pub(super) struct Scoring {
    pub(super) feature: String,
    metric: Metric,
    candidates: Vec<Vec<f32>>,
}

/// The label of a window, and one score per candidate in it.
pub type WindowScores = (Arc<str>, Vec<Option<f64>>);

/// The scores of the candidates for one feature.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scores {
    /// The feature.
    pub feature: Arc<str>,
    /// One list per window, as in the feature's result: one score per candidate, in their order; none where the feature has
    /// no vector, or by [`Metric::Cosine`] where a vector has no direction.
    pub windows: Vec<WindowScores>,
}

impl Scoring {
    pub(super) fn new(feature: String, metric: Metric, candidates: Vec<Vec<f32>>) -> Self {
        Self { feature, metric, candidates }
    }

    pub(super) fn scores(&self, result: &FeatureResult) -> Result<Scores, QueryError> {
        let of_window = |window: &WindowResult| self.of_window(window).map(|scores| (window.label.clone(), scores));
        let windows = result.windows.iter().map(of_window).collect::<Result<_, _>>()?;
        Ok(Scores { feature: result.name.clone(), windows })
    }

    fn of_window(&self, window: &WindowResult) -> Result<Vec<Option<f64>>, QueryError> {
        let pooled = match &window.value {
            FeatureValue::None => return Ok(vec![None; self.candidates.len()]),
            FeatureValue::Vector(pooled) => pooled,
            _ => return Err(self.invalid("is no vector; score features such as vec_mean")),
        };
        let scores = self.candidates.iter().enumerate().map(|(number, candidate)| {
            if candidate.len() != pooled.len() {
                let (n, dim) = (candidate.len(), pooled.len());
                return Err(self.invalid(&format!("has {dim} elements, but candidate {number} has {n}")));
            }
            let score = self.metric.score(pooled, candidate);
            Ok(score.is_finite().then_some(score))
        });
        scores.collect()
    }

    fn invalid(&self, cause: &str) -> QueryError {
        QueryError::Invalid { cause: format!("feature {:?} {cause}", self.feature) }
    }
}

impl Metric {
    /// NaN or infinite where there is no score.
    fn score(self, a: &[f32], b: &[f32]) -> f64 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        match self {
            Self::Dot => dot(a, b),
            Self::Cosine => dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_sums_of_products() {
        let cases = [
            (Metric::Dot, [1.0, 2.0], [3.0, -1.0], 1.0_f64),
            (Metric::Cosine, [3.0, 4.0], [3.0, 4.0], 1.0),
            (Metric::Cosine, [1.0, 0.0], [0.0, 2.0], 0.0),
        ];
        for (metric, a, b, expected) in cases {
            assert_eq!(metric.score(&a, &b).to_bits(), expected.to_bits(), "{metric:?} {a:?} {b:?}");
        }
        assert!(Metric::Cosine.score(&[0.0, 0.0], &[0.0, 2.0]).is_nan());
    }
}
