//! One question put to the partition that owns its actor.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::query::{PartitionHandle, Progress, QueryError, Readiness};
use nowfold_core::time::{Timestamp, millis};

use super::Features;
use super::query::Options;
use crate::answer::{Answer, Envelope};
use crate::chain::EventChains;
use crate::feature::{Evaluated, FeatureResult, FeatureSet, Plan};
use crate::position::Position;

/// One wait for `at_least`.
const PAUSE: Duration = Duration::from_millis(1);

/// A question with its instant fixed, to be put to one or many actors.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    features: &'a Features,
    options: &'a Options,
    as_of: Timestamp,
}

/// The partition that was asked, and how far it was just before.
#[derive(Debug)]
pub(super) struct Asked {
    partition: TopicPartition,
    progress: Progress,
    /// Whether it is a copy of a partition that lives elsewhere.
    is_standby: bool,
}

/// A partition that may be asked.
struct Found {
    partition: TopicPartition,
    handle: PartitionHandle,
    /// Where it is not the partition itself but a copy: what is said when the copy is too far behind.
    instead_of: Option<QueryError>,
}

impl<'a> Ask<'a> {
    /// Fixes the instant.
    pub(super) fn new(features: &'a Features, set: &FeatureSet, options: &'a Options) -> Result<Self, QueryError> {
        let as_of = options.as_of.unwrap_or_else(|| features.clock.now());
        let ask = Self { features, options, as_of };
        ask.check_instant(set, as_of)?;
        Ok(ask)
    }

    /// Refuses what lies too far ahead of now.
    pub(super) fn check_instant(&self, set: &FeatureSet, as_of: Timestamp) -> Result<(), QueryError> {
        let now = self.features.clock.now();
        if as_of > now.plus(set.max_future_skew()) {
            return Err(QueryError::AsOfInFuture { as_of, now });
        }
        Ok(())
    }

    /// Answers for one actor.
    pub(super) fn answer(&self, actor: &Arc<str>, plan: &Plan) -> Result<Answer, QueryError> {
        let evaluate = |chains: &EventChains, floor| (chains.evaluate(actor, plan, self.as_of, floor), ());
        let (evaluated, (), asked) = self.put(actor, evaluate)?;
        Ok(self.answered(actor, &asked, self.as_of, evaluated))
    }

    /// Answers for one actor as of several instants, all at one moment of the partition.
    pub(super) fn timeline(
        &self,
        actor: &Arc<str>,
        plan: &Plan,
        instants: &[Timestamp],
    ) -> Result<Vec<Answer>, QueryError> {
        let evaluate = |chains: &EventChains, floor| (chains.evaluate_timeline(actor, plan, instants, floor), ());
        let (evaluated, (), asked) = self.put(actor, evaluate)?;
        let answers = evaluated.into_iter().zip(instants);
        Ok(answers.map(|(evaluated, as_of)| self.answered(actor, &asked, *as_of, evaluated)).collect())
    }

    fn answered(&self, actor: &Arc<str>, asked: &Asked, as_of: Timestamp, evaluated: Evaluated) -> Answer {
        let envelope = self.envelope(asked, as_of, &evaluated);
        let (store, actor, features) = (self.features.store.clone(), actor.clone(), evaluated.features);
        Answer { store, actor, features, scores: Vec::new(), envelope }
    }

    /// The instant of the question.
    pub(super) fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// Puts a question to the partition of an actor. `evaluate` gets the time up to which the log may be missing.
    pub(super) fn put<E, R>(
        &self,
        actor: &str,
        evaluate: impl FnOnce(&EventChains, Timestamp) -> (E, R),
    ) -> Result<(E, R, Asked), QueryError> {
        let Found { partition, handle, instead_of } = self.find(actor)?;
        let chains = handle.reader.clone().downcast::<EventChains>().map_err(|_| self.features.not_of_actions())?;
        let check = |progress: &Progress| match &instead_of {
            Some(error) if !self.is_near(progress) => Err(error.clone()),
            Some(_) => Ok(()),
            None => self.check_ready(&partition, progress),
        };
        // A store that restores is behind as well, but says how long that takes.
        check(&handle.progress.get())?;
        self.wait(&partition, &chains, &handle)?;
        // Read before the evaluation, so that the answer holds at least what the position says.
        let progress = handle.progress.get();
        let (evaluated, more) = evaluate(&chains, progress.log_floor);
        check(&progress)?;
        let is_standby = instead_of.is_some();
        Ok((evaluated, more, Asked { partition, progress, is_standby }))
    }

    /// The partition of an actor, or, where the question takes stale answers, a copy of it that is kept here.
    fn find(&self, actor: &str) -> Result<Found, QueryError> {
        let (hub, store) = (&self.features.hub, self.features.store.as_str());
        match hub.owner_of(store, actor.as_bytes()) {
            Ok((partition, handle)) => Ok(Found { partition, handle, instead_of: None }),
            Err(error @ QueryError::NotOwner { .. }) if self.options.max_lag.is_some() => {
                let (partition, handle) = hub.standby_of(store, actor.as_bytes()).ok_or_else(|| error.clone())?;
                Ok(Found { partition, handle, instead_of: Some(error) })
            }
            Err(error) => Err(error),
        }
    }

    /// What an answer says of itself.
    pub(super) fn envelope(&self, asked: &Asked, as_of: Timestamp, evaluated: &Evaluated) -> Envelope {
        let Asked { partition, progress, is_standby } = asked;
        let now = self.features.clock.now();
        let source_lag_ms = self.features.hub.source_lag_ms(now);
        let restoring = !is_standby && progress.readiness != Readiness::Running;
        let applied = applied(progress, evaluated.mark.applied);
        Envelope {
            as_of,
            found: evaluated.found,
            complete: evaluated.complete,
            truncated: evaluated.truncated || evaluated.features.iter().any(FeatureResult::is_truncated),
            stale: *is_standby || restoring || progress.is_stale(now) || source_lag_ms.is_none(),
            lag_ms: progress.lag_ms(now),
            lag_records: progress.lag_records.filter(|_| *is_standby),
            source_lag_ms,
            owner: self.features.owner.clone(),
            position: applied.map_or_else(Position::new, |offset| Position::new().with(partition.clone(), offset)),
            took_us: None,
        }
    }

    /// Whether a partition that is not whole, or a copy, is near enough to its topic's end for the question. What is not
    /// known any more may have grown since.
    fn is_near(&self, progress: &Progress) -> bool {
        let now = self.features.clock.now();
        let unknown_for = if progress.is_stale(now) { now.millis_since(progress.known_at) } else { 0 };
        let lag = progress.lag_ms(now).map(|lag| lag.max(unknown_for));
        self.options.max_lag.zip(lag).is_some_and(|(max, lag)| lag <= millis(max))
    }

    fn check_ready(&self, partition: &TopicPartition, progress: &Progress) -> Result<(), QueryError> {
        let Readiness::Restoring { done, total } = progress.readiness else { return Ok(()) };
        if self.is_near(progress) {
            return Ok(());
        }
        Err(QueryError::Restoring {
            store: self.features.store.clone(),
            partition: partition.partition,
            done,
            total,
            retry_after: retry_after(progress, done, total),
        })
    }

    /// Waits until the partition has applied what the question requires, as long as it may.
    fn wait(
        &self,
        partition: &TopicPartition,
        chains: &EventChains,
        handle: &PartitionHandle,
    ) -> Result<(), QueryError> {
        let Some(wanted) = self.options.at_least.as_ref().and_then(|position| position.get(partition)) else {
            return Ok(());
        };
        let mut left = self.options.wait;
        loop {
            let applied = applied(&handle.progress.get(), chains.mark().applied);
            if applied.is_some_and(|applied| applied >= wanted) {
                return Ok(());
            }
            match &self.features.pause {
                Some(pause) if !left.is_zero() => pause(PAUSE.min(left)),
                _ => {
                    let store = self.features.store.clone();
                    return Err(QueryError::Behind { store, partition: partition.clone(), applied, wanted });
                }
            }
            left = left.saturating_sub(PAUSE);
        }
    }
}

/// The last applied offset: the store knows records that changed it, the worker also those that did not reach it.
fn applied(progress: &Progress, stored: Option<Offset>) -> Option<Offset> {
    progress.applied.max(stored)
}

/// What is left at the rate of the restore; while that is unknown, a guess: restoring reads some 250,000 records a second.
fn retry_after(progress: &Progress, done: u64, total: u64) -> Duration {
    let guess = || Duration::from_secs(total.saturating_sub(done) / 250_000);
    progress.restore_left().unwrap_or_else(guess).clamp(Duration::from_secs(1), Duration::from_secs(60))
}
