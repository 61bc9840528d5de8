//! The coordinator: keeps membership, turns assigned partitions into tasks, commits offsets, and watches over the whole.
//!
//! Ownership is the set of tasks here. It shrinks only between a `Revoked` or `Lost` event and `release`, so no offset
//! of a task is ever committed after the task has gone to another member.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_core::task::TaskId;
use nowfold_core::topology::StartPolicy;

use super::broker::BrokerError;
use super::error::RuntimeError;
use super::host;
use super::mailbox::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use super::membership::{Membership, MembershipEvent, OffsetCommit};
use super::pace::Throttle;
use super::restore::RestoreStatus;
use super::runner::Surroundings;
use super::signal::Signal;
use super::state::{AppState, StateCell};
use super::status::{TaskStatus, TaskTable};
use super::streams::CloseReport;
use super::worker::{Command, Commit, Grant, Report, StopTimes, caught};

/// How long the coordinator waits for membership events before it looks at the workers' reports.
const TURN: Duration = Duration::from_millis(5);

/// How long to wait before a release is tried again.
const RELEASE_AGAIN: Duration = Duration::from_millis(200);

/// How long to wait before the last offsets of tasks are committed again.
const COMMIT_AGAIN: Duration = Duration::from_millis(20);

/// How long a worker may take beyond a hand-over's deadline to say that it is done.
const GRACE: Duration = Duration::from_millis(500);

/// How long the coordinator waits in a hand-over before it looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(50);

/// How often it is said how restores go.
const SAYING: Duration = Duration::from_secs(5);

/// How long a failing application waits for its workers to end.
const FAILING: Duration = Duration::from_secs(2);

/// A worker as the coordinator knows it.
pub(crate) struct WorkerHandle {
    pub(crate) commands: Sender<Command>,
    pub(crate) signal: Arc<Signal>,
    pub(crate) thread: host::Thread,
}

/// The process's part in its group.
pub(crate) struct Group {
    pub(crate) membership: Box<dyn Membership>,
    /// Sub-topology by its representative topic.
    pub(crate) parts: BTreeMap<TopicName, usize>,
    /// How long a hand-over may take.
    pub(crate) handover_timeout: Duration,
}

pub(crate) struct Coordinator {
    around: Arc<Surroundings>,
    membership: Box<dyn Membership>,
    workers: Vec<WorkerHandle>,
    reports: Receiver<Report>,
    tasks: Arc<TaskTable>,
    state: Arc<StateCell>,
    stop: Receiver<(Instant, Sender<CloseReport>)>,
    /// Sub-topology by its representative topic.
    parts: BTreeMap<TopicName, usize>,
    /// Which worker owns a task.
    owners: BTreeMap<TaskId, usize>,
    /// The worker that had a lost task: it may still hold it, so it gets it again, after its drop.
    dropped: BTreeMap<TaskId, usize>,
    /// Counts the losses. What a worker wants to commit from before the last one is refused.
    epoch: u64,
    /// When to try again to let go of partitions that the broker did not take.
    release_at: Option<Instant>,
    assigned: bool,
    /// A stop that was asked for while tasks were handed over.
    stopping: Option<(Instant, Sender<CloseReport>)>,
    /// Counts the hand-overs.
    handovers: u64,
    /// How long one may take.
    handover_timeout: Duration,
    /// Transactions that workers are committing: each ends when its worker is done.
    grants: Vec<Receiver<()>>,
    /// Restores that stand still.
    n_stalled: usize,
    /// How often it is said how restores go.
    restore_said: Throttle,
}

impl Coordinator {
    /// A coordinator that owns nothing yet.
    pub(crate) fn new(
        around: Arc<Surroundings>,
        group: Group,
        (workers, reports): (Vec<WorkerHandle>, Receiver<Report>),
        (tasks, state): (Arc<TaskTable>, Arc<StateCell>),
        stop: Receiver<(Instant, Sender<CloseReport>)>,
    ) -> Self {
        let Group { membership, parts, handover_timeout } = group;
        Self {
            around,
            membership,
            workers,
            reports,
            tasks,
            state,
            stop,
            parts,
            owners: BTreeMap::new(),
            dropped: BTreeMap::new(),
            epoch: 0,
            release_at: None,
            assigned: false,
            stopping: None,
            handovers: 0,
            handover_timeout,
            grants: Vec::new(),
            n_stalled: 0,
            restore_said: Throttle::new(SAYING),
        }
    }

    /// The thread's body.
    pub(crate) fn run(mut self) {
        let outcome = caught("the coordinator", || self.turn_until_stopped());
        match outcome {
            Ok((deadline, reply)) => {
                let report = self.shut_down(deadline);
                self.state.set(AppState::Stopped);
                let _ = reply.send(report);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn turn_until_stopped(&mut self) -> Result<(Instant, Sender<CloseReport>), RuntimeError> {
        loop {
            if let Some(stop) = self.stopping.take().or_else(|| self.stop.try_recv().ok()) {
                return Ok(stop);
            }
            while let Ok(report) = self.reports.try_recv() {
                self.hear(report)?;
            }
            if self.release_at.is_some_and(|at| at <= host::now()) {
                self.release()?;
            }
            if let Some(event) = self.membership.poll(TURN)? {
                self.follow(event)?;
            }
            if self.assigned {
                let state = self.tasks.state();
                if state == AppState::Running {
                    self.tasks.settle();
                }
                self.state.set(state);
            }
            self.watch_restores();
        }
    }

    /// Says how restores go, now and then, and whether one stands still.
    fn watch_restores(&mut self) {
        let stalls = self.tasks.stalls();
        if stalls.len() != self.n_stalled {
            self.n_stalled = stalls.len();
            metrics::gauge!("nowfold_restores_stalled").set(u32::try_from(self.n_stalled).unwrap_or(u32::MAX));
        }
        self.state.set_trouble(stalls.first().map(ToString::to_string));
        if matches!(self.state.get(), AppState::Restoring { .. }) && self.restore_said.is_due() {
            for RestoreStatus { task, done, total, per_second, .. } in self.tasks.restores() {
                tracing::info!(%task, done, total, per_second, "restoring");
            }
        }
    }

    fn hear(&mut self, report: Report) -> Result<(), RuntimeError> {
        match report {
            Report::Commit(commit) => {
                self.serve(commit);
                Ok(())
            }
            Report::Grant(grant) => {
                self.grant(grant);
                Ok(())
            }
            Report::Failed(error) | Report::GlobalsFailed(error) | Report::ControlFailed(error) => Err(error),
            Report::Finished(..) | Report::Stopped(..) => Ok(()),
        }
    }

    /// Commits for a worker. Offsets from before a loss are of tasks that are not ours any more, or are ours anew while
    /// another member may have gone further; the group would take them as this generation's.
    fn serve(&mut self, commit: Commit) {
        let answer = if commit.epoch == self.epoch {
            self.membership.commit(&commit.offsets)
        } else {
            let cause = "its tasks were lost before the commit".to_owned();
            Err(BrokerError::Fenced { group: self.around.topology.app().to_owned(), cause })
        };
        let _ = commit.reply.send(answer);
    }

    /// Gives a worker the generation of this moment. One that does not know of the last loss gets none: it would be taken
    /// for partitions that others own.
    fn grant(&mut self, grant: Grant) {
        self.grants.retain(|until| matches!(until.try_recv(), Err(TryRecvError::Empty)));
        let answer = if grant.epoch == self.epoch {
            self.membership.generation()
        } else {
            let cause = "its tasks were lost before the commit".to_owned();
            Err(BrokerError::Fenced { group: self.around.topology.app().to_owned(), cause })
        };
        if answer.is_ok() {
            self.grants.push(grant.until);
        }
        let _ = grant.reply.send(answer);
    }

    /// Waits until no transaction is being committed, in bounded time: their generation is of before the release, so a
    /// commit that comes later is either fenced or seen as open by the next owner.
    fn await_grants(&mut self) {
        let deadline = host::now() + self.handover_timeout;
        for until in self.grants.drain(..) {
            let left = deadline.saturating_duration_since(host::now());
            if until.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                tracing::warn!("partitions are released while a transaction is being committed");
            }
        }
    }

    fn follow(&mut self, event: MembershipEvent) -> Result<(), RuntimeError> {
        metrics::counter!("nowfold_rebalances_total").increment(1);
        match event {
            MembershipEvent::Assigned(partitions) => {
                self.refuse_added(&partitions)?;
                self.ids(&partitions).into_iter().for_each(|id| self.open(id));
                if !self.assigned {
                    (0..self.workers.len()).for_each(|worker| self.command(worker, Command::Withdraw));
                }
                self.assigned = true;
            }
            MembershipEvent::Revoked(partitions) => {
                let ids = self.ids(&partitions);
                self.finish(&ids)?;
                self.forget(&ids);
                self.release()?;
            }
            MembershipEvent::Lost(partitions) => {
                let ids = self.ids(&partitions);
                tracing::warn!(?ids, "tasks were taken away; what they had not committed is dropped");
                self.lose(&ids);
                self.release()?;
                self.assigned = false;
                self.state.set(AppState::Rebalancing);
            }
        }
        self.watch_sources();
        Ok(())
    }

    /// Drops tasks without a commit, also one that a worker has under way.
    fn lose(&mut self, ids: &[TaskId]) {
        self.epoch += 1;
        let lost = ids.iter().filter_map(|id| Some((*id, *self.owners.get(id)?)));
        self.dropped.extend(lost);
        for worker in 0..self.workers.len() {
            self.command(worker, Command::Drop { ids: ids.to_vec(), epoch: self.epoch });
        }
        self.forget(ids);
    }

    /// Lets go of the partitions of the last event. A broker that is away is asked again; until then no other member has
    /// them, and no further event comes.
    fn release(&mut self) -> Result<(), RuntimeError> {
        self.release_at = None;
        self.await_grants();
        match self.membership.release() {
            Ok(()) => Ok(()),
            Err(error @ BrokerError::Fenced { .. }) => {
                tracing::warn!(%error, "partitions went to others before they were released");
                Ok(())
            }
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "partitions are not released yet; trying again");
                self.release_at = Some(host::now() + RELEASE_AGAIN);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Partitions that a topic did not have at the start: what depends on their number was settled then.
    fn refuse_added(&self, partitions: &[TopicPartition]) -> Result<(), RuntimeError> {
        let number = |at: &TopicPartition| self.around.topics.partitions(&at.topic);
        let added = partitions.iter().find(|at| self.parts.contains_key(&at.topic) && at.partition >= number(at));
        match added {
            None => Ok(()),
            Some(at) => {
                let (app, partition, n) = (self.around.topology.app().to_owned(), at.clone(), number(at));
                Err(RuntimeError::PartitionsAdded { app, partition, n })
            }
        }
    }

    fn ids(&self, partitions: &[TopicPartition]) -> Vec<TaskId> {
        let id = |at: &TopicPartition| {
            self.parts.get(&at.topic).map(|&subtopology| TaskId { subtopology, partition: at.partition })
        };
        partitions.iter().filter_map(id).collect()
    }

    fn open(&mut self, id: TaskId) {
        if self.owners.contains_key(&id) {
            return;
        }
        let load = |worker: &usize| self.owners.values().filter(|owner| *owner == worker).count();
        let Some(idlest) = (0..self.workers.len()).min_by_key(load) else { return };
        let worker = self.dropped.remove(&id).unwrap_or(idlest);
        let status = Arc::new(TaskStatus::new());
        self.tasks.insert(id, status.clone());
        self.owners.insert(id, worker);
        self.command(worker, Command::Open(id, status));
    }

    fn command(&self, worker: usize, command: Command) {
        if let Some(worker) = self.workers.get(worker) {
            let _ = worker.commands.send(command);
            worker.signal.call();
        }
    }

    fn command_owners(&self, ids: &[TaskId], command: impl Fn(Vec<TaskId>) -> Command) -> usize {
        let mut by_worker: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        for id in ids {
            if let Some(&worker) = self.owners.get(id) {
                by_worker.entry(worker).or_default().push(*id);
            }
        }
        let n = by_worker.len();
        by_worker.into_iter().for_each(|(worker, ids)| self.command(worker, command(ids)));
        n
    }

    /// Finishes tasks and commits their offsets, in bounded time. Other workers' commits are served meanwhile, for they
    /// may wait for us. Tasks whose worker does not finish them in time are lost: nothing of them is committed any more.
    fn finish(&mut self, ids: &[TaskId]) -> Result<(), RuntimeError> {
        self.handovers += 1;
        let (number, mut deadline) = (self.handovers, host::now() + self.handover_timeout);
        let mut waiting = self.command_owners(ids, |ids| Command::Finish { ids, number, deadline });
        let mut offsets = Vec::new();
        while waiting > 0 {
            deadline = self.no_later_than_the_stop(deadline);
            let left = (deadline + GRACE).saturating_duration_since(host::now());
            match self.reports.recv_timeout(left.min(LOOK)) {
                Ok(Report::Finished(n, more)) if n == number => {
                    offsets.extend(more);
                    waiting -= 1;
                }
                Ok(other) => self.hear(other)?,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    tracing::warn!(
                        ?ids,
                        "tasks are handed over unfinished: what they had not committed is processed again"
                    );
                    self.lose(ids);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.commit(&offsets, deadline);
        Ok(())
    }

    /// A deadline, or that of a stop that was asked for meanwhile.
    fn no_later_than_the_stop(&mut self, deadline: Instant) -> Instant {
        if self.stopping.is_none() {
            self.stopping = self.stop.try_recv().ok();
        }
        self.stopping.as_ref().map_or(deadline, |(stop, _)| deadline.min(*stop))
    }

    /// Commits the last offsets of tasks, until `deadline` again where the broker or the group is not ready for them; false
    /// when they are not taken.
    fn commit(&mut self, offsets: &[OffsetCommit], deadline: Instant) -> bool {
        if offsets.is_empty() {
            return true;
        }
        loop {
            let Err(error) = self.membership.commit(offsets) else { return true };
            if !error.is_retriable() || host::now() >= self.no_later_than_the_stop(deadline) {
                tracing::warn!(%error, "the last offsets are not committed; their records will be processed again");
                return false;
            }
            tracing::info!(%error, "the last offsets are not committed yet; trying again");
            host::sleep(COMMIT_AGAIN);
        }
    }

    fn forget(&mut self, ids: &[TaskId]) {
        for id in ids {
            self.owners.remove(id);
            self.tasks.remove(*id);
        }
    }

    /// Tells queries which tasks feed the stores.
    fn watch_sources(&self) {
        let parts = self.around.topology.subtopologies();
        let feeds = |id: TaskId| {
            let part = parts.get(id.subtopology);
            part.is_some_and(|part| part.sources.iter().all(|source| source.start != StartPolicy::EventLog))
        };
        self.around.hub.set_sources(self.tasks.lags(feeds));
    }

    fn shut_down(&mut self, deadline: Instant) -> CloseReport {
        self.state.set(AppState::Draining);
        (0..self.workers.len()).for_each(|worker| self.command(worker, Command::Stop { deadline }));
        let (offsets, times) = self.await_stops(deadline);
        let committing = host::now();
        let unstored = times.uncommitted;
        let uncommitted = if self.commit(&offsets, deadline) { unstored } else { unstored + offsets.len() };
        if unstored > 0 {
            tracing::warn!(
                partitions = unstored,
                "outputs were not stored before the end; the next start processes their input again"
            );
        }
        let leaving = host::now();
        let left = self.leave(deadline);
        if let Err(error) = left {
            tracing::warn!(%error, "could not leave the group; others take over after the session timeout");
        }
        let StopTimes { drain, flush, .. } = times;
        CloseReport { drain, flush, commit: leaving - committing, leave: host::since(leaving), uncommitted }
    }

    fn await_stops(&mut self, deadline: Instant) -> (Vec<OffsetCommit>, StopTimes) {
        let (mut offsets, mut times, mut waiting) = (Vec::new(), StopTimes::default(), self.workers.len());
        while waiting > 0 {
            let left = deadline.saturating_duration_since(host::now()) + Duration::from_millis(200);
            match self.reports.recv_timeout(left) {
                Ok(Report::Stopped(more, worker)) => {
                    offsets.extend(more);
                    times.drain = times.drain.max(worker.drain);
                    times.flush = times.flush.max(worker.flush);
                    times.uncommitted += worker.uncommitted;
                    waiting -= 1;
                }
                Ok(Report::Commit(commit)) => self.serve(commit),
                Ok(Report::Grant(grant)) => self.grant(grant),
                Ok(Report::GlobalsFailed(error)) => {
                    tracing::warn!(%error, "the global tables failed while stopping");
                }
                Ok(Report::ControlFailed(error)) => {
                    tracing::warn!(%error, "the control topic failed while stopping");
                }
                Ok(Report::Failed(error)) => {
                    tracing::warn!(%error, "a worker failed while stopping");
                    waiting -= 1;
                }
                Ok(Report::Finished(..)) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.workers.drain(..).filter(|worker| worker.thread.is_finished() || waiting == 0).for_each(|worker| {
            worker.thread.join();
        });
        (offsets, times)
    }

    fn leave(&mut self, deadline: Instant) -> Result<(), BrokerError> {
        let timeout = deadline.saturating_duration_since(host::now()).max(Duration::from_millis(500));
        std::mem::replace(&mut self.membership, Box::new(Gone)).leave(timeout)
    }

    /// Stops everything without a commit: what was not committed is met again at the next start.
    fn fail(&mut self, error: &RuntimeError) {
        tracing::error!(%error, "the application stops");
        let ids: Vec<_> = self.owners.keys().copied().collect();
        self.lose(&ids);
        let now = host::now();
        (0..self.workers.len()).for_each(|worker| self.command(worker, Command::Stop { deadline: now }));
        if let Err(error) = self.leave(now + FAILING) {
            tracing::warn!(%error, "could not leave the group");
        }
        while self.workers.iter().any(|worker| !worker.thread.is_finished()) && host::since(now) < FAILING {
            // A commit that waits for its answer learns that there is none: its report is dropped.
            let _ = self.reports.recv_timeout(TURN);
        }
        self.state.set(AppState::Failed { reason: error.to_string() });
    }
}

/// The membership after leaving.
#[derive(Debug)]
struct Gone;

impl Membership for Gone {
    fn poll(&mut self, _: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        Ok(None)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        Ok(())
    }

    fn commit(&mut self, _: &[OffsetCommit]) -> Result<(), BrokerError> {
        Err(BrokerError::Fatal { operation: "commit".to_owned(), cause: "this member has left its group".to_owned() })
    }

    fn leave(self: Box<Self>, _: Duration) -> Result<(), BrokerError> {
        Ok(())
    }
}
