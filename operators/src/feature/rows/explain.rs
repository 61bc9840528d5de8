//! Which actions the value of a window rests on, and which of the same time it passes over. Everything is asked of the
//! evaluator itself: the windows are placed as for an answer, and an action counts when its aggregate, given that action
//! alone, uses it.

use std::cmp::Reverse;
use std::sync::Arc;

use nowfold_core::time::Timestamp;

use super::super::kind::Aggregate;
use super::super::value::{ActionRow, FeatureValue};
use super::super::window::{Bounds, Window};
use super::gather::{Hit, Lane, Lanes};
use super::input::{Input, Part, Values};
use super::listed;
use super::plan::{Group, PlannedPath, PlannedRows, PlannedWindow};
use super::{Question, RowsPlan, parts, span};
use crate::chain::Span;
use crate::feature::filter::Test;

/// Actions looked at for one that is shown, at most.
const LOOKED_AT: usize = 50;

/// The actions of one window.
#[derive(Debug)]
pub(crate) struct WindowEvents {
    /// The interval of the window, `after < t <= until`; of the last n and of sessions the one they are looked for in.
    pub(crate) after: i64,
    pub(crate) until: i64,
    /// Those that contributed, newest first.
    pub(crate) used: Vec<ActionRow>,
    /// Those of the interval that did not, newest first, with the reason.
    pub(crate) passed_over: Vec<(ActionRow, &'static str)>,
    /// Whether there may be more of the latter.
    pub(crate) truncated: bool,
}

/// What is being gathered: newest first, with the verb and, where it was passed over, the reason.
struct Found<'a> {
    verb: &'a str,
    hit: Hit<'a>,
    reason: &'static str,
}

/// Which actions of a window are taken.
#[derive(Clone, Copy, Debug)]
enum Chosen {
    Newest(usize),
    Oldest(usize),
}

impl RowsPlan {
    /// The windows of the plan's first feature, at most `limit` actions of each kind.
    pub(crate) fn explain(&self, question: Question<'_>, limit: usize) -> Vec<WindowEvents> {
        self.groups.first().map_or_else(Vec::new, |group| group.explain(question, limit))
    }
}

impl Group {
    fn explain(&self, question: Question<'_>, limit: usize) -> Vec<WindowEvents> {
        let test = self.filter.as_ref().map(|filter| filter.bind(question.actor, question.view.names));
        let Some(feature) = self.features.first() else { return Vec::new() };
        // Where all actions count, only the newest are looked at, so no more of a verb are read.
        let most = if feature.chosen().is_none() { limit.saturating_mul(LOOKED_AT) } else { usize::MAX };
        let windows = feature.windows.iter();
        let windows = windows.filter_map(|planned| Some((planned, self.windows.get(planned.at)?)));
        let windows = windows.map(|(planned, window)| {
            let (lanes, extent) = self.read_newest(question, test.as_ref(), window, most);
            let values = feature.values(question, &lanes);
            let input = feature.input(question, parts(&lanes, &extent), &values);
            let mut found = self.others(question, window, test.as_ref(), limit);
            let used = feature.used(&input, planned, limit);
            found.extend(feature.unused(&input, planned, &used, limit));
            found.sort_unstable_by_key(|found| Reverse(found.hit.order()));
            let truncated = found.len() >= limit;
            found.truncate(limit);
            let Bounds { lower, upper } = window.bounds(question.as_of);
            let show = |verb: &str, hit: &Hit<'_>, value| feature.show(verb, hit, value);
            WindowEvents {
                after: lower.max(question.floor),
                until: upper,
                used: used.iter().map(|(verb, hit)| show(verb, hit, values.find(verb, hit))).collect(),
                passed_over: found
                    .iter()
                    .map(|found| (show(found.verb, &found.hit, values.find(found.verb, &found.hit)), found.reason))
                    .collect(),
                truncated,
            }
        });
        windows.collect()
    }

    /// Actions of the interval that have another verb or do not pass the filter.
    fn others<'a>(
        &self,
        question: Question<'a>,
        window: &Window,
        test: Option<&Test<'_>>,
        limit: usize,
    ) -> Vec<Found<'a>> {
        let Bounds { lower, upper } = window.bounds(question.as_of);
        let mut found = Vec::new();
        for chain in &question.view.chains {
            let reason = if self.matches(chain.verb) { "filter" } else { "verb" };
            if reason == "filter" && test.is_none() {
                continue;
            }
            let mut lanes = Lanes::new(vec![Lane::new(chain.verb, chain.chain, upper, question.floor)], None);
            let (mut walk, mut n) = (lanes.walk(), 0);
            for _ in 0..limit.saturating_mul(LOOKED_AT) {
                let Some(hit) = walk.next(&mut lanes).filter(|hit| hit.t > lower && n < limit) else { break };
                if reason == "verb" || test.is_some_and(|test| !test.passes(chain.verb, hit.row)) {
                    found.push(Found { verb: chain.verb, hit, reason });
                    n += 1;
                }
            }
        }
        found
    }
}

impl PlannedRows {
    /// Actions that contribute, newest first.
    fn used<'a>(&self, input: &Input<'_, 'a>, window: &PlannedWindow, limit: usize) -> Vec<(&'a str, Hit<'a>)> {
        let contributes = |verb, hit: &Hit<'a>| self.contributes(input, window, verb, hit);
        match self.chosen() {
            Some(Chosen::Newest(k)) => listed::newest(input, k.min(limit), contributes).actions,
            Some(Chosen::Oldest(k)) => {
                let mut oldest = listed::oldest(input, k.min(limit), contributes).actions;
                oldest.reverse();
                oldest
            }
            None => {
                let looked_at = input.newest_first().take(limit.saturating_mul(LOOKED_AT));
                looked_at.filter(|(verb, hit)| contributes(verb, hit)).take(limit).collect()
            }
        }
    }

    /// Actions of the window that do not contribute.
    fn unused<'a>(
        &self,
        input: &Input<'_, 'a>,
        window: &PlannedWindow,
        used: &[(&'a str, Hit<'a>)],
        limit: usize,
    ) -> Vec<Found<'a>> {
        let mut used = used.iter().map(|(_, hit)| hit.order()).peekable();
        let mut found = Vec::new();
        for (verb, hit) in input.newest_first().take(limit.saturating_mul(LOOKED_AT)) {
            if found.len() == limit {
                break;
            }
            if used.next_if_eq(&hit.order()).is_some() {
                continue;
            }
            let reason = match (self.contributes(input, window, verb, &hit), self.chosen()) {
                (false, _) => "missing_attribute",
                (true, Some(Chosen::Newest(_))) => "not_among_newest",
                (true, Some(Chosen::Oldest(_))) => "not_among_oldest",
                (true, None) => continue,
            };
            found.push(Found { verb, hit, reason });
        }
        found
    }

    /// Whether the aggregate uses the action when it is given it alone.
    fn contributes<'a>(&self, input: &Input<'_, 'a>, window: &PlannedWindow, verb: &'a str, hit: &Hit<'a>) -> bool {
        let alone = Input {
            parts: vec![Part { verb, hits: std::slice::from_ref(hit) }],
            matched: Span { n: 1, oldest: hit.t, newest: hit.t },
            as_of: input.as_of,
            names: input.names,
            values: input.values,
            by: input.by,
        };
        self.outcome(&alone, window).used.n > 0
    }

    /// Which actions it takes, where it does not take all.
    fn chosen(&self) -> Option<Chosen> {
        match &self.aggregate {
            Aggregate::Last { k, .. } => Some(Chosen::Newest(*k)),
            Aggregate::LastValue { .. } => Some(Chosen::Newest(1)),
            Aggregate::Actions { .. } => Some(Chosen::Newest(self.limit)),
            Aggregate::First { k, .. } => Some(Chosen::Oldest(*k)),
            Aggregate::FirstValue { .. } => Some(Chosen::Oldest(1)),
            _ => None,
        }
    }

    fn input<'s, 'a>(&self, question: Question<'a>, parts: Vec<Part<'s, 'a>>, values: &'s Values<'a>) -> Input<'s, 'a> {
        let by = self.by.as_ref().map(|path| path.resolve(question.view.names));
        let matched = span(&parts);
        Input { parts, matched, as_of: question.as_of, names: question.view.names, values, by }
    }

    fn show(&self, verb: &str, hit: &Hit<'_>, value: super::super::path::Found<'_>) -> ActionRow {
        let path = match &self.of {
            PlannedPath::Nothing => None,
            PlannedPath::Own(path) => Some(path.to_string()),
            PlannedPath::Late(name) => Some(format!("object.{name}")),
        };
        ActionRow {
            timestamp: Timestamp::from_millis(hit.t),
            verb: Arc::from(verb),
            object: Arc::from(hit.row.object()),
            event_id: Arc::from(hit.row.id()),
            sequence: hit.row.sequence(),
            selected: path.map(|path| (Arc::from(path), FeatureValue::of_found(value))).into_iter().collect(),
        }
    }
}
