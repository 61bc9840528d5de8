//! How often values occur: `count_by`, `top_n`, `ratio_top1`.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::super::aggregate::{capped, finite};
use super::super::group::GroupKey;
use super::super::value::{CountMap, FeatureValue, MapKey};
use super::gather::Hit;
use super::input::{Input, Outcome};
use crate::chain::Span;

pub(super) fn count_by(input: &Input<'_, '_>, cap: usize) -> Outcome {
    let mut groups: BTreeMap<GroupKey<'_>, u64> = BTreeMap::new();
    for (verb, hit) in input.by_verb() {
        *groups.entry(GroupKey::of(input.value(verb, &hit))).or_insert(0) += 1;
    }
    let missing = groups.get(&GroupKey::Null).copied().unwrap_or(0);
    let counts: Vec<(MapKey, u64)> = groups.into_iter().map(|(key, n)| (key.to_owned(), n)).collect();
    let counts = if counts.len() > cap { capped(counts, cap) } else { counts };
    // Actions without a value are used too: they have their entry.
    Outcome { missing, ..Outcome::new(FeatureValue::Map(CountMap(counts)), input.matched, input.matched) }
}

pub(super) fn top_n(input: &Input<'_, '_>, n: usize) -> Outcome {
    let (values, used) = frequencies(input);
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(|(_, a), (_, b)| b.n.cmp(&a.n).then_with(|| b.newest.cmp(&a.newest)));
    let ranked = values.into_iter().take(n).map(|(key, frequency)| (key.to_owned(), frequency.n));
    Outcome::new(FeatureValue::Ranked(ranked.collect()), used, input.matched)
}

pub(super) fn ratio_top1(input: &Input<'_, '_>) -> Outcome {
    let (values, used) = frequencies(input);
    let most = values.values().map(|frequency| frequency.n).max().unwrap_or(0);
    Outcome::new(finite(most as f64 / used.n as f64), used, input.matched)
}

struct Frequency<'a> {
    n: u64,
    newest: Hit<'a>,
}

fn frequencies<'s, 'a>(input: &Input<'s, 'a>) -> (HashMap<GroupKey<'s>, Frequency<'a>, RandomState>, Span) {
    let mut values: HashMap<_, Frequency<'a>, _> = HashMap::default();
    let mut used = Span::default();
    for (verb, hit) in input.by_verb() {
        let key = GroupKey::of(input.value(verb, &hit));
        if key == GroupKey::Null {
            continue;
        }
        used.add(hit.t);
        let frequency = values.entry(key).or_insert(Frequency { n: 0, newest: hit });
        frequency.n += 1;
        // Within a verb the first one met is the newest.
        if hit.cmp(&frequency.newest).is_gt() {
            frequency.newest = hit;
        }
    }
    (values, used)
}
