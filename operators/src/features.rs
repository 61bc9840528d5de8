//! The query handle: what did this actor do, as of now?

mod explain;
mod partition;
mod query;
mod score;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{StoreName, TopicPartition};
use nowfold_core::query::{PartitionHandle, QueryError, StoreHub};
use nowfold_core::time::{Clock, Timestamp};

use crate::answer::Answer;
use crate::erase::{EraseLog, EraseRequest};
use crate::feature::FeatureSet;

pub use self::explain::{ExplainQuery, Explained};
pub use self::query::{ActionsQuery, BatchQuery, FeatureQuery};
pub use self::score::{Metric, Scores, WindowScores};

/// Blocks its caller for about the given time, or less when the store may have moved on. The library itself never
/// waits: whoever has a runtime lends this to the handle.
pub type Pause = Arc<dyn Fn(Duration) + Send + Sync>;

/// Answers questions about the actors of one store, from any thread, without waiting for the store's worker.
///
/// Cheap to clone. Only partitions that live in this process answer; others are [`QueryError::NotOwner`].
#[derive(Clone)]
pub struct Features {
    hub: Arc<StoreHub>,
    clock: Arc<dyn Clock>,
    store: StoreName,
    owner: Option<Arc<str>>,
    pause: Option<Pause>,
    erase_log: Option<EraseLog>,
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Features").field("store", &self.store).field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Features {
    /// A handle on the store of this name. Whether it exists shows when a question is asked.
    pub fn new(hub: Arc<StoreHub>, clock: Arc<dyn Clock>, store: impl Into<StoreName>) -> Self {
        Self { hub, clock, store: store.into(), owner: None, pause: None, erase_log: None }
    }

    /// Names the process in its answers, such as `127.0.0.1:7070`.
    #[must_use]
    pub fn owned_by(mut self, owner: impl Into<Arc<str>>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Lends the handle a way to wait, for [`FeatureQuery::at_least`]. Without one it never waits.
    #[must_use]
    pub fn pausing_with(mut self, pause: Pause) -> Self {
        self.pause = Some(pause);
        self
    }

    /// Lends the handle a way to write to the actions topic, for [`Self::erase`]. Without one it reads only.
    #[must_use]
    pub fn erasing_with(mut self, log: EraseLog) -> Self {
        self.erase_log = Some(log);
        self
    }

    /// The store it asks.
    pub fn store(&self) -> &StoreName {
        &self.store
    }

    /// All registered features of an actor as of now. An actor without any event is `found: false` with empty values.
    ///
    /// # Errors
    /// [`QueryError::UnknownStore`], [`QueryError::NotOwner`], [`QueryError::Restoring`].
    pub fn of(&self, actor: &str) -> Result<Answer, QueryError> {
        self.query(actor).get()
    }

    /// All registered features of several actors, all as of one now; results in the order of `actors`. Each actor's
    /// answer is of one moment, but not all of the same.
    ///
    /// # Errors
    /// [`QueryError::UnknownStore`]; what concerns one actor is in its own result.
    pub fn of_many<A: AsRef<str>>(
        &self,
        actors: impl IntoIterator<Item = A>,
    ) -> Result<Vec<Result<Answer, QueryError>>, QueryError> {
        self.query_many(actors).get()
    }

    /// A question about an actor's features, to be refined.
    pub fn query(&self, actor: &str) -> FeatureQuery<'_> {
        FeatureQuery::new(self, actor)
    }

    /// A question about several actors' features, to be refined.
    pub fn query_many<A: AsRef<str>>(&self, actors: impl IntoIterator<Item = A>) -> BatchQuery<'_> {
        BatchQuery::new(self, actors.into_iter().map(|actor| Arc::from(actor.as_ref())).collect())
    }

    /// A question about an actor's actions themselves, to be refined.
    pub fn actions(&self, actor: &str) -> ActionsQuery<'_> {
        ActionsQuery::new(self, actor)
    }

    /// A question for the events that made a feature's value in each of its windows, and those that did not count, with the
    /// reason: late, a repeat, retracted, erased, from the future, beyond the limit of its actor, another verb, out by the
    /// filter, without the attribute. The feature is a registered one by its name, or any.
    ///
    /// ```
    /// # fn f(features: nowfold_operators::Features) -> Result<(), nowfold_core::query::QueryError> {
    /// let explained = features.explain("applied", "member-111").get()?;
    /// for event in &explained.windows[0].events {
    ///     println!("{} {}", event.verb, event.object);
    /// }
    /// for dropped in &explained.dropped {
    ///     println!("{} is not kept: {}", dropped.event_id, dropped.reason);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn explain(&self, feature: impl Into<Explained>, actor: &str) -> ExplainQuery<'_> {
        ExplainQuery::new(self, feature.into(), actor)
    }

    /// Erases an actor: all events up to now are gone from every store of the actions topic, and stay out, whatever is
    /// restarted, replayed or sent again, for one retention of the topic.
    ///
    /// ```
    /// # fn f(features: nowfold_operators::Features) -> Result<(), nowfold_operators::EraseError> {
    /// let erased = features.erase("member-111").run()?;
    /// println!("{} has no events up to {} any more", erased.actor, erased.up_to);
    /// # Ok(())
    /// # }
    /// ```
    pub fn erase(&self, actor: &str) -> EraseRequest<'_> {
        EraseRequest::new(self, self.erase_log.clone(), actor)
    }

    /// The partition that owns an actor, and its store.
    pub(crate) fn owner_of(&self, actor: &str) -> Result<(TopicPartition, PartitionHandle), QueryError> {
        self.hub.owner_of(self.store.as_str(), actor.as_bytes())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits a moment; false when the handle has no way to.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        self.pause.as_ref().is_some_and(|pause| {
            pause(time);
            true
        })
    }

    /// The features registered with the store.
    ///
    /// # Errors
    /// [`QueryError::UnknownStore`], or [`QueryError::Invalid`] when the store does not hold actions.
    pub fn registered(&self) -> Result<Arc<FeatureSet>, QueryError> {
        let queryable = self.hub.with_store(self.store.as_str(), |_, entry| entry.queryable.clone())?;
        queryable.downcast().map_err(|_| self.not_of_actions())
    }

    pub(crate) fn not_of_actions(&self) -> QueryError {
        QueryError::Invalid { cause: format!("store {:?} does not hold actions; ask it as what it is", self.store) }
    }
}
