//! Erasing an actor: an `ERASE` record goes to the actions topic, and the store is awaited.
//!
//! The topic is the store's changelog, so what is written there survives restarts and replays, and keeps out what is sent
//! again. A store alone could forget; it would learn everything anew at its next start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{StoreName, TopicPartition};
use nowfold_core::query::QueryError;
use nowfold_core::time::{Timestamp, seconds};
use nowfold_schemas::action::{Action, Op};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::chain::EventChains;
use crate::features::Features;
use crate::position::Position;
use crate::rfc3339::rfc3339;
use crate::standardize::MAX_ACTOR_BYTES;

/// Appends an action to a partition of the actions topic and returns once it is stored, or says why it is not. The
/// library itself writes to no log: whoever runs it lends this to the handle.
pub type EraseLog = Arc<dyn Fn(&TopicPartition, &Action) -> Result<(), String> + Send + Sync>;

/// One wait for the store.
const PAUSE: Duration = Duration::from_millis(1);

/// An erasure to be carried out.
#[must_use = "it does nothing until it is run"]
pub struct EraseRequest<'a> {
    features: &'a Features,
    log: Option<EraseLog>,
    actor: Arc<str>,
    up_to: Option<Timestamp>,
    wait: Duration,
}

/// An erasure that is in force.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Erased {
    /// The store that has applied it. Others of the same topic apply it, too.
    pub store: StoreName,
    /// The actor.
    pub actor: Arc<str>,
    /// Events of the actor with a time up to this are gone, and stay out wherever they still come from, for one
    /// retention of the actions topic.
    pub up_to: Timestamp,
    /// How far the store was when it had applied the erasure; a question `at_least` at it does not see the actor's events.
    pub position: Position,
}

/// Why an erasure is not known to be in force.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// The store cannot be asked, or the actor is none.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The handle reads only.
    #[error(
        "NF026 store {store:?} is read-only here: nothing writes to its topic; use the handle of a running application"
    )]
    ReadOnly {
        /// The store.
        store: StoreName,
    },
    /// The record was not stored: nothing is erased.
    #[error(
        "NF023 the erasure was not written to {partition}: {cause}; nothing is erased, try again once that is mended"
    )]
    NotWritten {
        /// Where it should have gone.
        partition: TopicPartition,
        /// What the log said.
        cause: String,
    },
    /// The record is stored, but the store had not applied it when the wait was over.
    #[error(
        "NF024 the erasure is written to {partition}, but store {store:?} had not applied it after {waited:?}; it will when it gets there, ask again to be sure"
    )]
    NotApplied {
        /// The store.
        store: StoreName,
        /// Where the record is.
        partition: TopicPartition,
        /// How long was waited.
        waited: Duration,
    },
}

impl EraseError {
    /// The stable code, such as `NF026`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Query(error) => error.code(),
            Self::ReadOnly { .. } => "NF026",
            Self::NotWritten { .. } => "NF023",
            Self::NotApplied { .. } => "NF024",
        }
    }

    /// Whether the same call may succeed later. Erasing twice is the same as erasing once.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Query(error) => error.is_retriable(),
            Self::ReadOnly { .. } => false,
            Self::NotWritten { .. } | Self::NotApplied { .. } => true,
        }
    }
}

impl<'a> EraseRequest<'a> {
    pub(crate) fn new(features: &'a Features, log: Option<EraseLog>, actor: &str) -> Self {
        Self { features, log, actor: Arc::from(actor), up_to: None, wait: seconds(10) }
    }

    /// Erases only events with a time up to this, instead of all up to now.
    pub fn up_to(mut self, t: Timestamp) -> Self {
        self.up_to = Some(t);
        self
    }

    /// How long to wait until the store has applied it; 10 s by default.
    pub fn wait_up_to(mut self, bound: Duration) -> Self {
        self.wait = bound;
        self
    }

    /// Writes the erasure to the actions topic and waits until the store has applied it.
    ///
    /// Raw topics and the tables of entities are not touched; they are their owner's to clean.
    ///
    /// # Errors
    /// [`EraseError`]; each says whether anything is erased.
    pub fn run(self) -> Result<Erased, EraseError> {
        self.check_actor()?;
        let (features, store) = (self.features, self.features.store().clone());
        let (partition, handle) = features.owner_of(&self.actor)?;
        let chains = handle.reader.clone().downcast::<EventChains>().map_err(|_| features.not_of_actions())?;
        let log = self.log.as_ref().ok_or_else(|| EraseError::ReadOnly { store: store.clone() })?;
        let up_to = self.up_to.unwrap_or_else(|| features.now());
        let written = log(&partition, &erasure(&self.actor, up_to));
        written.map_err(|cause| EraseError::NotWritten { partition: partition.clone(), cause })?;
        let mut left = self.wait;
        while !chains.is_erased(&self.actor, up_to) {
            if left.is_zero() || !features.pause(PAUSE.min(left)) {
                return Err(EraseError::NotApplied { store, partition, waited: self.wait });
            }
            left = left.saturating_sub(PAUSE);
        }
        let applied = chains.mark().applied;
        let position = applied.map_or_else(Position::new, |offset| Position::new().with(partition, offset));
        Ok(Erased { store, actor: self.actor, up_to, position })
    }

    fn check_actor(&self) -> Result<(), QueryError> {
        let cause = match self.actor.len() {
            0 => "the actor is empty; name one".to_owned(),
            n if n > MAX_ACTOR_BYTES => format!("the actor has {n} bytes; actors have at most {MAX_ACTOR_BYTES}"),
            _ => return Ok(()),
        };
        Err(QueryError::Invalid { cause })
    }
}

fn erasure(actor: &Arc<str>, up_to: Timestamp) -> Action {
    let mut erase = Action::new(actor.clone(), "", "").at(up_to);
    erase.op = Op::Erase;
    erase
}

impl fmt::Debug for EraseRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EraseRequest")
            .field("features", &self.features)
            .field("up_to", &self.up_to)
            .finish_non_exhaustive()
    }
}

impl Serialize for Erased {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("store", self.store.as_str())?;
        map.serialize_entry("actor", &*self.actor)?;
        map.serialize_entry("erased_up_to", &rfc3339(self.up_to))?;
        map.serialize_entry("position", &self.position)?;
        map.end()
    }
}
