//! Compiled features: paths parsed, windows and sums shared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::StoreName;
use nowfold_core::query::QueryError;

use super::aggregate::{Finish, OfSpan};
use super::check::{check_options, check_windows, invalid, parse_attribute, parse_own};
use super::define::Feature;
use super::kind::{Aggregate, Normalize, Pool};
use super::late::LateJoin;
use super::path::{Path, Select};
use super::rows::RowsPlan;
use super::value::FeatureValue;
use super::window::Window;
use crate::chain::Side;

/// What features are checked against.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) store: StoreName,
    pub(crate) retention: Duration,
    pub(crate) read_slack: Duration,
    pub(crate) max_future_skew: Duration,
    pub(crate) late: Option<LateJoin>,
}

/// Features that are answered together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// In the order of the answer.
    pub(crate) places: Vec<Answered>,
    /// Those with nothing but plain sliding windows, no filter, and an aggregate that partial sums help.
    pub(crate) features: Vec<Planned>,
    /// All the others, which look at single actions.
    pub(crate) rows: RowsPlan,
    /// All windows of `features`, in milliseconds, shortest first.
    pub(crate) windows_ms: Vec<i64>,
    /// All attributes to be summed.
    pub(crate) sums: Vec<PlannedSum>,
    /// Where attributes that join late are.
    pub(crate) late: Option<LateJoin>,
}

/// How a feature is answered. Those of either way keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    BySums,
    ByRows,
}

/// One compiled feature.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) name: Arc<str>,
    /// Sorted; `None` is any verb.
    pub(crate) verbs: Option<Vec<Arc<str>>>,
    /// Shortest first.
    pub(crate) windows: Vec<PlannedWindow>,
    pub(crate) aggregate: PlannedAggregate,
    /// What stands for none.
    pub(crate) default: Option<FeatureValue>,
}

/// A window of a feature.
#[derive(Clone, Debug)]
pub(crate) struct PlannedWindow {
    pub(crate) label: Arc<str>,
    /// Its index in [`Plan::windows_ms`].
    pub(crate) edge: usize,
    /// For sums: its index in [`PlannedSum::edges`].
    pub(crate) slot: usize,
    pub(crate) length_ms: Option<i64>,
}

/// An attribute to be summed, and over which windows.
#[derive(Clone, Debug)]
pub(crate) struct PlannedSum {
    pub(crate) side: Side,
    pub(crate) name: Arc<str>,
    /// Whether it is looked up when asked for, instead of being kept with the events.
    pub(crate) is_late: bool,
    /// Indices in [`Plan::windows_ms`], ascending.
    pub(crate) edges: Vec<usize>,
}

/// A compiled aggregate; `sum` is an index in [`Plan::sums`].
#[derive(Clone, Debug)]
pub(crate) enum PlannedAggregate {
    OfSpan(OfSpan),
    CountBy { path: Path, cap: usize },
    Sums { sum: usize, finish: Finish, weights: Option<Vec<(String, f64)>> },
    Distinct { path: Path, cap: usize },
    Last { k: usize, path: Path },
    Actions { select: Vec<Select>, limit: usize },
}

impl Planned {
    pub(crate) fn matches(&self, verb: &str) -> bool {
        self.verbs.as_ref().is_none_or(|verbs| verbs.iter().any(|other| **other == *verb))
    }

    /// The index of the attribute it sums, if it does.
    pub(crate) fn sum(&self) -> Option<usize> {
        match &self.aggregate {
            PlannedAggregate::Sums { sum, .. } => Some(*sum),
            _ => None,
        }
    }
}

impl Plan {
    /// Compiles features and collects every error.
    pub(crate) fn compile<'a>(
        limits: &Limits,
        features: impl IntoIterator<Item = &'a Feature>,
    ) -> Result<Self, Vec<QueryError>> {
        let features: Vec<_> = features.into_iter().collect();
        let mut errors = Vec::new();
        let mut plan = Self { late: limits.late.clone(), ..Self::default() };
        let plain = features.iter().filter(|feature| is_plain(feature)).flat_map(|feature| &feature.windows);
        plan.windows_ms = plain.filter_map(Window::plain_ms).collect::<BTreeSet<_>>().into_iter().collect();
        for (number, feature) in features.iter().enumerate() {
            if features.iter().take(number).any(|other| other.name == feature.name) {
                errors.push(invalid(feature, "is defined twice; give each feature a name of its own"));
            }
            errors.extend(check_windows(limits, feature).err());
            errors.extend(check_options(feature).and_then(|()| plan.add(feature)).err());
        }
        plan.assign_slots();
        if errors.is_empty() { Ok(plan) } else { Err(errors) }
    }

    fn add(&mut self, feature: &Feature) -> Result<(), QueryError> {
        if is_plain(feature) {
            let planned = self.planned(feature)?;
            self.places.push(Answered::BySums);
            self.features.push(planned);
        } else {
            if !self.rows.add_summed(feature, self.late.as_ref())? {
                self.rows.add(feature, self.late.as_ref())?;
            }
            self.places.push(Answered::ByRows);
        }
        Ok(())
    }

    fn planned(&mut self, feature: &Feature) -> Result<Planned, QueryError> {
        let aggregate = self.aggregate(feature)?;
        let mut windows: Vec<_> = feature.windows.clone();
        windows.sort();
        let windows = windows.into_iter().map(|window| PlannedWindow {
            label: Arc::from(window.to_string()),
            edge: window.plain_ms().and_then(|ms| self.windows_ms.binary_search(&ms).ok()).unwrap_or(0),
            slot: 0,
            length_ms: window.length_ms(),
        });
        let (name, default) = (Arc::from(feature.name.as_str()), feature.default.clone());
        let verbs = verbs(feature);
        Ok(Planned { name, verbs, windows: windows.collect(), aggregate, default })
    }

    fn aggregate(&mut self, feature: &Feature) -> Result<PlannedAggregate, QueryError> {
        let late = self.late.clone();
        let path = |path: &str| parse_own(feature, late.as_ref(), path);
        let cap = feature.cap.or(feature.aggregate.default_cap()).unwrap_or(usize::MAX);
        if let Some((of, finish)) = finish(feature) {
            let weights = feature.aggregate.weights().map(<[_]>::to_vec);
            return Ok(PlannedAggregate::Sums { sum: self.sum(feature, of)?, finish, weights });
        }
        Ok(match &feature.aggregate {
            Aggregate::CountBy { path: by } => PlannedAggregate::CountBy { path: path(by)?, cap },
            Aggregate::DistinctCount { path: of } => PlannedAggregate::Distinct { path: path(of)?, cap },
            Aggregate::Last { k, path: of } => PlannedAggregate::Last { k: *k, path: path(of)? },
            Aggregate::Actions { select } => {
                let select = parse_select(feature, select)?;
                PlannedAggregate::Actions { select, limit: feature.limit.unwrap_or(100) }
            }
            other => PlannedAggregate::OfSpan(OfSpan::of(other).unwrap_or(OfSpan::Count)),
        })
    }

    fn sum(&mut self, feature: &Feature, path: &str) -> Result<usize, QueryError> {
        let (side, name) = parse_attribute(feature, path)?;
        let found = self.sums.iter().position(|sum| sum.side == side && sum.name == name);
        let is_late = side == Side::Object && self.late.as_ref().is_some_and(|late| late.has(&name));
        Ok(found.unwrap_or_else(|| {
            self.sums.push(PlannedSum { side, name, is_late, edges: Vec::new() });
            self.sums.len() - 1
        }))
    }

    /// Gives every sum the windows that its features ask for, and every window its place among them.
    fn assign_slots(&mut self) {
        for (number, sum) in self.sums.iter_mut().enumerate() {
            let users = self.features.iter_mut().filter(|feature| feature.sum() == Some(number));
            let mut windows: Vec<_> = users.flat_map(|feature| &mut feature.windows).collect();
            let edges: BTreeSet<_> = windows.iter().map(|window| window.edge).collect();
            sum.edges = edges.into_iter().collect();
            for window in &mut windows {
                window.slot = sum.edges.binary_search(&window.edge).unwrap_or(0);
            }
        }
    }
}

/// Whether partial sums, the places of windows and the newest actions suffice.
fn is_plain(feature: &Feature) -> bool {
    let listed = matches!(
        &feature.aggregate,
        Aggregate::CountBy { .. }
            | Aggregate::DistinctCount { .. }
            | Aggregate::Last { .. }
            | Aggregate::Actions { .. }
    );
    feature.filter.is_none()
        && feature.distinct_by.is_none()
        && feature.windows.iter().all(|window| window.plain_ms().is_some())
        && (listed || OfSpan::of(&feature.aggregate).is_some() || finish(feature).is_some())
}

/// What partial sums give: the path, and what is made of its sum.
pub(crate) fn finish(feature: &Feature) -> Option<(&str, Finish)> {
    let (path, finish) = match &feature.aggregate {
        Aggregate::Sum { path } => (path, Finish::Sum),
        Aggregate::Mean { path } => (path, Finish::Mean),
        Aggregate::WeightedMean { path, .. } => (path, Finish::WeightedMean),
        Aggregate::Pool { path, pool } if !feature.normalize.is_some_and(Normalize::before) => {
            let unit = feature.normalize.is_some_and(Normalize::after);
            match pool {
                Pool::Sum => (path, Finish::VecSum { unit }),
                Pool::Mean => (path, Finish::VecMean { unit }),
                Pool::WeightedMean { .. } => (path, Finish::VecWeightedMean { unit }),
                Pool::Min | Pool::Max | Pool::DecayMean { .. } => return None,
            }
        }
        _ => return None,
    };
    Some((path, finish))
}

/// The verbs of a feature, which weights name as well; in byte order, so that equal sets are equal.
pub(crate) fn verbs(feature: &Feature) -> Option<Vec<Arc<str>>> {
    let mut verbs: Vec<Arc<str>> = match feature.aggregate.weights() {
        Some(weights) => weights.iter().map(|(verb, _)| Arc::from(verb.as_str())).collect(),
        None => feature.verbs.as_ref()?.iter().map(|verb| Arc::from(verb.as_str())).collect(),
    };
    verbs.sort_unstable();
    verbs.dedup();
    Some(verbs)
}

/// The parts of actions to show.
pub(crate) fn parse_select(feature: &Feature, select: &[String]) -> Result<Vec<Select>, QueryError> {
    let select = select.iter().map(|path| path.parse::<Select>());
    select.collect::<Result<_, _>>().map_err(|error| invalid(feature, &format!("is wrong: {error}")))
}
