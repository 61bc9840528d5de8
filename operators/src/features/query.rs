//! Questions and their options.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::query::QueryError;
use nowfold_core::time::Timestamp;

use super::Features;
use super::partition::Ask;
use super::score::{Metric, Scoring};
use crate::answer::{ActionsAnswer, Answer};
use crate::feature::{Feature, FeatureResult, FeatureSet, FeatureValue, Plan, feature};
use crate::position::Position;

/// What all questions may say.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) as_of: Option<Timestamp>,
    pub(super) at_least: Option<Position>,
    pub(super) wait: Duration,
    pub(super) max_lag: Option<Duration>,
}

/// A question about an actor's features.
#[derive(Debug)]
#[must_use]
pub struct FeatureQuery<'a> {
    features: &'a Features,
    actor: Arc<str>,
    what: What,
    scorings: Vec<Scoring>,
    options: Options,
}

/// A question about several actors' features.
#[derive(Debug)]
#[must_use]
pub struct BatchQuery<'a> {
    features: &'a Features,
    actors: Vec<Arc<str>>,
    what: What,
    options: Options,
}

/// A question about an actor's actions.
#[derive(Debug)]
#[must_use]
pub struct ActionsQuery<'a> {
    features: &'a Features,
    actor: Arc<str>,
    verbs: Vec<String>,
    within: Option<Duration>,
    select: Vec<String>,
    limit: usize,
    options: Options,
}

/// Which features: by default all registered ones.
#[derive(Debug, Default)]
struct What {
    select: Vec<String>,
    adhoc: Vec<Feature>,
}

impl What {
    /// Calls `ask` with the plan: the prepared one where all registered features are asked for.
    fn with_plan<R>(&self, set: &FeatureSet, ask: impl FnOnce(&Plan) -> R) -> Result<R, QueryError> {
        if self.select.is_empty() && self.adhoc.is_empty() {
            return Ok(ask(set.plan()));
        }
        let plan = set.compile_also(&self.select, &self.adhoc)?;
        Ok(ask(&plan))
    }
}

macro_rules! feature_options {
    () => {
        /// Only these of the registered features.
        pub fn select<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
            self.what.select.extend(names.into_iter().map(Into::into));
            self
        }

        /// Also this feature, which need not be registered. The registered ones are then only those that
        /// [`Self::select`] names.
        pub fn adhoc(mut self, feature: Feature) -> Self {
            self.what.adhoc.push(feature);
            self
        }
    };
}

/// The setters of [`Options`], for every kind of question.
macro_rules! options {
    () => {
        /// The instant at which windows end, instead of now: what is known by now, evaluated then.
        pub fn as_of(mut self, as_of: Timestamp) -> Self {
            self.options.as_of = Some(as_of);
            self
        }

        /// Requires an answer that includes all records up to this position. Partitions it does not name are free.
        pub fn at_least(mut self, position: &Position) -> Self {
            self.options.at_least = Some(position.clone());
            self
        }

        /// How long to wait for [`Self::at_least`] before [`QueryError::Behind`]; not at all by default, or when
        /// the handle has no [`Pause`](super::Pause).
        pub fn wait_up_to(mut self, bound: Duration) -> Self {
            self.options.wait = bound;
            self
        }

        /// Accepts an answer while the store restores, and one of a standby that is kept here of a partition that lives
        /// elsewhere, when it is known to lag by no more than this. The answer is marked `stale`.
        pub fn allow_stale(mut self, max_lag: Duration) -> Self {
            self.options.max_lag = Some(max_lag);
            self
        }
    };
}

pub(super) use options;

impl<'a> FeatureQuery<'a> {
    pub(super) fn new(features: &'a Features, actor: &str) -> Self {
        let (actor, what, options) = (Arc::from(actor), What::default(), Options::default());
        Self { features, actor, what, scorings: Vec::new(), options }
    }

    feature_options!();
    options!();

    /// Also scores vectors against the pooled vector of a feature that is asked for, in every one of its windows; see
    /// [`Answer::scores`] and [`Answer::scores_in`].
    ///
    /// The scores are computed in f64, element by element in order, from the f32 of the feature's value.
    pub fn score(
        mut self,
        feature: impl Into<String>,
        metric: Metric,
        candidates: impl IntoIterator<Item = Vec<f32>>,
    ) -> Self {
        self.scorings.push(Scoring::new(feature.into(), metric, candidates.into_iter().collect()));
        self
    }

    /// Asks.
    ///
    /// # Errors
    /// [`QueryError`]; each says what to do.
    pub fn get(self) -> Result<Answer, QueryError> {
        let set = self.features.registered()?;
        let ask = Ask::new(self.features, &set, &self.options)?;
        let answer = self.what.with_plan(&set, |plan| ask.answer(&self.actor, plan))??;
        scored(&self.scorings, answer)
    }

    /// Asks as of several instants, in their order, all at one moment of the store: each answer is the one that
    /// [`as_of`](Self::as_of) would give then. For charts and training sets.
    ///
    /// # Errors
    /// [`QueryError`]; each says what to do.
    pub fn timeline(self, instants: impl IntoIterator<Item = Timestamp>) -> Result<Vec<Answer>, QueryError> {
        let instants: Vec<_> = instants.into_iter().collect();
        let set = self.features.registered()?;
        let ask = Ask::new(self.features, &set, &self.options)?;
        instants.iter().try_for_each(|instant| ask.check_instant(&set, *instant))?;
        let answers = self.what.with_plan(&set, |plan| ask.timeline(&self.actor, plan, &instants))??;
        answers.into_iter().map(|answer| scored(&self.scorings, answer)).collect()
    }
}

fn scored(scorings: &[Scoring], mut answer: Answer) -> Result<Answer, QueryError> {
    for scoring in scorings {
        let scores = scoring.scores(answer.feature(&scoring.feature)?)?;
        answer.scores.push(scores);
    }
    Ok(answer)
}

impl<'a> BatchQuery<'a> {
    pub(super) fn new(features: &'a Features, actors: Vec<Arc<str>>) -> Self {
        Self { features, actors, what: What::default(), options: Options::default() }
    }

    feature_options!();
    options!();

    /// Asks for every actor; results in their order.
    ///
    /// # Errors
    /// [`QueryError`] where the question itself is wrong; what concerns one actor is in its own result.
    pub fn get(self) -> Result<Vec<Result<Answer, QueryError>>, QueryError> {
        let set = self.features.registered()?;
        let ask = Ask::new(self.features, &set, &self.options)?;
        self.what.with_plan(&set, |plan| self.actors.iter().map(|actor| ask.answer(actor, plan)).collect())
    }
}

impl<'a> ActionsQuery<'a> {
    pub(super) fn new(features: &'a Features, actor: &str) -> Self {
        let (actor, options) = (Arc::from(actor), Options::default());
        Self { features, actor, verbs: Vec::new(), within: None, select: Vec::new(), limit: 100, options }
    }

    options!();

    /// Only actions with this verb; may be repeated for several.
    pub fn verb(mut self, verb: impl Into<String>) -> Self {
        self.verbs.push(verb.into());
        self
    }

    /// The window, `as_of - w < t <= as_of`; by default the longest that the store answers.
    pub fn within(mut self, window: Duration) -> Self {
        self.within = Some(window);
        self
    }

    /// The parts of each action to show, such as `object.embedding`, or `object.*` for all attributes of the object.
    pub fn select<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.select.extend(paths.into_iter().map(Into::into));
        self
    }

    /// How many at most; 100 by default. The answer is marked `truncated` when there are more.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = n;
        self
    }

    /// Asks.
    ///
    /// # Errors
    /// [`QueryError`]; each says what to do.
    pub fn get(self) -> Result<ActionsAnswer, QueryError> {
        let set = self.features.registered()?;
        let window = self.within.unwrap_or_else(|| set.longest_window());
        let mut actions = feature("actions").actions(self.select).limit(self.limit).within(window);
        if !self.verbs.is_empty() {
            actions = actions.verbs(self.verbs);
        }
        let plan = set.compile_also(&[], &[actions])?;
        let answer = Ask::new(self.features, &set, &self.options)?.answer(&self.actor, &plan)?;
        Ok(actions_of(answer))
    }
}

/// The answer of the one feature `actions`.
fn actions_of(answer: Answer) -> ActionsAnswer {
    let Answer { store, actor, features, mut envelope, .. } = answer;
    let window = features.into_iter().flat_map(|FeatureResult { windows, .. }| windows).next();
    let (matched, value, missing) =
        window.map_or((0, FeatureValue::None, 0), |window| (window.matched, window.value, window.missing));
    let actions = if let FeatureValue::Actions(rows) = value { rows } else { Vec::new() };
    envelope.truncated |= matched > actions.len() as u64;
    ActionsAnswer { store, actor, actions, matched, missing, envelope }
}
