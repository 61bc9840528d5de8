//! A store's description in a topology.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{MemoryKeyValue, StateStore};
use crate::names::{StoreName, TopicName};

/// Where a store's content comes back from after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changelog {
    /// A compacted topic `<application>-<store>-changelog` that repeats every write.
    Topic,
    /// A source topic of the same sub-topology, read from its start up to the group's committed offset: a table.
    Table(TopicName),
    /// A source topic of the same sub-topology, read from its start to its end: the store is a set of its events, so
    /// reading one twice changes nothing, and the group's offsets play no part.
    EventLog(TopicName),
    /// Nowhere: the store starts empty.
    None,
}

/// Makes a store for one task.
pub type StoreFactory = Arc<dyn Fn() -> Box<dyn StateStore> + Send + Sync>;

/// A store of a topology: its name, how to make one, and how it comes back after a restart.
#[derive(Clone)]
pub struct StoreSpec {
    /// Unique in the application.
    pub name: StoreName,
    /// How its content comes back.
    pub changelog: Changelog,
    pub(crate) factory: StoreFactory,
    /// What queries need beside the reader.
    pub queryable: Arc<dyn Any + Send + Sync>,
    /// For an event log: how far an event's time may lie after the time of its append. Where the log's start has moved
    /// on, events up to the first append plus this may be missing.
    pub log_floor_slack: Duration,
}

impl StoreSpec {
    /// A store of your own kind. `factory` makes an empty one for each task.
    pub fn new(
        name: impl Into<StoreName>,
        changelog: Changelog,
        factory: impl Fn() -> Box<dyn StateStore> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            changelog,
            factory: Arc::new(factory),
            queryable: Arc::new(()),
            log_floor_slack: Duration::ZERO,
        }
    }

    /// An in-memory key-value store with a changelog topic.
    pub fn key_value(name: impl Into<StoreName>) -> Self {
        Self::new(name, Changelog::Topic, || Box::new(MemoryKeyValue::new()))
    }

    /// How far an event's time may lie after its append (event logs only).
    #[must_use]
    pub fn log_floor_slack(mut self, slack: Duration) -> Self {
        self.log_floor_slack = slack;
        self
    }

    /// What query handles find beside the store's reader, such as registered features.
    #[must_use]
    pub fn queryable(mut self, queryable: Arc<dyn Any + Send + Sync>) -> Self {
        self.queryable = queryable;
        self
    }
}

impl fmt::Debug for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSpec")
            .field("name", &self.name)
            .field("changelog", &self.changelog)
            .finish_non_exhaustive()
    }
}
