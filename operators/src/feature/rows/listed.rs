//! The newest and the oldest values, and the actions themselves.

use std::collections::HashSet;

use foldhash::fast::RandomState;

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
    used: Span,
    missing: u64,
}

pub(super) fn last(input: &Input<'_, '_>, k: usize) -> Outcome {
    values(input, &newest(input, k, |verb, hit| has_value(input, verb, hit)))
}

pub(super) fn first(input: &Input<'_, '_>, k: usize) -> Outcome {
    values(input, &oldest(input, k, |verb, hit| has_value(input, verb, hit)))
}

pub(super) fn actions(input: &Input<'_, '_>, select: &[Select], limit: usize) -> Outcome {
    let picked = newest(input, limit, |_, _| true);
    let rows = picked.actions.iter().map(|(verb, hit)| Event::new(verb, hit.t, hit.row).show(select, input.names));
    Outcome { value: FeatureValue::Actions(rows.collect()), used: picked.used, ..Outcome::default() }
}

/// The `k` newest actions that count; of those with one value of [`Input::by`], only the newest.
pub(super) fn newest<'a>(input: &Input<'_, 'a>, k: usize, counts: impl Fn(&'a str, &Hit<'a>) -> bool) -> Picked<'a> {
    let mut kept = Kept::new(input.by);
    pick(input.newest_first().map(|(verb, hit)| (verb, hit, kept.judge(verb, &hit, counts(verb, &hit)))), k)
}

/// The `k` oldest ones. Of those with one value the newest counts all the same, so they are judged newest first.
pub(super) fn oldest<'a>(input: &Input<'_, 'a>, k: usize, counts: impl Fn(&'a str, &Hit<'a>) -> bool) -> Picked<'a> {
    let mut kept = Kept::new(input.by);
    let judged = input.newest_first().map(|(verb, hit)| (verb, hit, kept.judge(verb, &hit, counts(verb, &hit))));
    let judged: Vec<_> = judged.collect();
    pick(judged.into_iter().rev(), k)
}

fn has_value<'a>(input: &Input<'_, 'a>, verb: &'a str, hit: &Hit<'a>) -> bool {
    !matches!(input.value(verb, hit), Found::Missing)
}

fn values(input: &Input<'_, '_>, picked: &Picked<'_>) -> Outcome {
    let values = picked.actions.iter().map(|(verb, hit)| FeatureValue::of_found(input.value(verb, hit)));
    let value = FeatureValue::List(values.collect());
    Outcome { value, used: picked.used, missing: picked.missing, ..Outcome::default() }
}

/// What becomes of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    Missing,
    /// A newer one has its value of [`Input::by`].
    Repeat,
}

/// The first `k` that are kept.
fn pick<'a>(judged: impl Iterator<Item = (&'a str, Hit<'a>, Verdict)>, k: usize) -> Picked<'a> {
    let mut picked = Picked::default();
    for (verb, hit, verdict) in judged {
        match verdict {
            Verdict::Missing => picked.missing += 1,
            Verdict::Repeat => {}
            Verdict::Keep => {
                picked.used.add(hit.t);
                picked.actions.push((verb, hit));
            }
        }
        if picked.actions.len() == k {
            break;
        }
    }
    picked
}

/// The values that were met so far, where actions are told apart by any.
#[derive(Debug)]
struct Kept<'a> {
    by: Option<Resolved>,
    met: HashSet<GroupKey<'a>, RandomState>,
}

impl<'a> Kept<'a> {
    fn new(by: Option<Resolved>) -> Self {
        Self { by, met: HashSet::default() }
    }

    fn judge(&mut self, verb: &'a str, hit: &Hit<'a>, has_value: bool) -> Verdict {
        if !has_value {
            return Verdict::Missing;
        }
        let is_new = self.by.is_none_or(|by| self.met.insert(GroupKey::of(by.find(verb, hit.row))));
        if is_new { Verdict::Keep } else { Verdict::Repeat }
    }
}
