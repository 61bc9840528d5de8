//! Sums and means for each value of another attribute.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::aggregate::{Finish, Total, vector};
use super::super::group::GroupKey;
use super::super::kind::{Grouped, Normalize};
use super::super::number::Number;
use super::super::path::{Found, Resolved};
use super::super::value::{FeatureValue, GroupMap, MapKey};
use super::gather::Hit;
use super::input::{Input, Outcome};
use super::pool::{Pooled, Vectors};
use crate::chain::{ColumnSum, Span};

/// Each group is summed as if a filter had let nothing else pass.
#[derive(Debug, Default)]
struct Group {
    numbers: ColumnSum,
    vectors: Pooled,
}

pub(super) fn by<'a>(input: &Input<'_, 'a>, grouped: Grouped, normalize: Option<Normalize>, cap: usize) -> Outcome {
    let by = input.by.unwrap_or(Resolved::Column(None));
    let mut vectors = Vectors::new(normalize);
    let add = |groups: &mut BTreeMap<GroupKey<'a>, Group>, verb: &'a str, hit: &Hit<'a>| {
        let found = input.value(verb, hit);
        if grouped == Grouped::VecMean {
            if let Some(values) = vectors.of(found) {
                groups.entry(GroupKey::of(by.find(verb, hit.row))).or_default().vectors.add(hit.t, 1.0, &values);
            }
        } else if let (Some(_), Found::Cell(cell)) = (Number::of(found), found) {
            groups.entry(GroupKey::of(by.find(verb, hit.row))).or_default().numbers.add(hit.t, cell);
        }
    };
    let groups = input.fold(BTreeMap::new, add, |all, part: BTreeMap<_, Group>| {
        for (key, group) in part {
            let own: &mut Group = all.entry(key).or_default();
            own.numbers.merge(&group.numbers);
            own.vectors.merge(&group.vectors, 1.0);
        }
    });
    finish(input, groups, grouped, normalize, cap)
}

fn finish(
    input: &Input<'_, '_>,
    groups: BTreeMap<GroupKey<'_>, Group>,
    grouped: Grouped,
    normalize: Option<Normalize>,
    cap: usize,
) -> Outcome {
    let mut used = Span::default();
    groups.values().for_each(|group| used.merge(group.used()));
    let truncated = groups.len() > cap;
    let (mut values, mut error_bound) = (Vec::with_capacity(groups.len().min(cap)), 0.0_f64);
    for (key, group) in most_frequent(groups, cap) {
        let (value, bound) = group.value(grouped, normalize);
        error_bound = error_bound.max(bound);
        values.push((key, value));
    }
    let value = FeatureValue::Groups(GroupMap(values));
    Outcome { error_bound, truncated, ..Outcome::new(value, used, input.matched) }
}

/// The groups of most actions, ties in order of the values; they stay in order.
fn most_frequent(groups: BTreeMap<GroupKey<'_>, Group>, cap: usize) -> Vec<(MapKey, Group)> {
    let mut ranked: Vec<_> = groups.into_iter().enumerate().collect();
    if ranked.len() > cap {
        ranked.sort_by_key(|(place, (_, group))| (Reverse(group.used().n), *place));
        ranked.truncate(cap);
        ranked.sort_unstable_by_key(|(place, _)| *place);
    }
    ranked.into_iter().map(|(_, (key, group))| (key.to_owned(), group)).collect()
}

impl Group {
    fn used(&self) -> Span {
        let mut used = self.numbers.numbers;
        used.merge(self.vectors.used);
        used
    }

    fn value(self, grouped: Grouped, normalize: Option<Normalize>) -> (FeatureValue, f64) {
        let (value, _, bound) = match grouped {
            Grouped::Sum => Total::of(self.numbers).finish(Finish::Sum),
            Grouped::Mean => Total::of(self.numbers).finish(Finish::Mean),
            Grouped::VecMean => {
                let unit = normalize.is_some_and(Normalize::after);
                (vector(&self.vectors.sum, self.vectors.weights, unit), self.vectors.used, 0.0)
            }
        };
        (value, bound)
    }
}
