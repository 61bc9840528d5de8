//! Features that look at single actions: windows of every kind, filters, and aggregates without partial sums.
//!
//! Actions are read once for all features with the same verbs and filter, newest first and only as far as their windows
//! reach. Each window is then a range of them in each verb. Features that turn out to need no single action (`summed`) are
//! here for their windows, which neither begin nor end where plain ones do.

mod by;
mod decay;
mod dispersion;
mod distinct;
mod explain;
mod extent;
mod fold;
mod frequency;
mod gather;
mod input;
mod listed;
mod numbers;
mod outcome;
mod plan;
mod pool;
mod quantile;
mod sessions;
mod spread;
mod summed;
mod totals;

use std::sync::Arc;

use super::filter::Test;
use super::late::LateJoin;
use super::path::Resolved;
use super::result::{FeatureResult, WindowResult};
use super::window::Window;
use crate::chain::{Span, View};

use self::extent::Extent;
use self::gather::{Lane, Lanes};
use self::input::{Part, Values};
use self::plan::{Group, PlannedPath, PlannedRows};

pub(crate) use self::explain::WindowEvents;
pub(crate) use self::gather::Hit;
pub(crate) use self::input::{Input, Outcome};
pub(crate) use self::plan::RowsPlan;

/// What an evaluation is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) actor: &'a str,
    pub(crate) as_of: i64,
    /// Events at or before this time are invisible.
    pub(crate) floor: i64,
    /// Events at or before this time may be missing: they are invisible, or were cut.
    pub(crate) reach: i64,
    pub(crate) late: Option<&'a LateJoin>,
}

impl RowsPlan {
    /// Answers all features, in order of their numbers, and says whether the history sufficed for all windows.
    pub(crate) fn evaluate(&self, question: Question<'_>) -> (Vec<FeatureResult>, bool) {
        let mut numbered = Vec::new();
        let mut complete = true;
        for group in &self.groups {
            complete &= group.evaluate(question, &mut numbered);
        }
        for feature in &self.summed {
            let (number, result, sufficed) = feature.evaluate(question);
            numbered.push((number, result));
            complete &= sufficed;
        }
        numbered.sort_unstable_by_key(|(number, _)| *number);
        (numbered.into_iter().map(|(_, result)| result).collect(), complete)
    }
}

impl Group {
    fn evaluate(&self, question: Question<'_>, results: &mut Vec<(usize, FeatureResult)>) -> bool {
        let test = self.filter.as_ref().map(|filter| filter.bind(question.actor, question.view.names));
        let (lanes, extents) = self.read(question, test.as_ref());
        let results_of =
            self.features.iter().map(|feature| (feature.number, feature.evaluate(question, &lanes, &extents)));
        results.extend(results_of);
        extents.iter().all(|extent| extent.complete)
    }

    /// Reads what the windows need, and places them.
    fn read<'a, 't>(&self, question: Question<'a>, test: Option<&'t Test<'t>>) -> (Lanes<'a, 't>, Vec<Extent>) {
        let Question { as_of, reach, .. } = question;
        let upper = self.windows.iter().map(|window| window.bounds(as_of).upper).max().unwrap_or(as_of);
        let mut lanes = self.lanes(question, test, upper);
        let extents = self.windows.iter().map(|window| Extent::of(window, &mut lanes, as_of, reach)).collect();
        (lanes, extents)
    }

    /// Reads what one window needs; of a window in time no more than the `most` newest actions of each verb.
    fn read_newest<'a, 't>(
        &self,
        question: Question<'a>,
        test: Option<&'t Test<'t>>,
        window: &Window,
        most: usize,
    ) -> (Lanes<'a, 't>, Extent) {
        let mut lanes = self.lanes(question, test, window.bounds(question.as_of).upper);
        lanes.most = most;
        let extent = Extent::of(window, &mut lanes, question.as_of, question.reach);
        (lanes, extent)
    }

    /// The actions up to `upper`, none of which has been read.
    fn lanes<'a, 't>(&self, question: Question<'a>, test: Option<&'t Test<'t>>, upper: i64) -> Lanes<'a, 't> {
        let chains = question.view.chains.iter().filter(|verb| self.matches(verb.verb));
        let lanes = chains.map(|verb| Lane::new(verb.verb, verb.chain, upper, question.floor));
        Lanes::new(lanes.collect(), test)
    }
}

impl PlannedRows {
    fn evaluate(&self, question: Question<'_>, lanes: &Lanes<'_, '_>, extents: &[Extent]) -> FeatureResult {
        let names = question.view.names;
        let values = self.values(question, lanes);
        let by = self.by.as_ref().map(|path| path.resolve(names));
        let windows = self.windows.iter().filter_map(|window| Some((extents.get(window.at)?, window)));
        let windows: Vec<_> = windows
            .map(|(extent, window)| {
                let parts = parts(lanes, extent);
                let (matched, as_of) = (span(&parts), question.as_of);
                let input = Input { parts, matched, as_of, names, values: &values, by };
                let outcome = self.outcome(&input, window);
                self.result(outcome, &window.label, matched, extent.open)
            })
            .collect();
        let late_joined = matches!(self.of, PlannedPath::Late(_));
        FeatureResult {
            name: self.name.clone(),
            windows: sessions::trend(&self.aggregate, windows, self.default.as_ref()),
            late_joined,
        }
    }

    /// Where the values are that it looks at.
    fn values<'a>(&self, question: Question<'a>, lanes: &Lanes<'a, '_>) -> Values<'a> {
        match &self.of {
            PlannedPath::Nothing => Values::Own(Resolved::Column(None)),
            PlannedPath::Own(path) => Values::Own(path.resolve(question.view.names)),
            PlannedPath::Late(name) => match question.late {
                Some(join) => Values::late(join, name, lanes.lanes.iter().flat_map(|lane| lane.hits.iter().copied())),
                None => Values::Own(Resolved::Column(None)),
            },
        }
    }

    fn result(&self, outcome: Outcome, label: &Arc<str>, matched: Span, open: Option<bool>) -> WindowResult {
        let Outcome { value, used, missing, error_bound, truncated } = outcome;
        let value = value.or_default(self.default.as_ref());
        let result = WindowResult::new(label, value, used, missing, matched.n);
        WindowResult { error_bound, truncated, open, ..result }
    }
}

/// The actions of a window in each verb that has any.
fn parts<'s, 'a>(lanes: &'s Lanes<'a, '_>, extent: &Extent) -> Vec<Part<'s, 'a>> {
    let parts = lanes.lanes.iter().zip(&extent.ranges);
    let parts = parts.filter_map(|(lane, range)| Some(Part { verb: lane.verb, hits: lane.hits.get(range.clone())? }));
    parts.filter(|part| !part.hits.is_empty()).collect()
}

fn span(parts: &[Part<'_, '_>]) -> Span {
    let mut span = Span::default();
    for part in parts {
        if let (Some(newest), Some(oldest)) = (part.hits.first(), part.hits.last()) {
            span.merge(Span { n: part.hits.len() as u64, oldest: oldest.t, newest: newest.t });
        }
    }
    span
}
