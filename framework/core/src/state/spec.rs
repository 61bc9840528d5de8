//! A store's description in a topology.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{
    MemoryExpiring, MemoryKeyValue, MemorySession, MemoryVersioned, MemoryWindow, StateStore, TimeToLive, WindowOptions,
};
use crate::names::{StoreName, TopicName};
use crate::time::millis;

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

/// What a store is, as far as an engine has to know to keep it on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A key-value store; `timestamped` ones keep the time of the last update before the value.
    KeyValue {
        /// Whether they do.
        timestamped: bool,
    },
    /// A window store.
    Window(WindowOptions),
    /// A session store that keeps sessions this long before the largest end.
    Session(Duration),
    /// A versioned store that answers as of times this far back.
    Versioned(Duration),
    /// A store of the user's own kind: always made by its factory.
    Custom,
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
    /// What it is.
    pub kind: StoreKind,
    /// Whether it stays in memory although the process keeps its stores on disk.
    pub in_memory: bool,
    pub(crate) factory: StoreFactory,
    /// What queries need beside the reader.
    pub queryable: Arc<dyn Any + Send + Sync>,
    /// For an event log: how far an event's time may lie after the time of its append. Where the log's start has moved
    /// on, events up to the first append plus this may be missing.
    pub log_floor_slack: Duration,
    /// How its changelog topic is created, under Kafka's names of settings.
    pub(crate) topic_config: Vec<(&'static str, String)>,
    /// Whether its writes reach the changelog through a record cache.
    pub(crate) is_cached: bool,
    /// Whether its rows say what was sent on.
    pub(crate) remembers_results: bool,
}

/// How much longer than a store its changelog keeps windows and versions (`windowstore.changelog.additional.retention.ms`).
const ADDITIONAL_RETENTION: Duration = Duration::from_secs(86_400);

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
            kind: StoreKind::Custom,
            in_memory: false,
            factory: Arc::new(factory),
            queryable: Arc::new(()),
            log_floor_slack: Duration::ZERO,
            topic_config: vec![("cleanup.policy", "compact".to_owned())],
            is_cached: false,
            remembers_results: false,
        }
    }

    /// A key-value store with a changelog topic.
    pub fn key_value(name: impl Into<StoreName>) -> Self {
        Self::of_kind(name, StoreKind::KeyValue { timestamped: false }, || Box::new(MemoryKeyValue::new()))
    }

    /// A key-value store whose values carry the time of their last update, with a changelog topic.
    pub fn timestamped_key_value(name: impl Into<StoreName>) -> Self {
        Self::of_kind(name, StoreKind::KeyValue { timestamped: true }, || Box::new(MemoryKeyValue::timestamped()))
    }

    /// A store of a kind that engines know. It lies in memory where the process has no state directory.
    fn of_kind(
        name: impl Into<StoreName>,
        kind: StoreKind,
        factory: impl Fn() -> Box<dyn StateStore> + Send + Sync + 'static,
    ) -> Self {
        Self { kind, ..Self::new(name, Changelog::Topic, factory) }
    }

    /// Comes back from `changelog` instead of a topic of its own.
    pub(crate) fn rebuilt_from(self, changelog: Changelog) -> Self {
        Self { changelog, ..self }
    }

    /// A key-value store whose rows end after a time to live, with a changelog topic in which they are deleted then. Values
    /// carry the time of their last update. It lies in memory always.
    pub fn expiring_key_value(name: impl Into<StoreName>, ttl: TimeToLive) -> Self {
        Self::new(name, Changelog::Topic, move || Box::new(MemoryExpiring::new(ttl)))
    }

    /// A window store with a changelog topic, which deletes what is older than the retention and a day.
    pub fn window(name: impl Into<StoreName>, options: WindowOptions) -> Self {
        let retention = Duration::from_millis(options.retention_ms.unsigned_abs());
        let spec = Self::of_kind(name, StoreKind::Window(options), move || Box::new(MemoryWindow::new(options)));
        spec.deleting_after(retention)
    }

    /// A session store with a changelog topic, which deletes what is older than the retention and a day.
    pub fn session(name: impl Into<StoreName>, retention: Duration) -> Self {
        let spec = Self::of_kind(name, StoreKind::Session(retention), move || Box::new(MemorySession::new(retention)));
        spec.deleting_after(retention)
    }

    /// A versioned store that answers as of times up to `history` back. Its changelog topic is not compacted
    /// earlier than that and a day.
    pub fn versioned(name: impl Into<StoreName>, history: Duration) -> Self {
        let kind = StoreKind::Versioned(history);
        let mut spec = Self::of_kind(name, kind, move || Box::new(MemoryVersioned::new(history)));
        let lag = millis(history.saturating_add(ADDITIONAL_RETENTION));
        spec.topic_config.push(("min.compaction.lag.ms", lag.to_string()));
        spec
    }

    fn deleting_after(mut self, retention: Duration) -> Self {
        let retention = millis(retention.saturating_add(ADDITIONAL_RETENTION));
        self.topic_config =
            vec![("cleanup.policy", "compact,delete".to_owned()), ("retention.ms", retention.to_string())];
        self
    }

    /// Starts empty instead of having a changelog topic.
    #[must_use]
    pub fn without_changelog(mut self) -> Self {
        self.changelog = Changelog::None;
        self
    }

    /// Stays in memory although the process keeps its stores on disk: it is rebuilt from its topic at every start.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Its rows say what an operator has sent on, such as which windows, and the operator does not send that again.
    /// At-least-once, its changelog then gets its writes, and so do those of the other stores of its operators, only when
    /// all results of the same records are stored: a crash in between repeats results, and loses none.
    #[must_use]
    pub fn remembers_results(mut self) -> Self {
        self.remembers_results = true;
        self
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
