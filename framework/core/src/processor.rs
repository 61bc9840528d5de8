//! Processors: the nodes of a topology that users write, and what they see of their task.

use std::any::Any;
use std::marker::PhantomData;
use std::time::Duration;

use crate::failure::Stage;
use crate::names::TopicPartition;
use crate::record::{LogRecord, Origin, Record};
use crate::serde::SerdeError;
use crate::state::{StateStore, StoreError};
use crate::task::graph::NodeContext;
use crate::task::{Punctuation, PunctuationClock, Schedule, Tally};
use crate::time::Timestamp;

pub use crate::state::{ChangelogWrite, LoggedKeyValue, LoggedSession, LoggedVersioned, LoggedWindow};

/// A step that turns records of `KI, VI` into any number of records of `KO, VO`.
///
/// One instance serves one task, so it may keep state of its own, but only stores survive a restart.
pub trait Processor<KI, VI, KO, VO>: Send {
    /// Handles one record; results go to [`ProcessorContext::forward`].
    ///
    /// # Errors
    /// An error is the record's failure: the application's process handler decides what becomes of it.
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, KO, VO>,
        record: Record<KI, VI>,
    ) -> Result<(), ProcessError>;

    /// Called once before the first record; the place for [`ProcessorContext::schedule`].
    ///
    /// # Errors
    /// An error is judged as a record's failure would be.
    fn init(&mut self, _cx: &mut ProcessorContext<'_, '_, KO, VO>) -> Result<(), ProcessError> {
        Ok(())
    }

    /// Called when a schedule is due. Results go to [`ProcessorContext::forward`].
    ///
    /// # Errors
    /// An error is judged as a record's failure would be.
    fn punctuate(&mut self, _cx: &mut ProcessorContext<'_, '_, KO, VO>, _due: Punctuation) -> Result<(), ProcessError> {
        Ok(())
    }
}

/// Why a processor refused a record. Made from any error with `?`, or from a sentence with [`ProcessError::new`].
#[derive(Debug)]
pub struct ProcessError {
    pub(crate) cause: String,
    pub(crate) stage: Stage,
    pub(crate) retriable: bool,
    /// No error handler is asked.
    pub(crate) is_final: bool,
}

impl ProcessError {
    /// A failure with this cause.
    pub fn new(cause: impl Into<String>) -> Self {
        Self::at(Stage::Process, cause.into(), false)
    }

    /// Not now: the record waits at the head of its partition and is tried again shortly. Nothing is lost and nothing
    /// happens twice: the outputs, dead letters and counts that it has caused so far, and its writes to stores,
    /// are dropped and come again. A store of your own kind is told by [`StateStore::record_waits`].
    pub fn wait(cause: impl Into<String>) -> Self {
        Self { retriable: true, ..Self::new(cause) }
    }

    /// The application stops at the record, whatever error handlers would say: for a processor that cannot go on.
    pub fn stop(cause: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::new(cause) }
    }

    pub(crate) fn at(stage: Stage, cause: String, retriable: bool) -> Self {
        Self { cause, stage, retriable, is_final: false }
    }

    /// A serde's error at this stage; one that may pass by itself makes the record wait.
    pub(crate) fn serde(stage: Stage, error: &SerdeError) -> Self {
        Self::at(stage, error.to_string(), error.is_retriable())
    }
}

impl<E: std::error::Error> From<E> for ProcessError {
    fn from(error: E) -> Self {
        let mut cause = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            cause = format!("{cause}: {inner}");
            source = inner.source();
        }
        Self::new(cause)
    }
}

/// What a processor sees of its task while it handles a record.
pub struct ProcessorContext<'n, 't, K, V> {
    node: &'n mut NodeContext<'t>,
    output: PhantomData<fn(K, V)>,
}

impl<K, V> std::fmt::Debug for ProcessorContext<'_, '_, K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessorContext").field("node", &self.node.name()).finish()
    }
}

impl<'n, 't, K: 'static, V: 'static> ProcessorContext<'n, 't, K, V> {
    pub(crate) fn new(node: &'n mut NodeContext<'t>) -> Self {
        Self { node, output: PhantomData }
    }

    /// Passes a record to the node of this name below, and to no other.
    ///
    /// # Errors
    /// When there is no such node, the node failed in a way that stops the task, or the timestamp is negative.
    pub fn forward_to(&mut self, child: &str, record: Record<K, V>) -> Result<(), ProcessError> {
        usable(&record)?;
        if self.node.forward_to_named(child, &mut Some(record))? {
            return Ok(());
        }
        Err(ProcessError::new(format!("it forwards to {child:?}, but no node of this name is attached to it")))
    }

    /// Has [`Processor::punctuate`] called at intervals, at least a millisecond long. A gap is caught up with one call.
    pub fn schedule(&mut self, interval: Duration, clock: PunctuationClock) -> Schedule {
        let (node, now) = (self.node.node, self.node.shared.wall_clock);
        self.node.shared.schedules.add(node, interval, clock, now)
    }

    /// Ends a schedule.
    pub fn cancel(&mut self, schedule: Schedule) {
        self.node.shared.schedules.cancel(schedule);
    }

    /// Passes a record to every node below, in the order in which they were added.
    ///
    /// # Errors
    /// When a node below failed in a way that stops the task (pass it on with `?`), or the record's timestamp is negative.
    pub fn forward(&mut self, record: Record<K, V>) -> Result<(), ProcessError> {
        usable(&record)?;
        self.node.forward(&mut Some(record))
    }

    /// The untyped view, for operators of this crate.
    pub(crate) fn raw(&mut self) -> &mut NodeContext<'t> {
        self.node
    }

    /// Name of the node.
    pub fn node_name(&self) -> &str {
        self.node.name()
    }

    /// The root of the present record: the raw record that it descends from, across repartitioning.
    pub fn origin(&self) -> &Origin {
        self.node.shared.origin()
    }

    /// An id for the next thing made from the present record: equal when the record is processed again, different from
    /// every other. Form: `{topic}/{partition}/{offset}/{timestamp}/{i}` (`docs/semantics.md`, section 1), where i counts the ids that
    /// this node made of the record; a second processor that makes ids writes `{its name}.{i}`.
    pub fn next_event_id(&mut self) -> String {
        self.node.next_event_id()
    }

    /// The record as it was read: offset, bytes and timestamp of this task's own source.
    pub fn source_record(&self) -> (&TopicPartition, &LogRecord) {
        self.node.shared.source_record()
    }

    /// The largest timestamp that this task has read.
    pub fn stream_time(&self) -> Timestamp {
        self.node.shared.stream_time
    }

    /// Wall-clock time, as of this batch.
    pub fn wall_clock(&self) -> Timestamp {
        self.node.shared.wall_clock
    }

    /// In [`Processor::punctuate`]: the wall-clock time since when the topics above this processor, in its own
    /// sub-topology, have had no record; that of the task's start where there was none. `None` while one of them has
    /// records, or the log holds more or is not known not to: a backlog or a broker out of reach is not idleness.
    pub fn idle_since(&self) -> Option<Timestamp> {
        self.node.shared.idle_since
    }

    /// Whether this record is read only to rebuild a store: effects other than on the store have been had before.
    pub fn is_replaying(&self) -> bool {
        self.node.shared.replaying
    }

    /// Counts the present record as dropped; appears as `nowfold_records_dropped_total{reason}`.
    pub fn count(&mut self, reason: &'static str) {
        self.node.shared.count(reason);
    }

    /// Counts something else that happened `n` times because of the present record; appears as the metric of `tally`.
    pub fn count_as(&mut self, tally: Tally, reason: &'static str, n: u64) {
        self.node.shared.count_as(tally, reason, n);
    }

    /// Sends the record as it was read to the dead-letter topic, with this cause. Not while replaying.
    pub fn dead_letter(&mut self, stage: Stage, cause: &str) {
        self.node.dead_letter(stage, cause);
    }

    /// A key-value store that the node is connected to.
    ///
    /// # Errors
    /// [`StoreError::NotConnected`].
    pub fn key_value(&mut self, store: &str) -> Result<LoggedKeyValue<'_>, StoreError> {
        self.node.key_value(store)
    }

    /// A window store that the node is connected to.
    ///
    /// # Errors
    /// [`StoreError::NotConnected`].
    pub fn window(&mut self, store: &str) -> Result<LoggedWindow<'_>, StoreError> {
        self.node.window(store)
    }

    /// A session store that the node is connected to.
    ///
    /// # Errors
    /// [`StoreError::NotConnected`].
    pub fn session(&mut self, store: &str) -> Result<LoggedSession<'_>, StoreError> {
        self.node.session(store)
    }

    /// A versioned store that the node is connected to.
    ///
    /// # Errors
    /// [`StoreError::NotConnected`].
    pub fn versioned(&mut self, store: &str) -> Result<LoggedVersioned<'_>, StoreError> {
        self.node.versioned(store)
    }

    /// A store of the user's own kind that the node is connected to.
    ///
    /// # Errors
    /// [`StoreError::NotConnected`] also when it is of another kind.
    pub fn store<S: StateStore>(&mut self, store: &str) -> Result<&mut S, StoreError> {
        let (slot, log) = self.node.store(store)?;
        slot.handed_out = true;
        let (any, name): (&mut dyn Any, _) = (slot.store.as_any_mut(), log.name);
        any.downcast_mut()
            .ok_or_else(|| StoreError::NotConnected { store: name.to_string(), kind: std::any::type_name::<S>() })
    }
}

/// Refuses timestamps that no log takes.
fn usable<K, V>(record: &Record<K, V>) -> Result<(), ProcessError> {
    if record.timestamp.as_millis() >= 0 {
        return Ok(());
    }
    let time = record.timestamp;
    Err(ProcessError::new(format!("it forwards a record with a negative timestamp ({time}), which no log takes")))
}
