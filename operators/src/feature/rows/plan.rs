//! Features that look at single actions, compiled: those with the same verbs and filter share one reading.

use std::sync::Arc;

use nowfold_core::query::QueryError;

use super::super::check::{check_weights, invalid, parse_attribute, parse_own, refuse_late};
use super::super::define::{Aggregate, Feature};
use super::super::filter::Filter;
use super::super::late::LateJoin;
use super::super::path::{Path, Select};
use super::super::plan::parse_select;
use super::super::value::FeatureValue;
use super::super::window::Window;
use crate::chain::Side;

/// Features in groups of equal verbs and filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowsPlan {
    pub(crate) groups: Vec<Group>,
    n_features: usize,
}

/// Features that look at the same actions.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    verbs: Option<Vec<Arc<str>>>,
    pub(crate) filter: Option<Filter>,
    /// All windows of its features, each once.
    pub(crate) windows: Vec<Window>,
    pub(crate) features: Vec<PlannedRows>,
}

/// One feature of a group.
#[derive(Clone, Debug)]
pub(crate) struct PlannedRows {
    /// Its number among all features that look at single actions.
    pub(crate) number: usize,
    pub(crate) name: Arc<str>,
    /// Indices in [`Group::windows`], with their labels.
    pub(crate) windows: Vec<(usize, Arc<str>)>,
    pub(crate) kind: RowKind,
    pub(crate) of: PlannedPath,
    pub(crate) by: Option<Path>,
    pub(crate) default: Option<FeatureValue>,
}

/// What a feature aggregates.
#[derive(Clone, Debug)]
pub(crate) enum PlannedPath {
    /// The actions themselves.
    Nothing,
    Own(Path),
    /// An attribute of objects that joins late.
    Late(Arc<str>),
}

/// How a feature aggregates.
#[derive(Clone, Debug)]
pub(crate) enum RowKind {
    Count,
    CountBy { cap: usize },
    Sum,
    Mean,
    WeightedMean { weights: Vec<(Arc<str>, f64)> },
    Distinct { cap: usize },
    Last { k: usize },
    Actions { select: Vec<Select>, limit: usize },
}

impl RowsPlan {
    /// Compiles a feature into the group of its like.
    pub(crate) fn add(&mut self, feature: &Feature, late: Option<&LateJoin>) -> Result<(), QueryError> {
        let (kind, of) = compile(feature, late)?;
        let by = feature.distinct_by.as_ref().map(|by| parse_own(feature, late, by)).transpose()?;
        let filter = compile_filter(feature, late)?;
        let number = self.n_features;
        self.n_features += 1;
        let group = self.group(verbs(feature, &kind), filter);
        let windows = ordered(&feature.windows).iter().map(|window| group.window(window)).collect();
        let (name, default) = (Arc::from(feature.name.as_str()), feature.default.clone());
        group.features.push(PlannedRows { number, name, windows, kind, of, by, default });
        Ok(())
    }

    fn group(&mut self, verbs: Option<Vec<Arc<str>>>, filter: Option<Filter>) -> &mut Group {
        let found = self.groups.iter().position(|group| group.verbs == verbs && group.filter == filter);
        let at = found.unwrap_or_else(|| {
            self.groups.push(Group { verbs, filter, windows: Vec::new(), features: Vec::new() });
            self.groups.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.groups[at]
    }
}

impl Group {
    pub(crate) fn matches(&self, verb: &str) -> bool {
        self.verbs.as_ref().is_none_or(|verbs| verbs.iter().any(|other| **other == *verb))
    }

    fn window(&mut self, window: &Window) -> (usize, Arc<str>) {
        let at = self.windows.iter().position(|other| other == window).unwrap_or_else(|| {
            self.windows.push(*window);
            self.windows.len() - 1
        });
        (at, Arc::from(window.to_string()))
    }
}

/// Plain sliding windows from the shortest to the longest; others in the order given.
fn ordered(windows: &[Window]) -> Vec<Window> {
    let mut windows = windows.to_vec();
    if windows.iter().all(|window| window.plain_ms().is_some()) {
        windows.sort();
    }
    windows
}

/// The verbs in order of their bytes, so that equal sets make one group.
fn verbs(feature: &Feature, kind: &RowKind) -> Option<Vec<Arc<str>>> {
    let mut verbs: Vec<Arc<str>> = match kind {
        RowKind::WeightedMean { weights } => weights.iter().map(|(verb, _)| verb.clone()).collect(),
        _ => feature.verbs.as_ref()?.iter().map(|verb| Arc::from(verb.as_str())).collect(),
    };
    verbs.sort_unstable();
    verbs.dedup();
    Some(verbs)
}

fn compile_filter(feature: &Feature, late: Option<&LateJoin>) -> Result<Option<Filter>, QueryError> {
    let Some(predicate) = &feature.filter else { return Ok(None) };
    let filter = Filter::compile(predicate).map_err(|cause| invalid(feature, &cause))?;
    filter.paths().into_iter().try_for_each(|path| refuse_late(feature, late, path))?;
    Ok(Some(filter))
}

fn compile(feature: &Feature, late: Option<&LateJoin>) -> Result<(RowKind, PlannedPath), QueryError> {
    let own = |path: &str| parse_own(feature, late, path).map(PlannedPath::Own);
    let summed = |path: &str| -> Result<PlannedPath, QueryError> {
        let (side, name) = parse_attribute(feature, path)?;
        let is_late = side == Side::Object && late.is_some_and(|late| late.has(&name));
        Ok(if is_late { PlannedPath::Late(name) } else { PlannedPath::Own(Path::Attribute(side, name)) })
    };
    Ok(match &feature.aggregate {
        Aggregate::Count => (RowKind::Count, PlannedPath::Nothing),
        Aggregate::CountBy { path } => (RowKind::CountBy { cap: feature.cap.unwrap_or(1_000) }, own(path)?),
        Aggregate::DistinctCount { path } => (RowKind::Distinct { cap: feature.cap.unwrap_or(10_000) }, own(path)?),
        Aggregate::Sum { path } => (RowKind::Sum, summed(path)?),
        Aggregate::Mean { path } => (RowKind::Mean, summed(path)?),
        Aggregate::WeightedMean { path, weights } => {
            (RowKind::WeightedMean { weights: check_weights(feature, weights)? }, summed(path)?)
        }
        Aggregate::Last { k: 0, .. } => return Err(invalid(feature, "asks for the last 0; ask for at least 1")),
        Aggregate::Last { k, path } => (RowKind::Last { k: *k }, own(path)?),
        Aggregate::Actions { select } => {
            let (select, limit) = (parse_select(feature, select)?, feature.limit.unwrap_or(100));
            (RowKind::Actions { select, limit }, PlannedPath::Nothing)
        }
    })
}
