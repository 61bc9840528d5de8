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

mod caches;
mod calls;
mod choice;
mod current;
mod effects;
mod flight;
mod flush;
pub(crate) mod global;
pub(crate) mod graph;
mod held;
mod idle;
pub(crate) mod node;
mod note;
mod order;
pub(crate) mod pending;
mod progress;
pub(crate) mod punctuation;
mod queue;
mod resume;
mod run;
pub(crate) mod shared;
mod waits;
pub(crate) mod wiring;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(crate) use caches::{Cacher, Row};
pub(crate) use calls::Caller;
pub use calls::{Call, CallFuture, CallId, CallOutput};
pub(crate) use current::ORIGIN_HEADER;
pub use effects::{Counts, Effects, Tally};
pub use held::Held;
pub use idle::TaskIdle;
pub use punctuation::{Punctuation, PunctuationClock, Schedule};

use crate::failure::Verdict;
use crate::names::{Offset, Partition, StoreName, TopicName, TopicPartition};
use crate::record::LogRecord;
use crate::state::{Changelog, StateStore, StoreError, StoreSpec};
use crate::time::Timestamp;
use crate::topology::graph::NodeKind;
use crate::topology::{StartPolicy, SubTopology, Topology, changelog_topic};
use graph::Node;
use pending::Pending;
use queue::SourceQueue;
use shared::{Shared, StoreSlot};
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
    /// The offset after the last one that was processed, with every call that it made.
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
    /// The turns of changelogs that follow the results.
    order: BTreeMap<StoreName, usize>,
    default_verdict: Verdict,
    commits_at_rest: bool,
    turns: u64,
    idle: TaskIdle,
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
        Self::with_stores(topology, part, partition, partitions_of, |_| None)
    }

    /// As [`new`](Self::new), on stores that `engine` gives; those that it does not give are made as the topology says.
    pub fn with_stores(
        topology: &Topology,
        part: &SubTopology,
        partition: Partition,
        partitions_of: impl Fn(&TopicName) -> i32,
        engine: impl FnMut(&StoreSpec) -> Option<Box<dyn StateStore>>,
    ) -> Self {
        let mut nodes: Vec<Option<Box<dyn Node>>> = topology.nodes().iter().map(|_| None).collect();
        for &index in &part.nodes {
            if let (Some(slot), Some(spec)) = (nodes.get_mut(index), topology.nodes().get(index)) {
                *slot = Some((spec.make)());
            }
        }
        let sources = part.sources.iter().filter(|source| partition < partitions_of(&source.topic));
        let queues: Vec<_> = sources
            .map(|source| {
                let at = TopicPartition { topic: source.topic.clone(), partition };
                let tells = nodes.get(source.node).and_then(Option::as_ref).is_some_and(|node| node.tells());
                SourceQueue::new(at, source.start, source.node, tells)
            })
            .collect();
        let stores = stores(topology, part, engine);
        let wiring = wiring::wire(topology, part, &stores);
        let mut shared = Shared::new(stores, topology.handlers().clone(), topology.dead_letter_topic().cloned());
        shared.sizes = sinks(topology, part).map(|topic| (topic.clone(), partitions_of(topic))).collect();
        Self {
            id: TaskId { subtopology: part.id, partition },
            nodes,
            wiring,
            queues,
            shared,
            commits_at_rest: has_calls(topology, part) && keeps_state(topology, part),
            changelogs: changelogs(topology, part),
            order: order::order(topology, part),
            default_verdict: default_verdict(topology, part),
            turns: 0,
            idle: TaskIdle::default(),
            is_initialized: false,
        }
    }

    /// Waits like this for sources that are empty.
    #[must_use]
    pub fn idling(self, idle: TaskIdle) -> Self {
        Self { idle, ..self }
    }

    /// The task's name.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The source partitions.
    pub fn sources(&self) -> Vec<SourceStatus> {
        let status = |(index, queue): (usize, &SourceQueue)| SourceStatus {
            partition: queue.partition.clone(),
            start: queue.start,
            buffered: queue.records.len(),
            next_offset: self.position(index),
            replay_until: queue.replay_until,
            restored: queue.is_restored(),
            head_append_time: queue.head_append_time(),
        };
        self.queues.iter().enumerate().map(status).collect()
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

    /// What processing asked for since the last call, to be applied in order.
    pub fn take_effects(&mut self) -> Effects {
        let n_outputs = self.shared.effects.outputs.len();
        let mut effects = std::mem::replace(&mut self.shared.effects, Effects::with_room_for(n_outputs));
        if self.holds_changelog() {
            self.shared.effects.changelog = std::mem::take(&mut effects.changelog);
        }
        effects
    }

    /// Whether every source has read what only rebuilds stores.
    pub fn is_restored(&self) -> bool {
        self.queues.iter().all(SourceQueue::is_restored)
    }

    /// When a record that a handler made wait may be tried again; calls of [`process`](Self::process) before are in vain.
    pub fn waits_until(&self) -> Option<Timestamp> {
        let heads = self.queues.iter().filter_map(|queue| queue.waits.until());
        heads.chain(self.shared.schedules.waits_until()).chain(self.shared.caches.waits_until()).min()
    }

    /// The largest timestamp that was read.
    pub fn stream_time(&self) -> Timestamp {
        self.shared.stream_time
    }

    /// The verdict on a result of this task that the broker refused.
    pub fn default_verdict(&self) -> Verdict {
        self.default_verdict
    }
}

fn stores(
    topology: &Topology,
    part: &SubTopology,
    mut engine: impl FnMut(&StoreSpec) -> Option<Box<dyn StateStore>>,
) -> Vec<StoreSlot> {
    let specs = part.stores.iter().filter_map(|name| topology.stores().get(name));
    let open = specs.map(|spec| StoreSlot {
        name: spec.name.clone(),
        store: engine(spec).unwrap_or_else(|| (spec.factory)()),
        logged: spec.changelog == Changelog::Topic,
        pending: Pending::default(),
        handed_out: false,
        held_back: spec.is_cached.then(Default::default),
    });
    open.collect()
}

fn has_calls(topology: &Topology, part: &SubTopology) -> bool {
    part.nodes.iter().filter_map(|&index| topology.nodes().get(index)).any(|node| node.calls)
}

/// Whether a store outlives the process, here or in a topic.
fn keeps_state(topology: &Topology, part: &SubTopology) -> bool {
    let specs = part.stores.iter().filter_map(|name| topology.stores().get(name));
    specs.map(|spec| &spec.changelog).any(|changelog| *changelog != Changelog::None)
}

/// The topics that the part writes streams to.
fn sinks<'t>(topology: &'t Topology, part: &'t SubTopology) -> impl Iterator<Item = &'t TopicName> {
    let nodes = part.nodes.iter().filter_map(|&index| topology.nodes().get(index));
    nodes.flat_map(|node| match &node.kind {
        NodeKind::Sink(topic) => std::slice::from_ref(topic),
        NodeKind::Router(topics) => topics,
        NodeKind::Source(_) | NodeKind::Processor => &[],
    })
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
