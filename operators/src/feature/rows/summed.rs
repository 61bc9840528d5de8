//! Windows of any place in time whose features need no single action: their sums and counts come from partial sums.

use std::sync::Arc;

use nowfold_core::query::QueryError;

use super::super::aggregate::{Finish, OfSpan, Total};
use super::super::define::Feature;
use super::super::late::LateJoin;
use super::super::path::Path;
use super::super::plan::{self, PlannedSum};
use super::super::result::FeatureResult;
use super::super::scan::Scan;
use super::super::window::{Bounds, Kind, Window};
use super::input::Outcome;
use super::plan::{PlannedPath, PlannedRows};
use super::totals::weight_of;
use super::{Question, RowsPlan};
use crate::chain::{ColumnSum, Span, VerbChain};

/// One feature of this kind.
#[derive(Clone, Debug)]
pub(crate) struct Summed {
    feature: PlannedRows,
    /// In byte order; `None` is any.
    verbs: Option<Vec<Arc<str>>>,
    windows: Vec<Window>,
    makes: Makes,
}

/// What is made of a window.
#[derive(Clone, Debug)]
enum Makes {
    OfSpan(OfSpan),
    Sum { sum: PlannedSum, finish: Finish, weights: Option<Vec<(String, f64)>> },
}

impl RowsPlan {
    /// Compiles a feature so, if that is possible.
    pub(crate) fn add_summed(&mut self, feature: &Feature, late: Option<&LateJoin>) -> Result<bool, QueryError> {
        let in_time = |window: &Window| matches!(window.kind, Kind::Sliding { .. } | Kind::Tumbling { .. });
        if feature.filter.is_some() || feature.distinct_by.is_some() || !feature.windows.iter().all(in_time) {
            return Ok(false);
        }
        let (planned, windows) = self.next(feature, late)?;
        let Some(makes) = Makes::of(feature, &planned) else { return Ok(false) };
        self.count_feature();
        self.summed.push(Summed { feature: planned, verbs: plan::verbs(feature), windows, makes });
        Ok(true)
    }
}

impl Makes {
    fn of(feature: &Feature, planned: &PlannedRows) -> Option<Self> {
        if let Some(kind) = OfSpan::of(&feature.aggregate) {
            return Some(Self::OfSpan(kind));
        }
        let ((_, finish), PlannedPath::Own(Path::Attribute(side, name))) = (plan::finish(feature)?, &planned.of) else {
            return None;
        };
        let sum = PlannedSum { side: *side, name: name.clone(), is_late: false, edges: vec![0] };
        Some(Self::Sum { sum, finish, weights: feature.aggregate.weights().map(<[_]>::to_vec) })
    }
}

impl Summed {
    /// The number of the feature and its result, and whether the history sufficed for all of its windows.
    pub(super) fn evaluate(&self, question: Question<'_>) -> (usize, FeatureResult, bool) {
        let bounds = || self.windows.iter().map(|window| window.bounds(question.as_of));
        let windows = self.feature.windows.iter().zip(bounds()).map(|(window, bounds)| {
            let (outcome, matched) = self.outcome(question, bounds, window.length_ms);
            self.feature.result(outcome, &window.label, matched, None)
        });
        let name = self.feature.name.clone();
        let result = FeatureResult { name, windows: windows.collect(), late_joined: false };
        (self.feature.number, result, bounds().all(|bounds| bounds.lower >= question.reach))
    }

    fn outcome(&self, question: Question<'_>, bounds: Bounds, length_ms: Option<i64>) -> (Outcome, Span) {
        let (mut matched, mut total) = (Span::default(), Total::default());
        let chains = question.view.chains.iter().filter(|chain| self.matches(chain));
        for chain in chains {
            let scan = Scan::new(chain.verb, chain.chain, bounds.upper, &[bounds.lower.max(question.floor)]);
            matched.merge(scan.span(0));
            if let (Makes::Sum { sum, weights, .. }, false) = (&self.makes, scan.is_empty()) {
                let own = verb_sum(question, &scan, sum);
                match weights {
                    Some(weights) => total.add_weighted(&own, weight_of(weights, chain.verb)),
                    None => total.add(&own),
                }
            }
        }
        let outcome = match &self.makes {
            Makes::OfSpan(kind) => Outcome::new(kind.value(matched, question.as_of, length_ms), matched, matched),
            Makes::Sum { finish, .. } => {
                let (value, used, error_bound) = total.finish(*finish);
                Outcome { error_bound, ..Outcome::new(value, used, matched) }
            }
        };
        (outcome, matched)
    }

    fn matches(&self, chain: &VerbChain<'_>) -> bool {
        self.verbs.as_ref().is_none_or(|verbs| verbs.iter().any(|verb| **verb == *chain.verb))
    }
}

/// The sum over the only window of a scan.
fn verb_sum(question: Question<'_>, scan: &Scan<'_>, sum: &PlannedSum) -> ColumnSum {
    let mut sums = Vec::new();
    if let Some(column) = question.view.names.column(sum.side, &sum.name) {
        scan.sum(column, sum, &mut sums);
    }
    sums.pop().unwrap_or_default()
}
