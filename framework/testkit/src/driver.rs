//! The test driver.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::failure::TaskFailure;
use nowfold_core::names::{Offset, Partition, TopicName, TopicPartition};
use nowfold_core::query::StoreHub;
use nowfold_core::record::OutputRecord;
use nowfold_core::serde::{Consumed, Produced, SerdeEnv};
use nowfold_core::task::TaskIdle;
use nowfold_core::time::{Clock, Timestamp};
use nowfold_core::topology::Topology;

use crate::engine::Engine;
use crate::{DeadLetter, Input, ManualClock, Output, Stored};

/// Runs a [`Topology`] in the test's own thread: records go in, and every method returns once their last effect is on
/// the logs. Cheap to clone; clones are the same driver.
///
/// Nothing is committed by itself: [`commit`](Self::commit) does that, so that
/// [`crash_before_commit`](Self::crash_before_commit) has something to process again. The wall clock starts at 0 and
/// moves only by hand.
///
/// One process owns every partition. Topics have one partition unless [`partitions`](Self::partitions) says otherwise;
/// intermediate and changelog topics are sized and configured as the runtime would create them.
#[derive(Clone)]
pub struct TestDriver(Rc<RefCell<Engine>>);

impl TestDriver {
    /// A driver of `topology`, with empty topics.
    pub fn new(topology: Topology) -> Self {
        Self(Rc::new(RefCell::new(Engine::new(topology))))
    }

    /// Gives a topic `n` partitions, also one that the topology does not know.
    ///
    /// # Panics
    /// After the first record, or when `n` is not positive.
    #[must_use]
    #[track_caller]
    pub fn partitions(self, topic: impl Into<TopicName>, n: i32) -> Self {
        assert!(n > 0, "a topic has at least one partition");
        self.before_start().settings.partitions.insert(topic.into(), n);
        self
    }

    /// Lets the broker stamp the records of a topic with the wall clock (`message.timestamp.type=LogAppendTime`).
    ///
    /// # Panics
    /// After the first record.
    #[must_use]
    #[track_caller]
    pub fn log_append_time(self, topic: impl Into<TopicName>) -> Self {
        self.before_start().settings.append_time.insert(topic.into());
        self
    }

    /// What serdes get from the application, such as a schema registry.
    ///
    /// # Panics
    /// After the first record.
    #[must_use]
    #[track_caller]
    pub fn serde_env(self, env: SerdeEnv) -> Self {
        self.before_start().env = env;
        self
    }

    /// How long tasks with several sources wait for those that are empty, by the driver's clock (`max.task.idle.ms`).
    ///
    /// # Panics
    /// After the first record.
    #[must_use]
    #[track_caller]
    pub fn max_task_idle(self, idle: TaskIdle) -> Self {
        self.before_start().idle = idle;
        self
    }

    /// Sets the wall clock.
    #[must_use]
    pub fn starting_at(self, now: Timestamp) -> Self {
        self.0.borrow().clock.set(now);
        self
    }

    /// Draws from `seed` which call of asynchronous operators is over next, and when. Otherwise calls are over in the order
    /// in which they were made, once no record waits. Calls are polled in the test's own thread: one that waits for
    /// something of the test's, such as a channel, is tried again with every method that processes.
    ///
    /// # Panics
    /// After the first record.
    #[must_use]
    #[track_caller]
    pub fn calls_at_random(self, seed: u64) -> Self {
        self.before_start().calls.at_random(seed);
        self
    }

    /// Calls of asynchronous operators that are under way.
    pub fn n_calls(&self) -> usize {
        self.engine().calls.len()
    }

    /// A handle that writes typed records to `topic`.
    pub fn input<K: 'static, V: 'static>(
        &self,
        topic: impl Into<TopicName>,
        serdes: impl Produced<K, V>,
    ) -> Input<K, V> {
        Input::new(self.clone(), topic.into(), &serdes)
    }

    /// A handle that drains typed records from `topic`.
    pub fn output<K: 'static, V: 'static>(
        &self,
        topic: impl Into<TopicName>,
        serdes: impl Consumed<K, V>,
    ) -> Output<K, V> {
        Output::new(self.clone(), topic.into(), &serdes)
    }

    /// Appends a record of any bytes and processes it to the end.
    ///
    /// # Errors
    /// [`TaskFailure`] when the topology stops at it. The driver stays stopped until a [`restart`](Self::restart).
    pub fn pipe_raw(&self, record: OutputRecord) -> Result<(), TaskFailure> {
        self.append(record);
        self.process()
    }

    /// Appends a record without processing it.
    ///
    /// # Panics
    /// When neither the topology nor [`partitions`](Self::partitions) names the topic.
    #[track_caller]
    pub fn append(&self, record: OutputRecord) {
        self.engine().append(record);
    }

    /// Processes everything that waits in any topic.
    ///
    /// # Errors
    /// [`TaskFailure`] when the topology stops at a record.
    pub fn process(&self) -> Result<(), TaskFailure> {
        self.0.borrow_mut().run()
    }

    /// Commits the offsets of everything that is processed. Record caches send out first what they hold back; what is below
    /// it in other tasks is processed by the next method that processes.
    pub fn commit(&self) {
        self.engine().commit();
    }

    /// The committed offset of a source partition: the next one to process.
    pub fn committed(&self, topic: impl Into<TopicName>, partition: Partition) -> Option<Offset> {
        self.engine().committed(&TopicPartition::new(topic, partition))
    }

    /// Stops and starts as a deployment does: commits, drops every task, rebuilds the stores from their topics, goes on.
    ///
    /// # Errors
    /// [`TaskFailure`] when the topology stops at a record, such as the one it stopped at before.
    pub fn restart(&self) -> Result<(), TaskFailure> {
        self.commit();
        self.engine().reopen()
    }

    /// Dies after the outputs were stored and before the offsets were committed, and starts again: everything since the
    /// last [`commit`](Self::commit) is processed once more.
    ///
    /// # Errors
    /// [`TaskFailure`] when the topology stops at a record.
    pub fn crash_before_commit(&self) -> Result<(), TaskFailure> {
        self.engine().reopen()
    }

    /// Makes readers of a partition begin at offset `start`, as retention does. Records that tasks have read stay read.
    pub fn truncate(&self, topic: impl Into<TopicName>, partition: Partition, start: Offset) {
        self.engine().log.truncate(&TopicPartition::new(topic, partition), start);
    }

    /// Every record of a topic, in the order of appending, drained or not.
    pub fn records(&self, topic: impl Into<TopicName>) -> Vec<Stored> {
        self.engine().log.all(&topic.into())
    }

    /// Every dead letter so far.
    ///
    /// # Panics
    /// When something else lies on the dead-letter topic.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let topic = self.engine().topology.dead_letter_topic().cloned();
        let letters = topic.map(|topic| self.records(topic)).unwrap_or_default();
        let parse = |stored: Stored| {
            DeadLetter::parse(&stored.record).unwrap_or_else(|| panic!("not a dead letter: {:?}", stored.record))
        };
        letters.into_iter().map(parse).collect()
    }

    /// What was counted so far: `filtered`, `join_miss`, `null_key`, `skipped`, `dead_letter` and operators' own reasons.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.engine().counts.clone()
    }

    /// What was counted under one reason.
    pub fn count(&self, reason: &str) -> u64 {
        self.engine().counts.get(reason).copied().unwrap_or(0)
    }

    /// Tasks and global tables that wait for something outside, such as a schema registry, each with the cause.
    pub fn blocked(&self) -> BTreeMap<String, String> {
        self.engine().blocked.clone()
    }

    /// The topology.
    pub fn topology(&self) -> Topology {
        self.0.borrow().topology.clone()
    }

    /// The wall clock, for query handles.
    pub fn clock(&self) -> Arc<ManualClock> {
        self.0.borrow().clock.clone()
    }

    /// The present wall-clock time.
    pub fn now(&self) -> Timestamp {
        self.0.borrow().clock.now()
    }

    /// Moves the wall clock on.
    ///
    /// # Errors
    /// [`TaskFailure`] when something that waited is processed and stops the topology.
    pub fn advance(&self, duration: Duration) -> Result<(), TaskFailure> {
        self.engine().clock.advance(duration);
        self.process()
    }

    /// The stores as queries see them, kept up to date by every method of the driver.
    pub fn hub(&self) -> Arc<StoreHub> {
        self.engine().hub.clone()
    }

    /// The reading side of a store's partition, such as [`MemoryMap`](nowfold_core::state::MemoryMap) of an in-memory
    /// key-value store; `None` without such a store, or when its readers are of another type.
    pub fn reader<R: std::any::Any + Send + Sync>(&self, store: &str, partition: Partition) -> Option<Arc<R>> {
        let find = |_: &_, entry: &nowfold_core::query::StoreEntry| entry.partitions.get(&partition).cloned();
        let handle = self.hub().with_store(store, find).ok().flatten()?;
        handle.reader.downcast().ok()
    }

    pub(crate) fn drain(&self, topic: &TopicName) -> Vec<Stored> {
        self.engine().log.drain(topic)
    }

    /// The engine, started.
    fn engine(&self) -> std::cell::RefMut<'_, Engine> {
        let mut engine = self.0.borrow_mut();
        engine.start();
        engine
    }

    #[track_caller]
    fn before_start(&self) -> std::cell::RefMut<'_, Engine> {
        let engine = self.0.borrow_mut();
        assert!(!engine.started, "the driver has started; set it up before the first record");
        engine
    }
}

impl fmt::Debug for TestDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDriver").field("topology", &self.0.borrow().topology).finish_non_exhaustive()
    }
}
