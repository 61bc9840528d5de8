//! The newest values, and the actions themselves.

use std::collections::HashSet;

use super::super::aggregate::Event;
use super::super::group::GroupKey;
use super::super::path::{Found, Resolved, Select};
use super::super::value::FeatureValue;
use super::gather::Hit;
use super::input::{Input, Outcome};
use crate::chain::Span;

/// Actions in the order of an answer, and how many lacked the value before the last of them.
#[derive(Debug, Default)]
pub(super) struct Picked<'a> {
    pub(super) actions: Vec<(&'a str, Hit<'a>)>,
    pub(super) used: Span,
    pub(super) missing: u64,
}

pub(super) fn last(input: &Input<'_, '_>, k: usize) -> Outcome {
    let picked = newest(input, k, |verb, hit| !matches!(input.value(verb, hit), Found::Missing));
    let values = picked.actions.iter().map(|(verb, hit)| FeatureValue::of_found(input.value(verb, hit)));
    let value = FeatureValue::List(values.collect());
    Outcome { value, used: picked.used, missing: picked.missing, ..Outcome::default() }
}

pub(super) fn actions(input: &Input<'_, '_>, select: &[Select], limit: usize) -> Outcome {
    let picked = newest(input, limit, |_, _| true);
    let rows = picked.actions.iter().map(|(verb, hit)| Event::new(verb, hit.t, hit.row).show(select, input.names));
    let value = FeatureValue::Actions(rows.collect());
    Outcome { value, used: picked.used, missing: 0, ..Outcome::default() }
}

/// The `k` newest actions that count; of those with one value of [`Input::by`], only the newest.
pub(super) fn newest<'a>(input: &Input<'_, 'a>, k: usize, counts: impl Fn(&'a str, &Hit<'a>) -> bool) -> Picked<'a> {
    let mut picked = Picked::default();
    let mut seen = Seen::new(input.by);
    for (verb, hit) in input.newest_first() {
        if picked.actions.len() == k {
            break;
        }
        if !counts(verb, &hit) {
            picked.missing += 1;
        } else if seen.is_new(verb, &hit) {
            picked.used.add(hit.t);
            picked.actions.push((verb, hit));
        }
    }
    picked
}

/// The values that were met so far, where actions are told apart by any.
#[derive(Debug)]
struct Seen<'a> {
    by: Option<Resolved>,
    keys: HashSet<GroupKey<'a>, foldhash::fast::RandomState>,
}

impl<'a> Seen<'a> {
    fn new(by: Option<Resolved>) -> Self {
        Self { by, keys: HashSet::default() }
    }

    fn is_new(&mut self, verb: &'a str, hit: &Hit<'a>) -> bool {
        self.by.is_none_or(|by| self.keys.insert(GroupKey::of(by.find(verb, hit.row))))
    }
}
