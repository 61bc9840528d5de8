//! Features that look at single actions, compiled: those with the same verbs and filter share one reading.

use std::sync::Arc;

use nowfold_core::query::QueryError;

use super::super::check::{invalid, parse_attribute, parse_own, refuse_late};
use super::super::define::Feature;
use super::super::filter::Filter;
use super::super::kind::{Aggregate, Normalize, Of};
use super::super::late::LateJoin;
use super::super::path::{Path, Select};
use super::super::plan::{parse_select, verbs};
use super::super::value::FeatureValue;
use super::super::window::Window;
use super::summed::Summed;
use crate::chain::Side;

/// Features in groups of equal verbs and filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowsPlan {
    pub(crate) groups: Vec<Group>,
    /// Those that need no single action after all.
    pub(super) summed: Vec<Summed>,
    n_features: usize,
}

/// Features that look at the same actions.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// In byte order; `None` is any.
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
    pub(crate) aggregate: Aggregate,
    pub(crate) windows: Vec<PlannedWindow>,
    pub(crate) of: PlannedPath,
    /// What actions are grouped by, or told apart by.
    pub(crate) by: Option<Path>,
    /// The inputs of an aggregate of the user's own.
    pub(crate) inputs: Vec<Path>,
    pub(crate) select: Vec<Select>,
    pub(crate) normalize: Option<Normalize>,
    pub(crate) cap: usize,
    pub(crate) limit: usize,
    pub(crate) default: Option<FeatureValue>,
}

/// A window of a feature.
#[derive(Clone, Debug)]
pub(crate) struct PlannedWindow {
    /// Its index in [`Group::windows`].
    pub(crate) at: usize,
    pub(crate) label: Arc<str>,
    pub(crate) length_ms: Option<i64>,
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

impl RowsPlan {
    /// Compiles a feature into the group of its like.
    pub(crate) fn add(&mut self, feature: &Feature, late: Option<&LateJoin>) -> Result<(), QueryError> {
        let filter = compile_filter(feature, late)?;
        let planned = planned(feature, late, self.n_features)?;
        self.n_features += 1;
        self.group(verbs(feature), filter).add(planned, &ordered(feature));
        Ok(())
    }

    /// A feature to be added, with its windows.
    pub(super) fn next(
        &self,
        feature: &Feature,
        late: Option<&LateJoin>,
    ) -> Result<(PlannedRows, Vec<Window>), QueryError> {
        let (mut planned, windows) = (planned(feature, late, self.n_features)?, ordered(feature));
        planned.windows = windows.iter().enumerate().map(|(at, window)| PlannedWindow::new(at, window)).collect();
        Ok((planned, windows))
    }

    /// Another feature has a number.
    pub(super) fn count_feature(&mut self) {
        self.n_features += 1;
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

    fn add(&mut self, mut feature: PlannedRows, windows: &[Window]) {
        feature.windows = windows.iter().map(|window| self.window(window)).collect();
        self.features.push(feature);
    }

    fn window(&mut self, window: &Window) -> PlannedWindow {
        let at = self.windows.iter().position(|other| other == window).unwrap_or_else(|| {
            self.windows.push(*window);
            self.windows.len() - 1
        });
        PlannedWindow::new(at, window)
    }
}

impl PlannedWindow {
    fn new(at: usize, window: &Window) -> Self {
        Self { at, label: Arc::from(window.to_string()), length_ms: window.length_ms() }
    }
}

/// Plain sliding windows from the shortest to the longest; others in the order given, as those of a trend.
fn ordered(feature: &Feature) -> Vec<Window> {
    let mut windows = feature.windows.clone();
    if feature.aggregate != Aggregate::Trend && windows.iter().all(|window| window.plain_ms().is_some()) {
        windows.sort();
    }
    windows
}

fn compile_filter(feature: &Feature, late: Option<&LateJoin>) -> Result<Option<Filter>, QueryError> {
    let Some(predicate) = &feature.filter else { return Ok(None) };
    let filter = Filter::compile(predicate).map_err(|cause| invalid(feature, &cause))?;
    filter.paths().into_iter().try_for_each(|path| refuse_late(feature, late, path))?;
    Ok(Some(filter))
}

/// A feature whose windows are yet to be placed.
fn planned(feature: &Feature, late: Option<&LateJoin>, number: usize) -> Result<PlannedRows, QueryError> {
    let aggregate = feature.aggregate.clone();
    let by = match &aggregate {
        Aggregate::By { by, .. } => Some(by),
        _ => feature.distinct_by.as_ref(),
    };
    let inputs = match &aggregate {
        Aggregate::Custom { custom } => custom.inputs(),
        _ => Vec::new(),
    };
    let select = match &aggregate {
        Aggregate::Actions { select } => parse_select(feature, select)?,
        _ => Vec::new(),
    };
    Ok(PlannedRows {
        number,
        name: Arc::from(feature.name.as_str()),
        windows: Vec::new(),
        of: planned_path(feature, late)?,
        by: by.map(|by| parse_own(feature, late, by)).transpose()?,
        inputs: inputs.iter().map(|path| parse_own(feature, late, path)).collect::<Result<_, _>>()?,
        select,
        normalize: feature.normalize,
        cap: feature.cap.or(aggregate.default_cap()).unwrap_or(usize::MAX),
        limit: feature.limit.unwrap_or(100),
        default: feature.default.clone(),
        aggregate,
    })
}

fn planned_path(feature: &Feature, late: Option<&LateJoin>) -> Result<PlannedPath, QueryError> {
    match feature.aggregate.of() {
        Of::Nothing => Ok(PlannedPath::Nothing),
        Of::Any(path) => parse_own(feature, late, path).map(PlannedPath::Own),
        Of::Summed(path) => {
            let (side, name) = parse_attribute(feature, path)?;
            let is_late = side == Side::Object && late.is_some_and(|late| late.has(&name));
            Ok(if is_late { PlannedPath::Late(name) } else { PlannedPath::Own(Path::Attribute(side, name)) })
        }
    }
}
