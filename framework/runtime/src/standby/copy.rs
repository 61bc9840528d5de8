//! One copy: the stores of a task, and the logs that they are kept up to date from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, StoreName, TopicPartition};
use nowfold_core::query::{PartitionHandle, ProgressCell, StoreHub};
use nowfold_core::record::LogRecord;
use nowfold_core::state::Changelog;
use nowfold_core::task::{Processed, Task, TaskId};
use nowfold_core::time::Timestamp;
use nowfold_core::topology::{StartPolicy, SubTopology, Topology};

use super::super::broker::{Broker, PartitionReader, Waker};
use super::super::budget::Budget;
use super::super::error::RuntimeError;
use super::super::host;
use super::super::local::LocalStores;
use super::super::runner::{Surroundings, local_source, open_local, positions};
use super::super::source::{BLOCKED_BACKOFF, Source};
use super::super::streams::store_topic;
use super::{Relay, StandbyStatus};

/// How many records, and how long, what is read may wait to be written to the disk.
const UNWRITTEN: usize = 50_000;
const UNWRITTEN_FOR: Duration = Duration::from_secs(5);

/// A store's changelog that is followed.
#[derive(Debug)]
pub(crate) struct FollowedLog {
    pub(crate) store: StoreName,
    pub(crate) partition: TopicPartition,
    pub(crate) reader: Box<dyn PartitionReader>,
}

/// A warm copy of a task's stores.
#[derive(Debug)]
pub(crate) struct StandbyCopy {
    pub(crate) task: Task,
    pub(crate) local: Option<LocalStores>,
    pub(crate) changelogs: Vec<FollowedLog>,
    /// Event logs.
    pub(crate) sources: Vec<Source>,
    pub(crate) relay: Relay,
    /// Stores that questions may be put to.
    stores: Vec<(StoreName, Arc<ProgressCell>)>,
    unwritten: usize,
    written_at: Instant,
    blocked_until: Option<Instant>,
    buffer: Vec<LogRecord>,
}

/// Whether a copy of a task of this part would save its next owner something: it has changelogs, or reads event logs
/// only. (Stores below an event log that have changelogs as well are rebuilt from both in an order that a copy, which
/// reads both at once, would not keep.)
pub(crate) fn can_be_copied(topology: &Topology, part: &SubTopology) -> bool {
    let reads_logs = part.sources.iter().any(|source| source.start == StartPolicy::EventLog);
    let only_logs = part.sources.iter().all(|source| source.start == StartPolicy::EventLog);
    let specs = part.stores.iter().filter_map(|name| topology.stores().get(name));
    let has_changelogs = specs.map(|spec| &spec.changelog).any(|changelog| *changelog == Changelog::Topic);
    if reads_logs { only_logs && !has_changelogs && !part.stores.is_empty() } else { has_changelogs }
}

impl StandbyCopy {
    /// Begins a copy: with what this process's disk has of it, else with nothing.
    pub(crate) fn open(around: &Surroundings, id: TaskId, wake: Waker) -> Result<Self, RuntimeError> {
        let Some(part) = around.topology.subtopologies().get(id.subtopology) else {
            return Err(RuntimeError::Stopped { reason: format!("task {id} is not of this topology") });
        };
        let mut local = open_local(around, part, id)?;
        let partitions_of = |topic: &_| around.topics.partitions(topic);
        let task = Task::with_stores(&around.topology, part, id.partition, partitions_of, |spec| {
            local.as_mut().and_then(|local| local.take(spec))
        });
        let task = task.idling(around.idle);
        let mut copy = Self::of(task, local, Relay::new(wake));
        copy.open_event_logs(around, part)?;
        let low = |partition: &TopicPartition| around.broker.watermarks(partition).map(|log| log.low);
        for partition in copy.changelog_partitions() {
            let from = copy.local.as_ref().and_then(|local| local.changelog(&partition.0));
            let from = from.map_or_else(|| low(&partition.1), Ok)?;
            copy.follow(around.broker.as_ref(), partition, from)?;
        }
        copy.begin_tables(around, part)?;
        Ok(copy)
    }

    fn of(task: Task, local: Option<LocalStores>, relay: Relay) -> Self {
        let (changelogs, sources, buffer) = (Vec::new(), Vec::new(), Vec::new());
        let written_at = host::now();
        let (stores, unwritten, blocked_until) = (Vec::new(), 0, None);
        Self { task, local, changelogs, sources, relay, stores, unwritten, written_at, blocked_until, buffer }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.task.id()
    }

    fn open_event_logs(&mut self, around: &Surroundings, part: &SubTopology) -> Result<(), RuntimeError> {
        let id = self.id();
        let here = |topic: &_| id.partition < around.topics.partitions(topic);
        let logs = part.sources.iter().filter(|source| source.start == StartPolicy::EventLog && here(&source.topic));
        for topic in logs {
            let local = local_source(around, part, topic, None, id)?;
            let (app, waker) = (around.topology.app(), self.relay.waker());
            let mut source = Source::open(&around.broker, app, topic, local, &mut self.task, waker)?;
            source.follow(&mut self.task);
            self.sources.push(source);
        }
        Ok(())
    }

    /// Each store with a changelog, with the partition of it.
    fn changelog_partitions(&self) -> Vec<(StoreName, TopicPartition)> {
        let number = self.id().partition;
        let at = |(store, topic): &(StoreName, _)| {
            (store.clone(), TopicPartition { topic: Clone::clone(topic), partition: number })
        };
        self.task.changelogs().iter().map(at).collect()
    }

    fn follow(
        &mut self,
        broker: &dyn Broker,
        (store, partition): (StoreName, TopicPartition),
        from: Offset,
    ) -> Result<(), RuntimeError> {
        let reader = broker.reader(&partition, from, self.relay.waker())?;
        self.changelogs.push(FollowedLog { store, partition, reader });
        Ok(())
    }

    /// Tables are not followed, but an epoch on the disk says how far each is.
    fn begin_tables(&mut self, around: &Surroundings, part: &SubTopology) -> Result<(), RuntimeError> {
        let Some(local) = &self.local else { return Ok(()) };
        let number = self.task.id().partition;
        let here = |topic: &_| number < around.topics.partitions(topic);
        for source in part.sources.iter().filter(|source| source.start == StartPolicy::Table && here(&source.topic)) {
            let partition = TopicPartition { topic: source.topic.clone(), partition: number };
            let low = || around.broker.watermarks(&partition).map(|log| log.low);
            let position = local.source(&partition).map_or_else(low, Ok)?;
            self.task.begin(&partition, position, None);
        }
        Ok(())
    }

    /// Reads one batch of each log. Returns how many records came.
    pub(crate) fn step(&mut self, around: &Surroundings, now: Timestamp, batch: usize) -> Result<usize, RuntimeError> {
        let broker = around.broker.as_ref();
        let mut moved = 0;
        for log in &mut self.changelogs {
            moved += log.reader.poll(batch, &mut self.buffer)?;
            for record in self.buffer.drain(..) {
                self.task.restore(&log.store, &record)?;
            }
        }
        moved += self.step_sources(&around.budget, now, batch)?;
        self.unwritten += moved;
        let is_due = self.unwritten > 0 && host::since(self.written_at) >= UNWRITTEN_FOR;
        if is_due || self.unwritten >= UNWRITTEN {
            self.write(broker, now);
        }
        Ok(moved)
    }

    fn step_sources(&mut self, budget: &Budget, now: Timestamp, batch: usize) -> Result<usize, RuntimeError> {
        let (statuses, mut moved) = (self.task.sources(), 0);
        for source in &mut self.sources {
            let Some(status) = statuses.iter().find(|status| status.partition == source.partition) else { continue };
            moved += source.poll(&mut self.task, status, (batch, budget), &mut self.buffer)?;
        }
        if self.sources.is_empty() || self.blocked_until.is_some_and(|until| host::now() < until) {
            return Ok(moved);
        }
        self.blocked_until = None;
        if let Processed::Blocked { .. } = self.task.process(now, batch)? {
            self.blocked_until = Some(host::now() + BLOCKED_BACKOFF);
        }
        // What records lead to is the owner's to write.
        let _ = self.task.take_effects();
        Ok(moved)
    }

    /// Publishes what event logs make, for questions that a copy may answer.
    pub(crate) fn publish(&mut self, hub: &StoreHub) {
        if self.sources.is_empty() || !self.stores.is_empty() {
            return;
        }
        for (name, reader) in self.task.readers() {
            let progress = Arc::new(ProgressCell::restoring());
            hub.open_standby(&name, self.id().partition, &PartitionHandle { reader, progress: progress.clone() });
            self.stores.push((name, progress));
        }
    }

    /// Withdraws it.
    pub(crate) fn withdraw(&mut self, hub: &StoreHub) {
        let partition = self.id().partition;
        self.stores.drain(..).for_each(|(name, _)| hub.close_standby(&name, partition));
    }

    /// Tells questions how far each store is.
    pub(crate) fn publish_progress(&mut self, topology: &Topology, now: Timestamp) {
        let (statuses, id) = (self.task.sources(), self.id());
        for (name, progress) in &self.stores {
            let part = topology.subtopologies().get(id.subtopology);
            let spec = part.zip(topology.stores().get(name));
            let topic = spec.and_then(|(part, spec)| store_topic(part, spec));
            let source = self.sources.iter_mut().find(|source| topic.as_ref() == Some(&source.partition.topic));
            let Some((source, (_, spec))) = source.zip(spec) else { continue };
            let Some(status) = statuses.iter().find(|status| status.partition == source.partition) else { continue };
            let (lag, end) = (source.lag(status, now), source.reader().known_end());
            progress.update(|progress| {
                progress.applied = status.next_offset.map(|next| next - 1).filter(|offset| *offset >= 0);
                progress.lag = lag;
                progress.lag_records =
                    end.zip(status.next_offset).map(|(end, next)| u64::try_from(end - next).unwrap_or(0));
                progress.known_at = now.minus(source.known_age());
                if let Some(first) = source.log_start {
                    progress.log_floor = first.plus(spec.log_floor_slack);
                }
            });
        }
    }

    /// Puts on disk what was read: all of it is committed.
    fn write(&mut self, broker: &dyn Broker, now: Timestamp) {
        (self.unwritten, self.written_at) = (0, host::now());
        self.sources.iter().for_each(|source| source.flush(broker));
        let Some(local) = &mut self.local else { return };
        for log in &self.changelogs {
            local.restored_to(&log.store, log.reader.position());
        }
        local.commit(broker, now, positions(&self.task));
    }

    /// How far it is.
    pub(crate) fn status(&self) -> StandbyStatus {
        let next = self.task.sources().into_iter();
        let of = |source: &Source| {
            let next = next.clone().find(|status| status.partition == source.partition)?.next_offset?;
            Some((source.partition.to_string(), next, source.reader().known_end()))
        };
        let sources = self.sources.iter().filter_map(of);
        let log = |log: &FollowedLog| (log.partition.to_string(), log.reader.position(), log.reader.known_end());
        let places: Vec<_> = sources.chain(self.changelogs.iter().map(log)).collect();
        let lag = |(_, next, end): &(_, Offset, Option<Offset>)| u64::try_from((*end)? - next).ok().or(Some(0));
        let lag = places.iter().map(lag).sum::<Option<u64>>();
        let position: BTreeMap<_, _> = places.into_iter().map(|(at, next, _)| (at, next)).collect();
        StandbyStatus { task: self.id(), lag, position }
    }
}
