//! Compiled features: paths parsed, windows and sums shared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::StoreName;
use nowfold_core::query::QueryError;
use nowfold_core::time::millis;

use super::define::{Aggregate, Feature};
use super::late::LateJoin;
use super::path::{Path, Select};
use super::window::window_label;
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
    pub(crate) features: Vec<Planned>,
    /// All windows asked for, in milliseconds, shortest first.
    pub(crate) windows_ms: Vec<i64>,
    /// All attributes to be summed.
    pub(crate) sums: Vec<PlannedSum>,
    /// Where attributes that join late are.
    pub(crate) late: Option<LateJoin>,
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
}

/// A window of a feature.
#[derive(Clone, Debug)]
pub(crate) struct PlannedWindow {
    pub(crate) label: Arc<str>,
    /// Its index in [`Plan::windows_ms`].
    pub(crate) edge: usize,
    /// For sums: its index in [`PlannedSum::edges`].
    pub(crate) slot: usize,
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
    Count,
    CountBy { path: Path, cap: usize },
    Sum { sum: usize },
    Mean { sum: usize },
    WeightedMean { sum: usize, weights: Vec<(Arc<str>, f64)> },
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
            PlannedAggregate::Sum { sum }
            | PlannedAggregate::Mean { sum }
            | PlannedAggregate::WeightedMean { sum, .. } => Some(*sum),
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
        let windows = features.iter().flat_map(|feature| &feature.windows).map(|window| millis(*window));
        plan.windows_ms = windows.collect::<BTreeSet<_>>().into_iter().collect();
        for feature in &features {
            if let Err(error) = check_windows(limits, feature) {
                errors.push(error);
            }
            match plan.planned(feature) {
                Ok(planned) if plan.features.iter().any(|other| other.name == planned.name) => {
                    errors.push(invalid(feature, "is defined twice; give each feature a name of its own"));
                }
                Ok(planned) => plan.features.push(planned),
                Err(error) => errors.push(error),
            }
        }
        plan.assign_slots();
        if errors.is_empty() { Ok(plan) } else { Err(errors) }
    }

    fn planned(&mut self, feature: &Feature) -> Result<Planned, QueryError> {
        check_options(feature)?;
        let aggregate = self.aggregate(feature)?;
        let verbs = match &aggregate {
            PlannedAggregate::WeightedMean { weights, .. } => {
                Some(weights.iter().map(|(verb, _)| verb.clone()).collect())
            }
            _ => feature.verbs.as_ref().map(|verbs| verbs.iter().map(|verb| Arc::from(verb.as_str())).collect()),
        };
        let mut windows: Vec<_> = feature.windows.clone();
        windows.sort();
        let windows = windows.into_iter().map(|window| PlannedWindow {
            label: Arc::from(window_label(window)),
            edge: self.windows_ms.binary_search(&millis(window)).unwrap_or(0),
            slot: 0,
        });
        Ok(Planned { name: Arc::from(feature.name.as_str()), verbs, windows: windows.collect(), aggregate })
    }

    fn aggregate(&mut self, feature: &Feature) -> Result<PlannedAggregate, QueryError> {
        let parse = |path: &str| path.parse::<Path>().map_err(|error| invalid(feature, &format!("is wrong: {error}")));
        let late = self.late.clone();
        let path = |path: &str| parse(path).and_then(|path| refuse_late(feature, late.as_ref(), path));
        Ok(match &feature.aggregate {
            Aggregate::Count => PlannedAggregate::Count,
            Aggregate::CountBy { path: by } => {
                PlannedAggregate::CountBy { path: path(by)?, cap: feature.cap.unwrap_or(1_000) }
            }
            Aggregate::DistinctCount { path: of } => {
                PlannedAggregate::Distinct { path: path(of)?, cap: feature.cap.unwrap_or(10_000) }
            }
            Aggregate::Sum { path: of } => PlannedAggregate::Sum { sum: self.sum(feature, parse(of)?)? },
            Aggregate::Mean { path: of } => PlannedAggregate::Mean { sum: self.sum(feature, parse(of)?)? },
            Aggregate::WeightedMean { path: of, weights } => {
                let weights = check_weights(feature, weights)?;
                PlannedAggregate::WeightedMean { sum: self.sum(feature, parse(of)?)?, weights }
            }
            Aggregate::Last { k: 0, .. } => return Err(invalid(feature, "asks for the last 0; ask for at least 1")),
            Aggregate::Last { k, path: of } => PlannedAggregate::Last { k: *k, path: path(of)? },
            Aggregate::Actions { select } => {
                let select = select.iter().map(|path| path.parse::<Select>());
                let select = select.collect::<Result<_, _>>();
                let select = select.map_err(|error| invalid(feature, &format!("is wrong: {error}")))?;
                PlannedAggregate::Actions { select, limit: feature.limit.unwrap_or(100) }
            }
        })
    }

    fn sum(&mut self, feature: &Feature, path: Path) -> Result<usize, QueryError> {
        let Path::Attribute(side, name) = path else {
            return Err(invalid(
                feature,
                &format!("cannot sum {path}, which is text; name an attribute such as object.price"),
            ));
        };
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

/// What joins late can be summed and averaged; nothing else looks at it.
fn refuse_late(feature: &Feature, late: Option<&LateJoin>, path: Path) -> Result<Path, QueryError> {
    match &path {
        Path::Attribute(Side::Object, name) if late.is_some_and(|late| late.has(name)) => {
            let cause =
                format!("uses {path}, which joins late and can only be summed or averaged; enrich with it at ingest");
            Err(invalid(feature, &cause))
        }
        _ => Ok(path),
    }
}

fn check_windows(limits: &Limits, feature: &Feature) -> Result<(), QueryError> {
    let Some(longest) = feature.windows.iter().max().copied() else {
        return Err(invalid(feature, "has no window; add .within(hours(24))"));
    };
    if feature.windows.iter().any(|window| millis(*window) == 0) {
        return Err(invalid(feature, "has a window of less than a millisecond; make it longer"));
    }
    let distinct: BTreeSet<_> = feature.windows.iter().map(|window| millis(*window)).collect();
    if distinct.len() < feature.windows.len() {
        return Err(invalid(feature, "names a window twice; name each once"));
    }
    if longest.saturating_add(limits.read_slack) > limits.retention {
        return Err(QueryError::WindowExceedsRetention {
            store: limits.store.clone(),
            feature: feature.name.clone(),
            needed: longest,
            retention: limits.retention,
            read_slack: limits.read_slack,
        });
    }
    Ok(())
}

fn check_options(feature: &Feature) -> Result<(), QueryError> {
    let capped = matches!(feature.aggregate, Aggregate::CountBy { .. } | Aggregate::DistinctCount { .. });
    let limited = matches!(feature.aggregate, Aggregate::Actions { .. });
    let weighted = matches!(feature.aggregate, Aggregate::WeightedMean { .. });
    if feature.name.is_empty() {
        Err(invalid(feature, "has an empty name; give it one"))
    } else if feature.verbs.as_ref().is_some_and(Vec::is_empty) {
        Err(invalid(feature, "lists no verb; leave .verbs() out for any"))
    } else if feature.cap == Some(0) || (feature.cap.is_some() && !capped) {
        Err(invalid(feature, "has a cap that does not apply; .cap(n) is for count_by and distinct_count, with n >= 1"))
    } else if feature.limit == Some(0) || (feature.limit.is_some() && !limited) {
        Err(invalid(feature, "has a limit that does not apply; .limit(n) is for actions, with n >= 1"))
    } else if weighted && feature.verbs.is_some() {
        Err(invalid(feature, "names verbs twice; a weighted mean takes them from its weights"))
    } else {
        Ok(())
    }
}

fn check_weights(feature: &Feature, weights: &[(String, f64)]) -> Result<Vec<(Arc<str>, f64)>, QueryError> {
    let verbs: BTreeSet<_> = weights.iter().map(|(verb, _)| verb).collect();
    if weights.is_empty() || verbs.len() < weights.len() || !weights.iter().all(|(_, weight)| weight.is_finite()) {
        return Err(invalid(feature, "needs one finite weight for each of its verbs, such as [(\"apply\", 1.0)]"));
    }
    Ok(weights.iter().map(|(verb, weight)| (Arc::from(verb.as_str()), *weight)).collect())
}

fn invalid(feature: &Feature, cause: &str) -> QueryError {
    QueryError::Invalid { cause: format!("feature {:?} {cause}", feature.name) }
}
