//! Counts of sessions, and counts compared: `session_count`, `trend`.

use std::sync::Arc;

use super::super::aggregate::finite;
use super::super::kind::Aggregate;
use super::super::result::WindowResult;
use super::super::value::FeatureValue;
use super::input::{Input, Outcome};

/// Runs of actions with no more than `gap` from one to the next.
pub(super) fn count(input: &Input<'_, '_>, gap: i64) -> Outcome {
    let mut times: Vec<i64> = input.by_verb().map(|(_, hit)| hit.t).collect();
    times.sort_unstable();
    let breaks =
        times.windows(2).filter(|pair| matches!(pair, [before, after] if after.saturating_sub(*before) > gap)).count();
    let n = if times.is_empty() { 0 } else { breaks as u64 + 1 };
    Outcome::new(FeatureValue::Count(n), input.matched, input.matched)
}

/// Makes the two counts of a trend into one result, which used the actions of the first window; those of the second are its
/// `matched`. Other features keep their results.
pub(super) fn trend(
    aggregate: &Aggregate,
    windows: Vec<WindowResult>,
    default: Option<&FeatureValue>,
) -> Vec<WindowResult> {
    match (aggregate, windows.as_slice()) {
        (Aggregate::Trend, [numerator, denominator]) => {
            let label = Arc::from(format!("{}/{}", numerator.label, denominator.label));
            let value = finite(numerator.matched as f64 / denominator.matched as f64).or_default(default);
            vec![WindowResult { label, value, matched: denominator.matched, ..numerator.clone() }]
        }
        _ => windows,
    }
}
