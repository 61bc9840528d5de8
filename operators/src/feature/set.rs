//! Registered features of a store, prepared once and asked often.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::StoreName;
use nowfold_core::query::QueryError;

use super::cache::PlanCache;
use super::define::Feature;
use super::late::LateJoin;
use super::plan::{Limits, Plan};
use super::rows::RowsPlan;
use crate::chain::ChainConfig;

/// Features that were checked against a store's retention and compiled; also the way to compile others for it.
#[derive(Clone, Debug)]
pub struct FeatureSet {
    limits: Limits,
    features: Vec<Feature>,
    plan: Plan,
    others: Arc<PlanCache>,
}

/// Everything that is wrong with a list of features, one error each.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureErrors(Vec<QueryError>);

impl FeatureSet {
    /// Checks and compiles features for a store: names are unique, paths are well formed, every feature has a window,
    /// and every window plus the slack for reads fits the retention.
    ///
    /// # Errors
    /// All that is wrong: [`QueryError::WindowExceedsRetention`] or [`QueryError::Invalid`] each.
    pub fn compile(
        store: impl Into<StoreName>,
        config: &ChainConfig,
        features: impl IntoIterator<Item = Feature>,
    ) -> Result<Self, FeatureErrors> {
        Self::compile_with(store, config, None, features)
    }

    /// Like [`compile`](Self::compile), with attributes of objects that join late.
    ///
    /// # Errors
    /// As `compile`; also when such an attribute is used for anything but aggregates of numbers and vectors.
    pub fn compile_with(
        store: impl Into<StoreName>,
        config: &ChainConfig,
        late: Option<LateJoin>,
        features: impl IntoIterator<Item = Feature>,
    ) -> Result<Self, FeatureErrors> {
        let mut set = Self::none(store.into(), config);
        set.limits.late = late;
        set.features = features.into_iter().collect();
        set.plan = Plan::compile(&set.limits, &set.features).map_err(FeatureErrors)?;
        Ok(set)
    }

    /// No features: only ad-hoc ones will be asked.
    pub(crate) fn none(store: StoreName, config: &ChainConfig) -> Self {
        let limits = Limits {
            store,
            retention: config.retention,
            read_slack: config.read_slack,
            max_future_skew: config.max_future_skew,
            late: None,
        };
        Self { limits, features: Vec::new(), plan: Plan::default(), others: Arc::default() }
    }

    /// The store these features belong to.
    pub fn store(&self) -> &StoreName {
        &self.limits.store
    }

    /// The features, in the order registered.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Names of the features, in the order registered.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.features.iter().map(Feature::name)
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far after now an `as_of` may lie.
    pub(crate) fn max_future_skew(&self) -> Duration {
        self.limits.max_future_skew
    }

    /// The longest window that the store can answer.
    pub(crate) fn longest_window(&self) -> Duration {
        self.limits.retention.saturating_sub(self.limits.read_slack)
    }

    /// Compiles some of the registered features together with others, unless that was done lately.
    pub(crate) fn compile_also(&self, select: &[String], adhoc: &[Feature]) -> Result<Arc<Plan>, FeatureErrors> {
        if let Some(plan) = self.others.get(select, adhoc) {
            return Ok(plan);
        }
        let selected: Result<Vec<_>, _> = select.iter().map(|name| self.feature(name)).collect();
        let selected = selected.map_err(|error| FeatureErrors(vec![error]))?;
        let plan = Plan::compile(&self.limits, selected.into_iter().chain(adhoc)).map_err(FeatureErrors)?;
        let plan = Arc::new(plan);
        self.others.put(select, adhoc, &plan);
        Ok(plan)
    }

    /// Compiles one feature twice: as it is answered, and so that its single actions can be looked at.
    pub(crate) fn compile_explained(&self, asked: &Feature) -> Result<(Plan, RowsPlan), FeatureErrors> {
        let plan = Plan::compile(&self.limits, [asked]).map_err(FeatureErrors)?;
        let mut rows = RowsPlan::default();
        rows.add(asked, self.limits.late.as_ref()).map_err(|error| FeatureErrors(vec![error]))?;
        Ok((plan, rows))
    }

    /// A registered feature.
    pub(crate) fn feature(&self, name: &str) -> Result<&Feature, QueryError> {
        let found = self.features.iter().find(|feature| feature.name == name);
        found.ok_or_else(|| unknown_feature(&self.limits.store, name, self.names()))
    }
}

/// The error for a name that is not among `known`.
pub(crate) fn unknown_feature<'a>(store: &StoreName, name: &str, known: impl Iterator<Item = &'a str>) -> QueryError {
    let known: Vec<_> = known.collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    QueryError::UnknownFeature { store: store.clone(), feature: name.to_owned(), known }
}

impl FeatureErrors {
    /// The errors, at least one.
    pub fn errors(&self) -> &[QueryError] {
        &self.0
    }
}

impl fmt::Display for FeatureErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FeatureErrors {}

impl From<FeatureErrors> for QueryError {
    /// The only error, or all of them in one.
    fn from(errors: FeatureErrors) -> Self {
        match <[QueryError; 1]>::try_from(errors.0) {
            Ok([error]) => error,
            Err(errors) => Self::Invalid { cause: FeatureErrors(errors).to_string() },
        }
    }
}
