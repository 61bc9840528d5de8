//! The question for what made a value.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::query::QueryError;
use nowfold_core::time::Timestamp;

use super::Features;
use super::partition::Ask;
use super::query::{Options, options};
use crate::explain::Explanation;
use crate::feature::{Feature, FeatureSet};
use crate::position::Position;

/// The feature to be explained: a registered one by its name, or any.
#[derive(Clone, Debug)]
pub enum Explained {
    /// A registered feature.
    Registered(String),
    /// A feature that need not be registered.
    Adhoc(Box<Feature>),
}

/// A question for the events that made a feature's value, to be refined.
#[derive(Debug)]
#[must_use]
pub struct ExplainQuery<'a> {
    features: &'a Features,
    feature: Explained,
    actor: Arc<str>,
    limit: usize,
    options: Options,
}

impl From<&str> for Explained {
    fn from(name: &str) -> Self {
        Self::Registered(name.to_owned())
    }
}

impl From<String> for Explained {
    fn from(name: String) -> Self {
        Self::Registered(name)
    }
}

impl From<Feature> for Explained {
    fn from(feature: Feature) -> Self {
        Self::Adhoc(Box::new(feature))
    }
}

impl Explained {
    fn find<'s>(&'s self, set: &'s FeatureSet) -> Result<&'s Feature, QueryError> {
        match self {
            Self::Registered(name) => set.feature(name),
            Self::Adhoc(feature) => Ok(feature),
        }
    }
}

impl<'a> ExplainQuery<'a> {
    pub(super) fn new(features: &'a Features, feature: Explained, actor: &str) -> Self {
        Self { features, feature, actor: Arc::from(actor), limit: 100, options: Options::default() }
    }

    options!();

    /// How many events to list at most, of those that made the value and of those that did not, for each window; 100 by
    /// default. Every event of the actor's windows is looked at all the same: about 30 ms for a million.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = n.max(1);
        self
    }

    /// Asks.
    ///
    /// # Errors
    /// [`QueryError`]; each says what to do.
    pub fn get(self) -> Result<Explanation, QueryError> {
        let set = self.features.registered()?;
        let (plan, rows) = set.compile_explained(self.feature.find(&set)?)?;
        let ask = Ask::new(self.features, &set, &self.options)?;
        let as_of = ask.as_of();
        let put = ask.put(&self.actor, |chains, log_floor| {
            chains.explain(&self.actor, (&plan, &rows), (as_of, log_floor), self.limit)
        });
        let (evaluated, events, asked) = put?;
        let envelope = ask.envelope(&asked, as_of, &evaluated);
        let result = evaluated.features.into_iter().next();
        let result =
            result.ok_or_else(|| QueryError::Invalid { cause: "there is no feature to explain".to_owned() })?;
        Ok(Explanation::new(self.features.store.clone(), self.actor, result, events, envelope))
    }
}
