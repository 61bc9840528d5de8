//! The number of different values.

use super::super::aggregate::Values;
use super::super::group::GroupKey;
use super::super::value::FeatureValue;
use super::input::{Input, Outcome};
use crate::chain::Span;

/// Fed verb by verb, newest first, as all estimates are.
pub(super) fn distinct_count(input: &Input<'_, '_>, cap: usize) -> Outcome {
    let (mut values, mut used) = (Values::default(), Span::default());
    for (verb, hit) in input.by_verb() {
        let key = GroupKey::of(input.value(verb, &hit));
        if key != GroupKey::Null {
            used.add(hit.t);
            values.insert(key, cap);
        }
    }
    let (n, error_bound) = values.count();
    Outcome { error_bound, ..Outcome::new(FeatureValue::Count(n), used, input.matched) }
}
