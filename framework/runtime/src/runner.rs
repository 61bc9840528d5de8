//! A task at work on a worker: restore, poll, process, and what queries see of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, StoreName, TopicPartition};
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::record::LogRecord;
use nowfold_core::state::Changelog;
use nowfold_core::task::{Effects, Processed, SourceStatus, Task, TaskId, TaskIdle};
use nowfold_core::time::{Clock, Timestamp};
use nowfold_core::topology::{SourceTopic, StartPolicy, SubTopology, Topology};

use super::broker::{Broker, BrokerError, PartitionReader, Waker};
use super::budget::{Budget, Part, Share};
use super::calls::RunningCalls;
use super::error::RuntimeError;
use super::executor::CallExecutor;
use super::host;
use super::local::{LocalState, LocalStores, LogOrigin, World};
use super::membership::OffsetCommit;
use super::pace::Throttle;
use super::restore::{RestoreStall, Stuck};
use super::source::{BLOCKED_BACKOFF, LocalSource, Source};
use super::standby::{Held, StandbyCopy, Standbys};
use super::status::{Restored, TaskPhase, TaskStatus};
use super::topics::Topics;

/// What every task needs to be opened.
pub(crate) struct Surroundings {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) topology: Topology,
    pub(crate) topics: Topics,
    pub(crate) hub: Arc<StoreHub>,
    /// How long tasks wait for sources that are empty.
    pub(crate) idle: TaskIdle,
    pub(crate) clock: Arc<dyn Clock>,
    /// What this process keeps on its disk.
    pub(crate) local: Option<Arc<dyn LocalState>>,
    /// How long a restore may stand still before that is said.
    pub(crate) restore_stall_timeout: Duration,
    /// Copies of tasks that other processes own, where they are wanted.
    pub(crate) standbys: Option<Arc<Standbys>>,
    /// What runs calls, where the topology has any.
    pub(crate) executor: Option<Arc<dyn CallExecutor>>,
    /// How much memory may be held on its way.
    pub(crate) budget: Arc<Budget>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("broker", &self.broker).field("local", &self.local).finish_non_exhaustive()
    }
}

/// An open task.
#[derive(Debug)]
pub(crate) struct Runner {
    task: Task,
    /// The stores that lie on disk.
    local: Option<LocalStores>,
    /// Records read to rebuild them since they were last written.
    unwritten: usize,
    status: Arc<TaskStatus>,
    restore_stall_timeout: Duration,
    changelogs: Vec<ChangelogRestore>,
    sources: Vec<Source>,
    stores: Vec<OpenStore>,
    hub: Arc<StoreHub>,
    blocked_until: Option<Instant>,
    /// Why the head record last waited.
    blocked_by: String,
    buffer: Vec<LogRecord>,
    restore_total: u64,
    /// Of changelogs that are read to their ends.
    restored: Restored,
    /// Whether effects were taken since the last commit.
    has_effects: bool,
    /// How often it is said that a record waits.
    said: Throttle,
    calls: RunningCalls,
    budget: Arc<Budget>,
    reading: Share,
    cached: Share,
    /// How large the largest records of changelogs were.
    largest_restored: Option<usize>,
    /// No copy of the task is opened while it is open.
    _held: Option<Held>,
}

/// What a task is made of when it is opened.
struct Parts {
    task: Task,
    local: Option<LocalStores>,
    sources: Vec<Source>,
    changelogs: Vec<ChangelogRestore>,
}

/// A store's own changelog being read to the end that it had when the task was opened.
#[derive(Debug)]
struct ChangelogRestore {
    store: StoreName,
    reader: Box<dyn PartitionReader>,
    from: Offset,
    until: Offset,
    restored: Restored,
}

/// A published store partition.
#[derive(Debug)]
struct OpenStore {
    name: StoreName,
    progress: Arc<ProgressCell>,
    log_floor_slack: std::time::Duration,
    /// The source whose offsets are the store's position.
    source: usize,
}

impl Runner {
    /// Opens task `id`: its readers, its stores' restore, and its place among the published stores.
    pub(crate) fn open(
        around: &Surroundings,
        id: TaskId,
        status: Arc<TaskStatus>,
        waker: &Waker,
    ) -> Result<Self, RuntimeError> {
        let Some(part) = around.topology.subtopologies().get(id.subtopology) else {
            return Err(RuntimeError::Stopped { reason: format!("task {id} is not of this topology") });
        };
        let held = around.standbys.as_ref().map(|standbys| standbys.hold(id));
        let warm = around.standbys.as_ref().map(|standbys| open_warm(around, standbys, part, id, waker)).transpose()?;
        let parts = warm.flatten().map_or_else(|| open_cold(around, part, id, waker), Ok)?;
        Ok(Self::of(around, part, parts, (status, held), waker))
    }

    fn of(
        around: &Surroundings,
        part: &SubTopology,
        parts: Parts,
        (status, held): (Arc<TaskStatus>, Option<Held>),
        waker: &Waker,
    ) -> Self {
        let Parts { task, local, sources, changelogs } = parts;
        let stores = publish(around, part, &task, &sources);
        let restore_total = changelogs.iter().map(|log| u64::try_from(log.until - log.from).unwrap_or(0)).sum();
        let hub = around.hub.clone();
        status.complete(sources.iter().map(Source::completed).collect());
        Self {
            task,
            local,
            unwritten: 0,
            status,
            restore_stall_timeout: around.restore_stall_timeout,
            changelogs,
            sources,
            stores,
            hub,
            blocked_until: None,
            blocked_by: String::new(),
            buffer: Vec::new(),
            restore_total,
            restored: Restored::default(),
            has_effects: false,
            said: Throttle::new(Duration::from_secs(5)),
            calls: RunningCalls::new(around.executor.clone(), waker.clone()),
            budget: around.budget.clone(),
            reading: Share::new(around.budget.clone(), Part::Reading),
            cached: Share::new(around.budget.clone(), Part::Caches),
            largest_restored: None,
            _held: held,
        }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.task.id()
    }

    /// Whether all that the task holds follows from topics that are read whole at every start.
    pub(crate) fn only_keeps_event_logs(&self) -> bool {
        self.sources.iter().all(|source| source.start == StartPolicy::EventLog) && self.task.changelogs().is_empty()
    }

    /// Goes on under a new status.
    pub(crate) fn resumed(self, status: Arc<TaskStatus>) -> Self {
        status.complete(self.sources.iter().map(Source::completed).collect());
        Self { status, ..self }
    }

    /// Reads and processes one batch. Returns how many records moved.
    pub(crate) fn step(&mut self, now: Timestamp, batch: usize, broker: &dyn Broker) -> Result<usize, RuntimeError> {
        if !self.changelogs.is_empty() {
            let n = self.restore_changelogs(batch)?;
            self.unwritten += n;
            if self.unwritten >= UNWRITTEN || self.changelogs.is_empty() {
                self.write_restored(broker, now);
            }
            self.publish_progress(now);
            self.watch_restore(broker);
            return Ok(n);
        }
        let polled = self.poll(batch)?;
        let processed = self.process(now, batch)?;
        if self.only_tables_restore() {
            self.unwritten += processed;
            if self.unwritten >= UNWRITTEN {
                self.write_restored(broker, now);
            }
        }
        self.publish_progress(now);
        self.watch_restore(broker);
        Ok(polled + processed)
    }

    /// Says so when the restore stands still, and why.
    fn watch_restore(&self, broker: &dyn Broker) {
        let TaskPhase::Restoring { done, total } = self.status.phase() else {
            self.status.watch.lock().rest();
            return;
        };
        let waited = self.status.watch.lock().look(done, total, self.restore_stall_timeout);
        let Some((waited, stuck)) = waited.zip(self.stuck()) else { return };
        let cause = match self.blocked_until {
            Some(_) => format!("a record waits: {}. It is tried again until that works", self.blocked_by),
            None => stuck.cause(broker),
        };
        let place = Some((stuck.partition, stuck.position, stuck.until));
        self.status.watch.lock().found(RestoreStall { task: self.id(), place, waited, cause });
    }

    /// The broker did not answer; the step is tried again.
    pub(crate) fn stumbled(&self, error: &RuntimeError) {
        if matches!(self.status.phase(), TaskPhase::Opening | TaskPhase::Restoring { .. }) {
            self.status.stumbled(self.id(), &error.to_string(), self.restore_stall_timeout);
        }
    }

    /// The first log that is not read to where it must be.
    fn stuck(&self) -> Option<Stuck<'_>> {
        let changelog = self.changelogs.iter().find_map(|log| {
            let (topic, partition) = (self.changelog_topic(&log.store)?, self.id().partition);
            let partition = TopicPartition { topic, partition };
            let (reader, position, until) = (log.reader.as_ref(), log.reader.position(), log.until);
            Some(Stuck { partition, reader, position, until })
        });
        changelog.or_else(|| {
            let mut sources = self.sources.iter().zip(self.task.sources()).filter(|(_, status)| !status.restored);
            let (source, status) = sources.next()?;
            let (position, until) = (status.next_offset?, status.replay_until?);
            Some(Stuck { partition: source.partition.clone(), reader: source.reader(), position, until })
        })
    }

    /// Whether all that is processed now is rows of tables from before the committed offsets. Rows with effects come when
    /// every source is restored; event logs have some before.
    fn only_tables_restore(&self) -> bool {
        !self.task.is_restored() && self.sources.iter().all(|source| source.start != StartPolicy::EventLog)
    }

    /// Puts on disk what stores were rebuilt from: all of it is committed already, and it shall not gather in memory.
    fn write_restored(&mut self, broker: &dyn Broker, now: Timestamp) {
        self.unwritten = 0;
        let Some(local) = &mut self.local else { return };
        for log in &self.changelogs {
            local.restored_to(&log.store, log.reader.position());
        }
        local.commit(broker, now, positions(&self.task));
    }

    fn restore_changelogs(&mut self, batch: usize) -> Result<usize, RuntimeError> {
        let mut moved = 0;
        for log in &mut self.changelogs {
            let room = self.budget.room_for(batch, 0, self.largest_restored);
            let n = log.reader.poll(room, &mut self.buffer)?;
            self.largest_restored = self.buffer.iter().map(LogRecord::memory_bytes).max().max(self.largest_restored);
            moved += n;
            log.restored.count(false, n);
            for record in self.buffer.drain(..).filter(|record| record.offset < log.until) {
                self.task.restore(&log.store, &record)?;
            }
        }
        for log in self.changelogs.extract_if(.., |log| log.reader.position() >= log.until) {
            self.restored = self.restored.plus(log.restored);
            if let Some(local) = &mut self.local {
                local.restored_to(&log.store, log.until);
            }
        }
        Ok(moved)
    }

    fn poll(&mut self, batch: usize) -> Result<usize, RuntimeError> {
        let statuses = self.task.sources();
        let mut moved = 0;
        for (source, status) in self.sources.iter_mut().zip(&statuses) {
            moved += source.poll(&mut self.task, status, (batch, &self.budget), &mut self.buffer)?;
            self.reading.set(self.task.held().waiting);
        }
        Ok(moved)
    }

    /// Tells the budget what the task holds.
    fn account(&mut self) {
        let held = self.task.held();
        self.reading.set(held.waiting);
        self.cached.set(held.cached);
    }

    /// Whether record caches hold rows back.
    pub(crate) fn holds_rows(&self) -> bool {
        self.cached.held() > 0
    }

    fn process(&mut self, now: Timestamp, batch: usize) -> Result<usize, RuntimeError> {
        if self.blocked_until.is_some_and(|until| host::now() < until) {
            return Ok(0);
        }
        self.blocked_until = None;
        self.calls.deliver(&mut self.task);
        let processed = self.task.process(now, batch)?;
        self.account();
        match processed {
            Processed::Records(n) => Ok(n),
            Processed::Blocked { taken, cause } => {
                if self.said.is_due() {
                    tracing::warn!(task = %self.task.id(), cause, "a record waits");
                }
                self.blocked_until = Some(host::now() + self.wait_from(now));
                self.blocked_by = cause;
                Ok(taken)
            }
        }
    }

    /// How long to leave a blocked task alone: until the time that a handler named, and at most as long as others wait, so
    /// that its punctuations go on.
    fn wait_from(&self, now: Timestamp) -> Duration {
        let named = self.task.waits_until().map(|until| until.millis_since(now).max(1));
        let named = named.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        named.map_or(BLOCKED_BACKOFF, |named| named.min(BLOCKED_BACKOFF))
    }

    /// How long the task waits at most for sources that are empty.
    pub(crate) fn waits_for(&self, now: Timestamp) -> Option<Duration> {
        let ms = self.task.idles_until()?.millis_since(now);
        Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1)))
    }

    /// Processes one batch of what is buffered, without reading more.
    pub(crate) fn drain(&mut self, now: Timestamp, batch: usize) -> Result<usize, RuntimeError> {
        self.process(now, batch)
    }

    pub(crate) fn take_effects(&mut self) -> Effects {
        let mut effects = self.task.take_effects();
        self.has_effects |= !effects.is_empty();
        if let Some(local) = &mut self.local {
            effects.changelog.iter().for_each(|write| local.wrote(&write.store));
        }
        self.calls.start(std::mem::take(&mut effects.calls));
        self.calls.cancel(&effects.cancelled);
        effects
    }

    /// Sends out what record caches hold back, so that the effects and offsets to come may be committed.
    pub(crate) fn prepare_commit(&mut self, now: Timestamp) -> Result<(), RuntimeError> {
        let is_blocked = self.blocked_until.is_some_and(|until| host::now() < until);
        if is_blocked || !self.changelogs.is_empty() {
            return Ok(());
        }
        let blocked = self.task.prepare_commit(now)?;
        self.account();
        if let Some(cause) = blocked {
            tracing::debug!(task = %self.task.id(), cause, "a row of a record cache waits");
            self.blocked_until = Some(host::now() + self.wait_from(now));
        }
        Ok(())
    }

    /// Whether no record waits for a call, and no row in a record cache.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.task.is_at_rest()
    }

    /// Whether the task's commits wait until it is at rest.
    pub(crate) fn rests(&self, exactly_once: bool) -> bool {
        exactly_once || self.task.commits_at_rest()
    }

    /// What the coordinator sees of the task.
    pub(crate) fn status(&self) -> Arc<TaskStatus> {
        self.status.clone()
    }

    /// Whether the task has done something since the last commit that an abort undoes. What only keeps an event log has
    /// not, as long as it wrote nothing: its events are read again, and count once.
    pub(crate) fn has_uncommitted_effects(&self) -> bool {
        self.has_effects || !(self.only_keeps_event_logs() || self.task.offsets().is_empty())
    }

    pub(crate) fn offsets(&self) -> Vec<OffsetCommit> {
        self.with_note(self.task.offsets())
    }

    /// The offsets of all sources, moved or not.
    pub(crate) fn positions(&self) -> Vec<OffsetCommit> {
        self.with_note(self.task.positions())
    }

    fn with_note(&self, offsets: Vec<(TopicPartition, Offset)>) -> Vec<OffsetCommit> {
        let note = self.task.note();
        let commit = |(partition, offset)| OffsetCommit { partition, offset, metadata: note.clone() };
        offsets.into_iter().map(commit).collect()
    }

    /// All that was processed is committed on the broker.
    pub(crate) fn committed(&mut self, around: &Surroundings) {
        if self.task.holds_commits() {
            // Its stores are ahead of what it gave out.
            return;
        }
        let broker = around.broker.as_ref();
        self.task.committed();
        self.has_effects = false;
        for (source, status) in self.sources.iter_mut().zip(self.task.sources()) {
            source.committed(&status, broker);
        }
        if let Some(local) = &mut self.local {
            local.commit(broker, around.clock.now(), positions(&self.task));
        }
        self.status.complete(self.sources.iter().map(Source::completed).collect());
    }

    /// Up to where the internal topics among the sources are done with, as committed.
    pub(crate) fn done_with(&self) -> impl Iterator<Item = (TopicPartition, Offset)> {
        self.sources.iter().filter_map(Source::done_with)
    }

    /// The topic of a store's changelog.
    pub(crate) fn changelog_topic(&self, store: &StoreName) -> Option<nowfold_core::names::TopicName> {
        self.task.changelogs().iter().find(|(name, _)| name == store).map(|(_, topic)| topic.clone())
    }

    /// When that changelog gets its writes at-least-once: 0 is with the results.
    pub(crate) fn changelog_turn(&self, store: &StoreName) -> usize {
        self.task.changelog_turn(store)
    }

    pub(crate) fn default_verdict(&self) -> nowfold_core::failure::Verdict {
        self.task.default_verdict()
    }

    /// Withdraws the task's stores from queries.
    pub(crate) fn close(self) {
        let partition = self.task.id().partition;
        self.stores.iter().for_each(|store| self.hub.close(&store.name, partition));
    }

    fn publish_progress(&mut self, now: Timestamp) {
        let statuses = self.task.sources();
        let lags: Vec<_> =
            self.sources.iter_mut().zip(&statuses).map(|(source, status)| source.lag(status, now)).collect();
        self.status.lag.update(|progress| {
            progress.lag = lags.iter().copied().fold(Lag::None, worse);
            progress.known_at = now.minus(self.sources.iter().map(Source::known_age).max().unwrap_or_default());
        });
        self.status.set(self.phase(&statuses, &lags, now));
        *self.status.restored.lock() = self.restored_records();
        let rate = self.status.watch.lock().per_second();
        for store in &self.stores {
            let (Some(source), Some(status)) = (self.sources.get(store.source), statuses.get(store.source)) else {
                continue;
            };
            let lag = lags.get(store.source).copied().unwrap_or(Lag::Unknown);
            store.publish(source, status, lag, now, self.changelogs.is_empty(), rate);
        }
    }

    fn restored_records(&self) -> Restored {
        let sources = self.sources.iter().map(|source| source.restored_records);
        sources.chain(self.changelogs.iter().map(|log| log.restored)).fold(self.restored, Restored::plus)
    }

    fn phase(&self, statuses: &[SourceStatus], lags: &[Lag], now: Timestamp) -> TaskPhase {
        let both = || self.sources.iter().zip(statuses);
        if !self.changelogs.is_empty() || !self.task.is_restored() {
            let left: u64 =
                self.changelogs.iter().map(|log| u64::try_from(log.until - log.reader.position()).unwrap_or(0)).sum();
            let (done, total) =
                both().map(|(source, status)| source.restored(status)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            return TaskPhase::Restoring { done: done + self.restore_total - left, total: total + self.restore_total };
        }
        let remaining: u64 = self.sources.iter().map(Source::backlog).sum();
        if self.status.is_settled() || (remaining == 0 && lags.iter().all(|lag| is_fresh(*lag, now))) {
            return TaskPhase::Running;
        }
        TaskPhase::CatchingUp { remaining }
    }
}

impl OpenStore {
    fn publish(
        &self,
        source: &Source,
        status: &SourceStatus,
        lag: Lag,
        now: Timestamp,
        changelog_done: bool,
        restore_rate: Option<u64>,
    ) {
        let (done, total) = source.restored(status);
        self.progress.update(|progress| {
            let restored = changelog_done && status.restored;
            progress.readiness = if restored { Readiness::Running } else { Readiness::Restoring { done, total } };
            progress.restore_rate = restore_rate.filter(|_| !restored);
            progress.applied = status.next_offset.map(|next| next - 1).filter(|offset| *offset >= 0);
            progress.lag = lag;
            progress.known_at = now.minus(source.known_age());
            if source.start == StartPolicy::EventLog
                && let Some(first) = source.log_start
            {
                progress.log_floor = first.plus(self.log_floor_slack);
            }
        });
    }
}

/// Whether a task with this lag counts as up to date.
fn is_fresh(lag: Lag, now: Timestamp) -> bool {
    match lag {
        Lag::Unknown => false,
        Lag::None => true,
        Lag::Since(appended) => now.millis_since(appended) < 1_000,
    }
}

fn worse(a: Lag, b: Lag) -> Lag {
    match (a, b) {
        (Lag::Unknown, _) | (_, Lag::Unknown) => Lag::Unknown,
        (Lag::Since(a), Lag::Since(b)) => Lag::Since(a.min(b)),
        (Lag::Since(a), Lag::None) | (Lag::None, Lag::Since(a)) => Lag::Since(a),
        (Lag::None, Lag::None) => Lag::None,
    }
}

/// How many records that rebuild stores on disk may wait to be written there.
const UNWRITTEN: usize = 50_000;

/// The next offset of every source: what is committed of those with effects, and how far the others were read.
pub(crate) fn positions(task: &Task) -> Vec<(TopicPartition, Offset)> {
    let committed = task.positions();
    let of = |source: SourceStatus| {
        let found = committed.iter().find(|(partition, _)| *partition == source.partition).map(|(_, next)| *next);
        Some((source.partition, found.or(source.next_offset)?))
    };
    task.sources().into_iter().filter_map(of).collect()
}

/// Opens a task from this process's disk and from its topics.
fn open_cold(around: &Surroundings, part: &SubTopology, id: TaskId, waker: &Waker) -> Result<Parts, RuntimeError> {
    let mut local = open_local(around, part, id)?;
    let partitions_of = |topic: &_| around.topics.partitions(topic);
    let task = Task::with_stores(&around.topology, part, id.partition, partitions_of, |spec| {
        local.as_mut().and_then(|local| local.take(spec))
    });
    let mut task = task.idling(around.idle);
    // First the committed offsets, which are given out only when no transaction is about to change them, and then the
    // changelogs' ends: what those offsets stand for lies before them.
    let sources = open_sources(around, part, local.as_ref(), &mut task, waker)?;
    let changelogs = open_changelogs(around.broker.as_ref(), &task, local.as_mut(), waker)?;
    Ok(Parts { task, local, sources, changelogs })
}

/// Opens a task from the copy that this process has kept of it, if there is one that is of use.
fn open_warm(
    around: &Surroundings,
    standbys: &Standbys,
    part: &SubTopology,
    id: TaskId,
    waker: &Waker,
) -> Result<Option<Parts>, RuntimeError> {
    let Some(mut copy) = standbys.take(id) else { return Ok(None) };
    match take_over(around, part, &mut copy, waker) {
        Ok(Some((sources, ends))) => {
            copy.relay.turn_to(waker);
            tracing::info!(task = %id, lag = copy.status().lag, "a standby takes over");
            metrics::counter!("nowfold_standbys_promoted_total").increment(1);
            Ok(Some(promoted(*copy, sources, &ends)))
        }
        Ok(None) => {
            tracing::warn!(task = %id, "a standby is of no use, since its logs do not hold its position any more");
            Ok(None)
        }
        Err(error) => {
            standbys.keep(copy);
            Err(error)
        }
    }
}

/// What the broker has to say before a copy becomes the task: the sources that were not followed, and the ends of the
/// changelogs. In the order of [`open_cold`], for the same reason.
#[expect(clippy::type_complexity, reason = "two lists, taken apart at once")]
fn take_over(
    around: &Surroundings,
    part: &SubTopology,
    copy: &mut StandbyCopy,
    waker: &Waker,
) -> Result<Option<(Vec<Source>, Vec<Offset>)>, RuntimeError> {
    let broker = around.broker.as_ref();
    let mut opened = Vec::new();
    if copy.sources.is_empty() {
        opened = open_sources(around, part, copy.local.as_ref(), &mut copy.task, waker)?;
    }
    for source in &mut copy.sources {
        if !source.take_over(broker, &mut copy.task)? {
            return Ok(None);
        }
    }
    let mut ends = Vec::new();
    for log in &copy.changelogs {
        let (low, end) = (broker.watermarks(&log.partition)?.low, broker.log_end(&log.partition)?);
        if !(low..=end).contains(&log.reader.position()) {
            return Ok(None);
        }
        ends.push(end);
    }
    Ok(Some((opened, ends)))
}

/// The copy as a task that has its changelogs' tails to read.
fn promoted(copy: StandbyCopy, opened: Vec<Source>, ends: &[Offset]) -> Parts {
    let StandbyCopy { task, mut local, changelogs, mut sources, .. } = copy;
    sources.extend(opened);
    let mut tails = Vec::new();
    for (log, until) in changelogs.into_iter().zip(ends.iter().copied()) {
        let (from, restored) = (log.reader.position(), Restored::default());
        if from < until {
            tails.push(ChangelogRestore { store: log.store, reader: log.reader, from, until, restored });
        } else if let Some(local) = &mut local {
            local.restored_to(&log.store, from);
        }
    }
    Parts { task, local, sources, changelogs: tails }
}

pub(crate) fn open_local(
    around: &Surroundings,
    part: &SubTopology,
    id: TaskId,
) -> Result<Option<LocalStores>, RuntimeError> {
    let Some(local) = &around.local else { return Ok(None) };
    let world = World {
        broker: around.broker.as_ref(),
        topology: &around.topology,
        topics: &around.topics,
        now: around.clock.now(),
    };
    LocalStores::open(local.as_ref(), world, part, id)
}

fn open_changelogs(
    broker: &dyn Broker,
    task: &Task,
    mut local: Option<&mut LocalStores>,
    waker: &Waker,
) -> Result<Vec<ChangelogRestore>, BrokerError> {
    let mut open = Vec::new();
    for (store, topic) in task.changelogs() {
        let partition = TopicPartition { topic: topic.clone(), partition: task.id().partition };
        // Up to the very end: a transaction that is decided but not yet marked so is waited for.
        let (low, until) = (broker.watermarks(&partition)?.low, broker.log_end(&partition)?);
        let from = local.as_ref().and_then(|local| local.changelog(store)).unwrap_or(low);
        if from < until {
            let reader = broker.reader(&partition, from, waker.clone())?;
            open.push(ChangelogRestore { store: store.clone(), reader, from, until, restored: Restored::default() });
        } else if let Some(local) = &mut local {
            local.restored_to(store, from);
        }
    }
    Ok(open)
}

/// Opens the sources in the order of `Task::sources`.
fn open_sources(
    around: &Surroundings,
    part: &SubTopology,
    stores: Option<&LocalStores>,
    task: &mut Task,
    waker: &Waker,
) -> Result<Vec<Source>, RuntimeError> {
    let here = task.id().partition;
    let mut open = Vec::new();
    for topic in part.sources.iter().filter(|source| here < around.topics.partitions(&source.topic)) {
        let local = local_source(around, part, topic, stores, task.id())?;
        open.push(Source::open(&around.broker, around.topology.app(), topic, local, task, waker.clone())?);
    }
    Ok(open)
}

/// What this process's disk has of a source: a copy of an event log, or where the stores on disk are in it.
pub(crate) fn local_source(
    around: &Surroundings,
    part: &SubTopology,
    source: &SourceTopic,
    stores: Option<&LocalStores>,
    id: TaskId,
) -> Result<LocalSource, RuntimeError> {
    let partition = TopicPartition { topic: source.topic.clone(), partition: id.partition };
    if source.start == StartPolicy::EventLog {
        let origin = LogOrigin { log_id: around.broker.log_id()?, partition };
        let log = around.local.as_ref().map(|local| local.log(id, &origin)).transpose()?;
        return Ok(LocalSource { log, position: None });
    }
    // A table in memory needs all of its topic, even if another one of it lies on disk.
    let table = Changelog::Table(source.topic.clone());
    let tables = part.stores.iter().filter_map(|name| around.topology.stores().get(name));
    let mut tables = tables.filter(|spec| spec.changelog == table);
    let all_kept = tables.all(|spec| stores.is_some_and(|stores| stores.keeps(&spec.name)));
    Ok(LocalSource { log: None, position: stores.filter(|_| all_kept).and_then(|stores| stores.source(&partition)) })
}

fn publish(around: &Surroundings, part: &SubTopology, task: &Task, sources: &[Source]) -> Vec<OpenStore> {
    let readers = task.readers().into_iter();
    readers
        .filter_map(|(name, reader)| {
            let spec = around.topology.stores().get(&name)?;
            let topic = super::streams::store_topic(part, spec)?;
            let source = sources.iter().position(|source| source.partition.topic == topic)?;
            let progress = Arc::new(ProgressCell::restoring());
            let handle = PartitionHandle { reader, progress: progress.clone() };
            around.hub.open(&name, task.id().partition, &handle);
            Some(OpenStore { name, progress, log_floor_slack: spec.log_floor_slack, source })
        })
        .collect()
}
