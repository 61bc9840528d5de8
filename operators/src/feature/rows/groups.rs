//! Counts by value.

use std::collections::BTreeMap;

use super::super::aggregate::capped;
use super::super::group::GroupKey;
use super::super::value::{CountMap, FeatureValue, MapKey};
use super::input::{Input, Outcome};

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
