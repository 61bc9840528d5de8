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

mod effects;
pub(crate) mod graph;
pub(crate) mod node;
mod queue;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use effects::Effects;

use crate::failure::{TaskFailure, Verdict};
use crate::names::{Offset, Partition, StoreName, TopicName, TopicPartition};
use crate::processor::ProcessError;
use crate::record::LogRecord;
use crate::state::{Changelog, StateStore, StoreError};
use crate::time::Timestamp;
use crate::topology::{StartPolicy, SubTopology, Topology, changelog_topic};
use graph::{Node, NodeContext, Shared, StoreSlot, Wiring};
use queue::SourceQueue;

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
    /// Records before this offset only rebuild stores.
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
        Self {
            id: TaskId { subtopology: part.id, partition },
            nodes,
            wiring: wiring(topology),
            queues: queues.collect(),
            shared: shared(topology, part),
            changelogs: changelogs(topology, part),
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
        self.shared.stores.iter().map(|(name, slot)| (name.clone(), slot.store.reader())).collect()
    }

    /// Applies a record of a store's changelog topic.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn restore(&mut self, store: &StoreName, record: &LogRecord) -> Result<(), StoreError> {
        let missing = || StoreError::NotConnected { store: store.to_string(), kind: "state" };
        self.shared.stores.get_mut(store).ok_or_else(missing)?.store.restore(record)
    }

    /// Sets where a source begins. Records before `replay_until` only rebuild stores: their other effects are dropped.
    pub fn begin(&mut self, source: &TopicPartition, position: Offset, replay_until: Option<Offset>) {
        if let Some(queue) = self.queue(source) {
            queue.next_offset = Some(position);
            queue.replay_until = replay_until;
        }
    }

    /// Hands over records of a source, in offset order, and the newest end of the partition that is known.
    pub fn add(&mut self, source: &TopicPartition, records: impl IntoIterator<Item = LogRecord>) {
        if let Some(queue) = self.queue(source) {
            queue.records.extend(records);
        }
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
        for taken in 0..max {
            let Some(index) = self.next_queue() else { return Ok(Processed::Records(taken)) };
            if let Some(cause) = self.process_one(index)? {
                return Ok(Processed::Blocked { taken, cause });
            }
        }
        Ok(Processed::Records(max))
    }

    /// What processing asked for since the last call, to be applied in order.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.shared.effects)
    }

    /// The next offset of every source that moved since [`committed`](Self::committed). Commit them only after all
    /// effects taken so far are stored. Event logs are included, for lag tools only.
    pub fn offsets(&self) -> Vec<(TopicPartition, Offset)> {
        let moved = self.queues.iter().filter(|queue| queue.dirty);
        moved.filter_map(|queue| Some((queue.partition.clone(), queue.next_offset?))).collect()
    }

    /// The offsets of the last [`offsets`](Self::offsets) are committed.
    pub fn committed(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.dirty = false);
    }

    /// Whether every source has read what only rebuilds stores.
    pub fn is_restored(&self) -> bool {
        self.queues.iter().all(SourceQueue::is_restored)
    }

    /// The largest timestamp that was read.
    pub fn stream_time(&self) -> Timestamp {
        self.shared.stream_time
    }

    /// The verdict on a result of this task that the broker refused.
    pub fn default_verdict(&self) -> Verdict {
        self.shared.default_verdict
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
        let waits = |queue: &SourceQueue| queue.records.is_empty() && queue.may_receive(None);
        if self.queues.len() > 1 && self.queues.iter().any(waits) {
            return None;
        }
        let heads = self.queues.iter().enumerate().filter_map(|(index, queue)| Some((queue.head_time()?, index)));
        heads.min().map(|(_, index)| index)
    }

    /// Processes the head of one queue; a cause is returned when it must wait.
    fn process_one(&mut self, index: usize) -> Result<Option<String>, TaskFailure> {
        let Some(queue) = self.queues.get_mut(index) else { return Ok(None) };
        let Some(record) = queue.records.pop_front() else { return Ok(None) };
        let offset = record.offset;
        self.shared.replaying = queue.replay_until.is_some_and(|until| offset < until);
        let (source, node) = (queue.partition.clone(), queue.node);
        self.shared.begin(&source, record);
        let outcome = self.run(node);
        if self.shared.replaying {
            self.shared.effects.outputs.clear();
            self.shared.effects.changelog.clear();
        }
        match outcome {
            Ok(()) => {
                self.advance(index, offset);
                Ok(None)
            }
            Err((_, error)) if error.retriable => {
                self.put_back(index);
                Ok(Some(error.cause))
            }
            Err((node, error)) => {
                let (stage, cause) = (error.stage, error.cause);
                Err(TaskFailure { stage, node, source_partition: source, offset, cause })
            }
        }
    }

    fn advance(&mut self, index: usize, offset: Offset) {
        if let Some(queue) = self.queues.get_mut(index) {
            queue.next_offset = Some(offset + 1);
            queue.dirty = true;
        }
    }

    fn put_back(&mut self, index: usize) {
        let (_, record) = self.shared.source_record();
        let record = record.clone();
        if let Some(queue) = self.queues.get_mut(index) {
            queue.records.push_front(record);
        }
    }

    /// Runs the present record through the source node and all below.
    fn run(&mut self, source: usize) -> Result<(), (String, ProcessError)> {
        let name = self.wiring.get(source).map_or_else(String::new, |wiring| wiring.name.to_string());
        let Some(mut node) = self.nodes.get_mut(source).and_then(Option::take) else { return Ok(()) };
        let (nodes, wiring, shared) = (&mut self.nodes[..], &self.wiring[..], &mut self.shared);
        let mut cx = NodeContext { nodes, wiring, shared, node: source };
        let outcome = node.process(&mut cx, &mut Option::<()>::None);
        if let Some(slot) = self.nodes.get_mut(source) {
            *slot = Some(node);
        }
        let outcome = outcome.or_else(|error| self.shared.failed(&name, error));
        outcome.map_err(|error| (error.node.clone().unwrap_or(name), error))
    }
}

fn wiring(topology: &Topology) -> Vec<Wiring> {
    let wire = |node: &crate::topology::graph::NodeSpec| Wiring {
        name: node.name.clone(),
        children: node.children.clone(),
        clone_slot: node.clone_slot,
        stores: node.stores.clone(),
    };
    topology.nodes().iter().map(wire).collect()
}

fn shared(topology: &Topology, part: &SubTopology) -> Shared {
    let specs = part.stores.iter().filter_map(|name| topology.stores().get(name));
    let stores: HashMap<_, _> = specs
        .map(|spec| {
            let store: Box<dyn StateStore> = (spec.factory)();
            (spec.name.clone(), StoreSlot { store, logged: spec.changelog == Changelog::Topic })
        })
        .collect();
    let mut nodes = part.nodes.iter().filter_map(|&index| topology.nodes().get(index));
    let lenient = nodes.any(|node| node.dead_letters_by_default);
    let verdict = if lenient { Verdict::DeadLetter } else { Verdict::Fail };
    Shared::new(stores, topology.handlers().clone(), verdict, topology.dead_letter_topic().cloned())
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
