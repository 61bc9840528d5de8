//! Single numbers out of many: `min`, `max`, `top_k`.

use super::super::number::Number;
use super::super::value::FeatureValue;
use super::gather::Hit;
use super::input::{Input, Outcome};
use crate::chain::Span;

/// The smallest; of a whole number and an equal float the whole number.
pub(super) fn min(input: &Input<'_, '_>) -> Outcome {
    extreme(input, |values| values.min_by(|a, b| a.cmp_total(*b)))
}

/// The largest; of a whole number and an equal float the float.
pub(super) fn max(input: &Input<'_, '_>) -> Outcome {
    extreme(input, |values| values.max_by(|a, b| a.cmp_total(*b)))
}

fn extreme(input: &Input<'_, '_>, pick: impl Fn(&mut dyn Iterator<Item = Number>) -> Option<Number>) -> Outcome {
    let mut used = Span::default();
    let value = pick(&mut all(input, &mut used).map(|(number, _)| number));
    Outcome::new(value.map_or(FeatureValue::None, FeatureValue::from), used, input.matched)
}

/// The largest numbers, ties by the newest action.
pub(super) fn top_k(input: &Input<'_, '_>, k: usize) -> Outcome {
    let mut all_used = Span::default();
    let mut numbers: Vec<_> = all(input, &mut all_used).collect();
    numbers.sort_unstable_by(|(a, hit_a), (b, hit_b)| b.cmp_value(*a).then_with(|| hit_b.cmp(hit_a)));
    let value = FeatureValue::List(numbers.iter().take(k).map(|(number, _)| (*number).into()).collect());
    Outcome::new(value, all_used, input.matched)
}

/// Every number of the window, with the span of their actions.
pub(super) fn all<'i, 'a>(
    input: &'i Input<'_, 'a>,
    used: &'i mut Span,
) -> impl Iterator<Item = (Number, Hit<'a>)> + 'i {
    input.by_verb().filter_map(|(verb, hit)| {
        let number = Number::of(input.value(verb, &hit))?;
        used.add(hit.t);
        Some((number, hit))
    })
}
