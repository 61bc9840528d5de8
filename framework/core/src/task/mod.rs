//! Tasks: one partition of one sub-topology, as a pure state machine.
//!
//! ```text
//!   created ──▶ restoring ──▶ running ──▶ closed
//!                   └────────────────────▲
//! ```
//!
//! Records, time and commands go in; [`Effects`] come out. The shell (the runtime or the test driver) owns all I/O. It
//! appends the effects, waits until they are stored, commits [`Task::offsets`], and then calls [`Task::committed`]. A
//! task whose processing failed is closed without a commit: the next start meets the record again.

mod current;
mod effects;
pub(crate) mod graph;
pub(crate) mod node;
pub(crate) mod pending;
pub(crate) mod punctuation;
mod queue;
pub(crate) mod shared;
mod waits;
pub(crate) mod wiring;

use std::fmt;
use std::sync::Arc;

pub(crate) use current::ORIGIN_HEADER;
pub use effects::{Counts, Effects, Tally};
pub use punctuation::{Punctuation, PunctuationClock, Schedule};

use crate::failure::{TaskFailure, Verdict};
use crate::names::{Offset, Partition, StoreName, TopicName, TopicPartition};
use crate::processor::ProcessError;
use crate::record::LogRecord;
use crate::state::{Changelog, StoreError};
use crate::time::Timestamp;
use crate::topology::{StartPolicy, SubTopology, Topology, changelog_topic};
use graph::{Node, NodeContext};
use pending::Pending;
use queue::SourceQueue;
use shared::{Shared, Stop, StoreSlot};
use wiring::Wiring;

/// A task's name: `<sub-topology>_<partition>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The sub-topology's number.
    pub subtopology: usize,
    /// The partition of its sources.
    pub partition: Partition,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

/// How a call of [`Task::process`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Processed {
    /// This many records were taken; more may wait.
    Records(usize),
    /// The head record cannot be decoded now, but the same call may succeed later (a schema registry that does not
    /// answer). The record waits; nothing is lost.
    Blocked {
        /// Records taken before it.
        taken: usize,
        /// What is missing.
        cause: String,
    },
}

/// A source partition of a task, as the shell needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// The partition.
    pub partition: TopicPartition,
    /// Where reading begins after a restart.
    pub start: StartPolicy,
    /// Records that wait.
    pub buffered: usize,
    /// The offset after the last one that was processed.
    pub next_offset: Option<Offset>,
    /// The source rebuilds a store up to this offset.
    pub replay_until: Option<Offset>,
    /// Whether everything that only rebuilds a store is in.
    pub restored: bool,
    /// When the first waiting record was appended, if its topic says.
    pub head_append_time: Option<Timestamp>,
}

/// One partition of one sub-topology at work.
pub struct Task {
    id: TaskId,
    nodes: Vec<Option<Box<dyn Node>>>,
    wiring: Vec<Wiring>,
    queues: Vec<SourceQueue>,
    shared: Shared,
    changelogs: Vec<(StoreName, TopicName)>,
    default_verdict: Verdict,
    turns: u64,
    is_initialized: bool,
}

impl Task {
    /// Task `partition` of `part`. `partitions_of` says how many partitions a source topic has: a topic with fewer than
    /// the others of its sub-topology has none for the last tasks.
    pub fn new(
        topology: &Topology,
        part: &SubTopology,
        partition: Partition,
        partitions_of: impl Fn(&TopicName) -> i32,
    ) -> Self {
        let mut nodes: Vec<Option<Box<dyn Node>>> = topology.nodes().iter().map(|_| None).collect();
        for &index in &part.nodes {
            if let (Some(slot), Some(spec)) = (nodes.get_mut(index), topology.nodes().get(index)) {
                *slot = Some((spec.make)());
            }
        }
        let sources = part.sources.iter().filter(|source| partition < partitions_of(&source.topic));
        let queues = sources.map(|source| {
            let at = TopicPartition { topic: source.topic.clone(), partition };
            SourceQueue::new(at, source.start, source.node)
        });
        let stores = stores(topology, part);
        Self {
            id: TaskId { subtopology: part.id, partition },
            nodes,
            wiring: wiring::wire(topology, part, &stores),
            queues: queues.collect(),
            shared: Shared::new(stores, topology.handlers().clone(), topology.dead_letter_topic().cloned()),
            changelogs: changelogs(topology, part),
            default_verdict: default_verdict(topology, part),
            turns: 0,
            is_initialized: false,
        }
    }

    /// The task's name.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The source partitions.
    pub fn sources(&self) -> Vec<SourceStatus> {
        let status = |queue: &SourceQueue| SourceStatus {
            partition: queue.partition.clone(),
            start: queue.start,
            buffered: queue.records.len(),
            next_offset: queue.next_offset,
            replay_until: queue.replay_until,
            restored: queue.is_restored(),
            head_append_time: queue.head_append_time(),
        };
        self.queues.iter().map(status).collect()
    }

    /// Stores with a changelog topic of their own, each with that topic: the shell restores them first.
    pub fn changelogs(&self) -> &[(StoreName, TopicName)] {
        &self.changelogs
    }

    /// Handles for reads of the task's stores from other threads.
    pub fn readers(&self) -> Vec<(StoreName, Arc<dyn std::any::Any + Send + Sync>)> {
        self.shared.stores.iter().map(|slot| (slot.name.clone(), slot.store.reader())).collect()
    }

    /// Applies a record of a store's changelog topic.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn restore(&mut self, store: &StoreName, record: &LogRecord) -> Result<(), StoreError> {
        let missing = || StoreError::NotConnected { store: store.to_string(), kind: "state" };
        let slot = self.shared.stores.iter_mut().find(|slot| slot.name == *store).ok_or_else(missing)?;
        slot.store.restore(record)
    }

    /// Sets where a source begins. Records before `replay_until` only rebuild stores: their other effects are dropped.
    pub fn begin(&mut self, source: &TopicPartition, position: Offset, replay_until: Option<Offset>) {
        if let Some(queue) = self.queue(source) {
            queue.next_offset = Some(position);
            (queue.replay_until, queue.silent_until) = (replay_until, replay_until);
        }
    }

    /// After [`begin`](Self::begin): records from `offset` on have all their effects, although the store counts as
    /// restored only at `replay_until`. An event log needs this: what lies behind the committed offset has been put into
    /// no store that outlived the process, but also had no outputs and dead letters yet.
    pub fn effects_from(&mut self, source: &TopicPartition, offset: Offset) {
        if let Some(queue) = self.queue(source) {
            queue.silent_until = queue.silent_until.map(|until| until.min(offset));
        }
    }

    /// Hands over records of a source, in offset order.
    pub fn add(&mut self, source: &TopicPartition, records: impl IntoIterator<Item = LogRecord>) {
        let turn = self.next_turn();
        let Some(queue) = self.queue(source) else { return };
        if queue.records.is_empty() {
            queue.turn = turn;
        }
        queue.records.extend(records);
    }

    /// Tells how far reading is: the reader's next position and the newest known end. A position beyond the queued
    /// records (transaction markers, compacted gaps) becomes the source's next offset once the queue is empty.
    pub fn observe(&mut self, source: &TopicPartition, position: Offset, known_end: Option<Offset>) {
        let Some(queue) = self.queue(source) else { return };
        queue.known_end = known_end.or(queue.known_end);
        if queue.records.is_empty() && queue.next_offset.is_some_and(|next| next < position) {
            queue.next_offset = Some(position);
            queue.dirty = true;
        }
    }

    /// Processes up to `max` records at wall-clock time `now`, the one with the smallest timestamp first. A task with
    /// several sources waits while one that is empty is known, or not known not, to hold more (`max.task.idle.ms` 0).
    ///
    /// # Errors
    /// [`TaskFailure`] when a record failed and no handler passes over it. The task must then be closed.
    pub fn process(&mut self, now: Timestamp, max: usize) -> Result<Processed, TaskFailure> {
        self.shared.wall_clock = now;
        self.initialize()?;
        if let Some(cause) = self.punctuate(PunctuationClock::WallClock)? {
            return Ok(Processed::Blocked { taken: 0, cause });
        }
        for taken in 0..max {
            let Some(index) = self.next_queue() else { return Ok(Processed::Records(taken)) };
            if let Some(cause) = self.process_one(index)? {
                return Ok(Processed::Blocked { taken, cause });
            }
            if let Some(cause) = self.punctuate(PunctuationClock::StreamTime)? {
                return Ok(Processed::Blocked { taken: taken + 1, cause });
            }
        }
        Ok(Processed::Records(max))
    }

    /// Lets every node begin, once.
    fn initialize(&mut self) -> Result<(), TaskFailure> {
        if self.is_initialized {
            return Ok(());
        }
        self.is_initialized = true;
        for node in 0..self.nodes.len() {
            self.call(node, Timestamp::MIN, 1, |node, cx| node.init(cx))?;
        }
        Ok(())
    }

    /// Calls the processors whose schedules are due; a cause is returned when one must wait.
    fn punctuate(&mut self, clock: PunctuationClock) -> Result<Option<String>, TaskFailure> {
        if !self.is_restored() {
            return Ok(None);
        }
        let now = match clock {
            PunctuationClock::StreamTime => self.shared.stream_time,
            PunctuationClock::WallClock => self.shared.wall_clock,
        };
        let wall_clock = self.shared.wall_clock;
        while let Some((node, schedule)) = self.shared.schedules.due(clock, now) {
            let due = Punctuation { schedule, time: now };
            let waits = self.shared.schedules.waits(schedule).map(|waits| (waits.holds(wall_clock), waits.attempt()));
            let (held, attempt) = waits.unwrap_or((None, 1));
            if held.is_some() {
                return Ok(held);
            }
            if let Some(stop) = self.call(node, now, attempt, |node, cx| node.punctuate(cx, due))? {
                let waits = self.shared.schedules.waits(schedule).into_iter();
                waits.for_each(|waits| waits.failed(wall_clock, stop.wait, &stop.cause));
                return Ok(Some(stop.cause));
            }
            self.shared.schedules.advance(schedule, now);
        }
        Ok(None)
    }

    /// Runs a node without a record; `time` is that of its writes. A stop is returned when it must wait.
    fn call(
        &mut self,
        node: usize,
        time: Timestamp,
        attempt: u32,
        run: impl FnOnce(&mut dyn Node, &mut NodeContext<'_>) -> Result<(), ProcessError>,
    ) -> Result<Option<Stop>, TaskFailure> {
        let source = self.queues.first().map_or_else(|| TopicPartition::new("", 0), |queue| queue.partition.clone());
        self.shared.begin(&source, LogRecord { timestamp: time, ..LogRecord::empty() }, false, attempt);
        self.run_node(node, run);
        match self.shared.settle() {
            None => Ok(None),
            Some(stop) if stop.retriable => Ok(Some(stop)),
            Some(stop) => Err(stop.into_failure(source, -1)),
        }
    }

    /// What processing asked for since the last call, to be applied in order.
    pub fn take_effects(&mut self) -> Effects {
        let n_outputs = self.shared.effects.outputs.len();
        std::mem::replace(&mut self.shared.effects, Effects::with_room_for(n_outputs))
    }

    /// The next offset of every source that moved since [`committed`](Self::committed). Commit them only after all
    /// effects taken so far are stored. Event logs are included, for lag tools and for [`effects_from`](Self::effects_from).
    /// A source that reads again what was committed before is left out until it is past that.
    pub fn offsets(&self) -> Vec<(TopicPartition, Offset)> {
        let moved = self
            .queues
            .iter()
            .filter(|queue| queue.dirty && !queue.next_offset.is_some_and(|next| queue.is_silent(next)));
        moved.filter_map(|queue| Some((queue.partition.clone(), queue.next_offset?))).collect()
    }

    /// The next offset of every source, moved or not, with the same exception as [`offsets`](Self::offsets): brokers
    /// forget what is not committed again from time to time.
    pub fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        let known = self.queues.iter().filter_map(|queue| Some((queue, queue.next_offset?)));
        known
            .filter(|(queue, next)| !queue.is_silent(*next))
            .map(|(queue, next)| (queue.partition.clone(), next))
            .collect()
    }

    /// The offsets of the last [`offsets`](Self::offsets) are committed.
    pub fn committed(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.dirty = false);
    }

    /// Whether every source has read what only rebuilds stores.
    pub fn is_restored(&self) -> bool {
        self.queues.iter().all(SourceQueue::is_restored)
    }

    /// When a record that a handler made wait may be tried again; calls of [`process`](Self::process) before are in vain.
    pub fn waits_until(&self) -> Option<Timestamp> {
        let heads = self.queues.iter().filter_map(|queue| queue.waits.until());
        heads.chain(self.shared.schedules.waits_until()).min()
    }

    /// The largest timestamp that was read.
    pub fn stream_time(&self) -> Timestamp {
        self.shared.stream_time
    }

    /// The verdict on a result of this task that the broker refused.
    pub fn default_verdict(&self) -> Verdict {
        self.default_verdict
    }

    fn queue(&mut self, source: &TopicPartition) -> Option<&mut SourceQueue> {
        self.queues.iter_mut().find(|queue| queue.partition == *source)
    }

    /// The queue to take the next record from. Replays go first: a table is rebuilt before the stream that joins it.
    fn next_queue(&self) -> Option<usize> {
        let restoring = |queue: &SourceQueue| !queue.is_restored();
        if let Some(index) = self.queues.iter().position(restoring) {
            return self.queues.get(index).filter(|queue| !queue.records.is_empty()).map(|_| index);
        }
        if self.queues.len() > 1 && self.queues.iter().any(SourceQueue::awaits_records) {
            return None;
        }
        let head = |(index, queue): (usize, &SourceQueue)| Some((queue.head_time()?, queue.turn, index));
        self.queues.iter().enumerate().filter_map(head).min().map(|(_, _, index)| index)
    }

    /// Processes the head of one queue; a cause is returned when it must wait.
    fn process_one(&mut self, index: usize) -> Result<Option<String>, TaskFailure> {
        let Some(queue) = self.queues.get_mut(index) else { return Ok(None) };
        if let Some(cause) = queue.waits.holds(self.shared.wall_clock) {
            return Ok(Some(cause));
        }
        let Some(record) = queue.records.pop_front() else { return Ok(None) };
        let offset = record.offset;
        self.shared.begin(&queue.partition, record, queue.is_silent(offset), queue.waits.attempt());
        let node = queue.node;
        self.run(node);
        match self.shared.settle() {
            None => {
                self.advance(index, offset);
                Ok(None)
            }
            Some(stop) if stop.retriable => {
                self.put_back(index, &stop);
                Ok(Some(stop.cause))
            }
            Some(stop) => Err(stop.into_failure(self.shared.source_record().0.clone(), offset)),
        }
    }

    fn advance(&mut self, index: usize, offset: Offset) {
        let turn = self.next_turn();
        if let Some(queue) = self.queues.get_mut(index) {
            queue.next_offset = Some(offset + 1);
            (queue.turn, queue.dirty) = (turn, true);
            queue.waits.over();
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn put_back(&mut self, index: usize, stop: &Stop) {
        let (_, record) = self.shared.source_record();
        let record = record.clone();
        if let Some(queue) = self.queues.get_mut(index) {
            queue.records.push_front(record);
            queue.waits.failed(self.shared.wall_clock, stop.wait, &stop.cause);
        }
    }

    /// Runs the present record through the source node and all below.
    fn run(&mut self, source: usize) {
        self.run_node(source, |node, cx| node.process(cx, &mut Option::<()>::None));
    }

    fn run_node(
        &mut self,
        index: usize,
        run: impl FnOnce(&mut dyn Node, &mut NodeContext<'_>) -> Result<(), ProcessError>,
    ) {
        let Some((place, wiring)) = self.nodes.get_mut(index).zip(self.wiring.get(index)) else { return };
        let Some(mut node) = place.take() else { return };
        let mut cx =
            NodeContext { nodes: &mut self.nodes, wiring: &self.wiring, shared: &mut self.shared, node: index };
        let outcome = run(node.as_mut(), &mut cx);
        if let Some(place) = self.nodes.get_mut(index) {
            *place = Some(node);
        }
        if let Err(error) = outcome {
            // An error that stops the task is remembered by `shared` until it is settled.
            let _ = self.shared.failed(wiring, error);
        }
    }
}

fn stores(topology: &Topology, part: &SubTopology) -> Vec<StoreSlot> {
    let specs = part.stores.iter().filter_map(|name| topology.stores().get(name));
    let open = specs.map(|spec| StoreSlot {
        name: spec.name.clone(),
        store: (spec.factory)(),
        logged: spec.changelog == Changelog::Topic,
        pending: Pending::default(),
        handed_out: false,
    });
    open.collect()
}

fn default_verdict(topology: &Topology, part: &SubTopology) -> Verdict {
    let mut nodes = part.nodes.iter().filter_map(|&index| topology.nodes().get(index));
    if nodes.any(|node| node.dead_letters_by_default) { Verdict::DeadLetter } else { Verdict::Fail }
}

fn changelogs(topology: &Topology, part: &SubTopology) -> Vec<(StoreName, TopicName)> {
    let specs = part.stores.iter().filter_map(|name| topology.stores().get(name));
    let logged = specs.filter(|spec| spec.changelog == Changelog::Topic);
    logged.map(|spec| (spec.name.clone(), changelog_topic(topology.app(), &spec.name))).collect()
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id).field("queues", &self.queues).finish_non_exhaustive()
    }
}
