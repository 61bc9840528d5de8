//! A worker: an OS thread that owns tasks, a producer, and the commit.
//!
//! At-least-once: append outputs, dead letters and changelog writes; wait until all are stored; commit source offsets.
//! Exactly-once: all of them in one transaction (`transaction`).

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::task::TaskId;
use nowfold_core::time::Clock;

use super::broker::BrokerError;
use super::config::RuntimeConfig;
use super::error::RuntimeError;
use super::host;
use super::mailbox::{self, Receiver, Sender, TryRecvError};
use super::membership::{Generation, OffsetCommit};
use super::output::Outbox;
use super::purge::Purge;
use super::runner::{Runner, Surroundings};
use super::signal::Signal;
use super::status::TaskStatus;

/// How long an idle worker sleeps at most: lag stays known for longer than this.
const IDLE: Duration = Duration::from_millis(100);

/// How long a worker waits after the broker did not answer.
pub(crate) const RETRY: Duration = Duration::from_millis(200);

/// How long a worker that ends waits before it tries again to store what it has.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a topic that was there at the start may be unknown: a broker that has just come back has to learn of it again.
const UNKNOWN_WITHIN: Duration = Duration::from_secs(15);

/// What the coordinator asks of a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Open a task.
    Open(TaskId, Arc<TaskStatus>),
    /// Finish tasks: store their effects, hand back their offsets, forget them.
    Finish {
        /// The tasks.
        ids: Vec<TaskId>,
        /// The hand-over's number, which the report repeats.
        number: u64,
        /// When it must be done.
        deadline: Instant,
    },
    /// Forget tasks without storing anything of them; those that only keep an event log answer on, as of then.
    Drop {
        /// The tasks; those of other workers may be among them.
        ids: Vec<TaskId>,
        /// The number of losses so far, for the commits from here on.
        epoch: u64,
    },
    /// Others have what was lost and has not been opened again.
    Withdraw,
    /// Process what is buffered, finish every task, and end.
    Stop {
        /// When draining must end.
        deadline: Instant,
    },
}

/// Offsets to commit, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) offsets: Vec<OffsetCommit>,
    /// The losses that the worker knew of.
    pub(crate) epoch: u64,
    pub(crate) reply: Sender<Result<(), BrokerError>>,
}

/// A worker is about to commit a transaction: it needs the member's generation, and that nothing is released meanwhile.
#[derive(Debug)]
pub(crate) struct Grant {
    /// The losses that the worker knew of.
    pub(crate) epoch: u64,
    pub(crate) reply: Sender<Result<Generation, BrokerError>>,
    /// Ends when the transaction is over.
    pub(crate) until: Receiver<()>,
}

/// What a worker tells the coordinator.
#[derive(Debug)]
pub(crate) enum Report {
    /// Commit these offsets, and answer.
    Commit(Commit),
    /// A transaction is about to be committed.
    Grant(Grant),
    /// The tasks of this hand-over are finished; their effects are stored, these offsets are still to be committed.
    Finished(u64, Vec<OffsetCommit>),
    /// The worker has ended after a stop, with the times that took.
    Stopped(Vec<OffsetCommit>, StopTimes),
    /// The worker has ended with an error; the application must stop.
    Failed(RuntimeError),
    /// The thread of the global tables has ended with an error; the application must stop.
    GlobalsFailed(RuntimeError),
    /// The thread of the control topic has ended with an error; the application must stop.
    ControlFailed(RuntimeError),
}

/// How long the steps of a worker's stop took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StopTimes {
    pub(crate) drain: Duration,
    pub(crate) flush: Duration,
    /// Source partitions whose last outputs were not stored in time.
    pub(crate) uncommitted: usize,
}

pub(crate) struct Worker {
    pub(crate) around: Arc<Surroundings>,
    pub(crate) config: RuntimeConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signal: Arc<Signal>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) reports: Sender<Report>,
    pub(crate) outbox: Outbox,
    pub(crate) purge: Purge,
    pub(crate) runners: Vec<Runner>,
    /// Lost tasks that go on answering while the group is out of reach, and go on working when they are ours again: what
    /// they hold follows from their topic alone, whoever has read it meanwhile.
    pub(crate) frozen: Vec<Runner>,
    /// Tasks that could not be opened because the broker did not answer.
    pub(crate) unopened: Vec<(TaskId, Arc<TaskStatus>)>,
    /// The losses that were heard of.
    pub(crate) epoch: u64,
    pub(crate) last_commit: Instant,
    /// A commit is due and waits until calls are over: tasks that are in its way take no records.
    pub(crate) resting: bool,
    /// When the offsets of all partitions, idle ones too, were last committed.
    pub(crate) last_recommit: Option<Instant>,
    /// When to try again what the broker did not answer.
    pub(crate) retry_at: Option<Instant>,
    /// Since when the broker does not know a topic of a task.
    pub(crate) unknown_since: BTreeMap<TaskId, Instant>,
}

impl Worker {
    /// The thread's body.
    pub(crate) fn run(mut self) {
        let outcome = caught("a worker", || self.work());
        if let Err(error) = outcome {
            self.abandon();
            let _ = self.reports.send(Report::Failed(error));
        }
        self.runners.drain(..).chain(self.frozen.drain(..)).for_each(Runner::close);
    }

    fn work(&mut self) -> Result<(), RuntimeError> {
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(command) => {
                        if self.obey(command)? {
                            return Ok(());
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    // A start that failed has no coordinator.
                    Err(TryRecvError::Disconnected) => {
                        self.abandon();
                        return Ok(());
                    }
                }
            }
            let moved = self.step()?;
            let is_due =
                host::since(self.last_commit) >= self.config.commit_interval || self.outbox.later().is_crowded();
            if is_due && self.is_ready_to_commit()? {
                self.commit()?;
            }
            if moved == 0 {
                self.signal.wait(self.rest());
            }
        }
    }

    /// How long the worker sleeps when it has nothing to do.
    fn rest(&self) -> Duration {
        let now = self.clock.now();
        let waits = self.runners.iter().filter_map(|runner| runner.waits_for(now));
        waits.chain([IDLE, self.config.commit_interval]).min().unwrap_or(IDLE)
    }

    /// Carries out a command; true when the worker must end.
    fn obey(&mut self, command: Command) -> Result<bool, RuntimeError> {
        match command {
            Command::Open(id, status) => self.open(id, status)?,
            Command::Finish { ids, number, deadline } => self.finish(&ids, number, deadline)?,
            Command::Drop { ids, epoch } => {
                self.epoch = epoch;
                self.outbox.later().forget(&ids);
                let lost = if self.is_exactly_once() { self.drop_transaction(&ids)? } else { self.take(&ids) };
                let stays = |runner: &Runner| {
                    runner.only_keeps_event_logs() && !(self.is_exactly_once() && runner.has_uncommitted_effects())
                };
                let (frozen, dropped) = lost.into_iter().partition(stays);
                self.frozen.extend::<Vec<_>>(frozen);
                Vec::into_iter(dropped).for_each(Runner::close);
            }
            Command::Withdraw => self.frozen.drain(..).for_each(Runner::close),
            Command::Stop { deadline } => {
                self.stop(deadline)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn open(&mut self, id: TaskId, status: Arc<TaskStatus>) -> Result<(), RuntimeError> {
        if let Some(at) = self.frozen.iter().position(|runner| runner.id() == id) {
            self.runners.push(self.frozen.swap_remove(at).resumed(status));
            return Ok(());
        }
        let waker = self.signal.waker();
        match Runner::open(&self.around, id, status.clone(), &waker) {
            Ok(runner) => {
                self.runners.push(runner);
                // A partition without a committed offset gets one, so that it keeps its place without new records.
                self.last_recommit = None;
                self.unknown_since.remove(&id);
            }
            Err(error) if may_pass(&error, id, &mut self.unknown_since) => {
                tracing::warn!(%error, task = %id, "the task cannot be opened yet");
                status.stumbled(id, &error.to_string(), self.config.restore_stall_timeout);
                self.unopened.push((id, status));
                self.retry_at = Some(host::now() + RETRY);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Processes one batch of each task; while the broker is away, nothing.
    fn step(&mut self) -> Result<usize, RuntimeError> {
        if self.retry_at.is_some_and(|at| host::now() < at) || self.outbox.later().is_crowded() {
            return Ok(0);
        }
        self.retry_at = None;
        if self.is_exactly_once() {
            self.abort_if_spoiled(self.config.handover_timeout)?;
        }
        for (id, status) in std::mem::take(&mut self.unopened) {
            self.open(id, status)?;
        }
        if !self.make_room()? {
            self.retry_at = Some(host::now() + RETRY);
            return Ok(0);
        }
        let (now, exactly_once) = (self.clock.now(), self.is_exactly_once());
        let mut moved = 0;
        for runner in &mut self.runners {
            if !self.outbox.drain()? {
                self.retry_at = Some(host::now() + RETRY);
                break;
            }
            let batch = if self.resting && runner.rests(exactly_once) { 0 } else { self.config.batch };
            match runner.step(now, batch, self.around.broker.as_ref()) {
                Ok(n) => {
                    moved += n;
                    self.unknown_since.remove(&runner.id());
                }
                Err(error) if may_pass(&error, runner.id(), &mut self.unknown_since) => {
                    tracing::warn!(%error, task = %runner.id(), "trying again");
                    runner.stumbled(&error);
                    self.retry_at = Some(host::now() + RETRY);
                }
                Err(error) => return Err(error),
            }
            self.outbox.put(runner)?;
        }
        Ok(moved)
    }

    /// Whether idle partitions are to be committed, too.
    pub(crate) fn is_recommit_due(&self) -> bool {
        self.last_recommit.is_none_or(|at| host::since(at) >= self.config.recommit_interval)
    }

    pub(crate) fn commit(&mut self) -> Result<(), RuntimeError> {
        if self.is_exactly_once() {
            return self.commit_transaction(self.config.flush_timeout).map(|_| ());
        }
        self.last_commit = host::now();
        let all = self.is_recommit_due();
        let offsets = if all { Runner::positions } else { Runner::offsets };
        let offsets: Vec<_> = self.runners.iter().flat_map(offsets).collect();
        if offsets.is_empty() && self.outbox.later().is_empty() {
            return Ok(());
        }
        let started = host::now();
        if !self.outbox.flush(self.config.flush_timeout)? || offsets.is_empty() {
            return Ok(());
        }
        let (reply, answer) = mailbox::channel();
        if self.reports.send(Report::Commit(Commit { offsets, epoch: self.epoch, reply })).is_err() {
            return Ok(());
        }
        match answer.recv() {
            Ok(Ok(())) => {
                self.runners.iter_mut().for_each(|runner| runner.committed(&self.around));
                self.purge.committed(&self.runners);
                if all {
                    self.last_recommit = Some(started);
                }
            }
            // The next commit is made under the generation of then; what is not ours any more is taken away before.
            Ok(Err(error)) => tracing::warn!(%error, "offsets are not committed; trying again"),
            Err(_) => {}
        }
        metrics::histogram!("nowfold_commit_seconds").record(host::since(started).as_secs_f64());
        Ok(())
    }

    /// Commits now what tasks that end have done, where their stores lie on disk: these are only written once they know of
    /// the commit. Else the coordinator commits it when they have ended.
    fn commit_epochs(&mut self, stored: bool) -> Result<(), RuntimeError> {
        if stored && self.around.local.is_some() { self.commit() } else { Ok(()) }
    }

    /// Stores what tasks that end have produced, and tries until the deadline where the broker does not take it.
    fn flush_until(&mut self, deadline: Instant) -> Result<bool, RuntimeError> {
        loop {
            let left = deadline.saturating_duration_since(host::now());
            if self.outbox.flush(self.config.flush_timeout.min(left))? {
                return Ok(true);
            }
            if host::now() >= deadline {
                return Ok(false);
            }
            host::sleep(AGAIN);
        }
    }

    pub(crate) fn take(&mut self, ids: &[TaskId]) -> Vec<Runner> {
        self.unopened.retain(|(id, _)| !ids.contains(id));
        let (taken, kept) = self.runners.drain(..).partition(|runner| ids.contains(&runner.id()));
        self.runners = kept;
        taken
    }

    /// Hands back tasks; their offsets only when all that they produced is stored.
    fn finish(&mut self, ids: &[TaskId], number: u64, deadline: Instant) -> Result<(), RuntimeError> {
        if self.is_exactly_once() {
            self.finish_transaction(ids, deadline)?;
            let _ = self.reports.send(Report::Finished(number, Vec::new()));
            return Ok(());
        }
        self.come_to_rest(ids, deadline)?;
        let stored = self.flush_until(deadline)?;
        self.commit_epochs(stored)?;
        let leaving = self.take(ids);
        self.outbox.later().forget(ids);
        let offsets = leaving.iter().filter(|_| stored).flat_map(Runner::offsets).collect();
        leaving.into_iter().for_each(Runner::close);
        let _ = self.reports.send(Report::Finished(number, offsets));
        Ok(())
    }

    /// Processes what is buffered until the deadline, stores it, and hands back the offsets.
    fn stop(&mut self, deadline: Instant) -> Result<(), RuntimeError> {
        let started = host::now();
        let now = self.clock.now();
        for runner in &mut self.runners {
            while host::now() < deadline && runner.drain(now, self.config.batch)? > 0 {
                self.outbox.put(runner)?;
            }
            self.outbox.put(runner)?;
        }
        let all: Vec<_> = self.runners.iter().map(Runner::id).collect();
        self.come_to_rest(&all, deadline)?;
        let drained = host::now();
        if self.is_exactly_once() {
            let times = StopTimes { drain: drained - started, ..StopTimes::default() };
            return self.stop_transaction(deadline, times);
        }
        let stored = self.flush_until(deadline.max(drained + Duration::from_millis(100)))?;
        self.commit_epochs(stored)?;
        let offsets: Vec<_> = self.runners.iter().flat_map(Runner::offsets).collect();
        let uncommitted = if stored { 0 } else { offsets.len() };
        let times = StopTimes { drain: drained - started, flush: host::since(drained), uncommitted };
        let offsets = if stored { offsets } else { Vec::new() };
        let _ = self.reports.send(Report::Stopped(offsets, times));
        Ok(())
    }
}

/// Runs the body of a thread. A panic in it, most likely of a user's closure, becomes an error with its words: a thread
/// that ended silently would leave its tasks at rest and the coordinator waiting for it.
pub(crate) fn caught<T>(who: &str, body: impl FnOnce() -> Result<T, RuntimeError>) -> Result<T, RuntimeError> {
    std::panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        Err(RuntimeError::Stopped { reason: format!("{who} panicked: {}", words(panic.as_ref())) })
    })
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// Whether the same may succeed soon for this task.
fn may_pass(error: &RuntimeError, id: TaskId, unknown_since: &mut BTreeMap<TaskId, Instant>) -> bool {
    match error {
        RuntimeError::Broker(BrokerError::UnknownTopic { .. }) => {
            host::since(*unknown_since.entry(id).or_insert_with(host::now)) < UNKNOWN_WITHIN
        }
        error => error.is_retriable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_was_there_may_be_unknown_for_a_while_only_for_each_task() {
        let error = BrokerError::UnknownTopic { topic: "clicks".into(), broker: "a broker".to_owned() };
        let (error, mut since) = (RuntimeError::from(error), BTreeMap::new());
        let [one, other] = [0, 1].map(|partition| TaskId { subtopology: 0, partition });
        assert!(may_pass(&error, one, &mut since));
        since.extend(host::now().checked_sub(UNKNOWN_WITHIN).map(|at| (one, at)));
        assert!(!may_pass(&error, one, &mut since));
        assert!(may_pass(&error, other, &mut since));
    }
}
