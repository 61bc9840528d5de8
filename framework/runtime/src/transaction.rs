//! The exactly-once commit of a worker: outputs, changelogs and offsets in one transaction, or none of them.
//!
//! A worker has one transaction open at a time, for all its tasks. It commits under the coordinator's grant: a generation
//! taken at that moment, and the promise that no partition is released before the grant is given back. What is not
//! committed is aborted whole. Then every task that was part of it is closed and opened anew: its stores are rebuilt from
//! what is committed, since their memory already holds what is not.

use std::time::{Duration, Instant};

use nowfold_core::task::TaskId;

use super::broker::BrokerError;
use super::config::Guarantee;
use super::error::RuntimeError;
use super::host;
use super::mailbox::{Sender, channel};
use super::membership::{Generation, OffsetCommit};
use super::runner::Runner;
use super::worker::{Grant, RETRY, Report, StopTimes, Worker};

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is committed.
    Committed,
    /// Records are still on their way: the transaction is open.
    Open,
    /// Nothing is committed, and its tasks are to be opened anew.
    Aborted,
}

/// A generation that may be used while this lives.
struct Granted {
    generation: Generation,
    /// Dropping it tells the coordinator that the transaction is over.
    _held: Sender<()>,
}

impl Worker {
    pub(crate) fn is_exactly_once(&self) -> bool {
        self.config.guarantee == Guarantee::ExactlyOnce
    }

    /// Commits the open transaction, or what moved without one, within about `timeout`.
    pub(crate) fn commit_transaction(&mut self, timeout: Duration) -> Result<Outcome, RuntimeError> {
        if !self.runners.iter().all(Runner::is_at_rest) {
            return Ok(Outcome::Open);
        }
        let (started, deadline) = (host::now(), host::now() + timeout);
        self.last_commit = started;
        let is_open = self.outbox.transactor().is_some_and(|transactor| transactor.is_open());
        let all = self.is_recommit_due();
        let offsets = self.offsets_to_commit(all || is_open);
        if offsets.is_empty() {
            return Ok(Outcome::Committed);
        }
        if !self.outbox.flush(timeout)? {
            return self.abort_if_spoiled(self.config.handover_timeout.min(timeout));
        }
        let left = deadline.saturating_duration_since(host::now()).max(Duration::from_millis(100));
        let committed = self.commit_granted(&offsets, left);
        metrics::histogram!("nowfold_commit_seconds").record(host::since(started).as_secs_f64());
        match committed {
            Ok(()) => {
                self.outbox.committed();
                self.runners.iter_mut().for_each(|runner| runner.committed(&self.around));
                self.purge.committed(&self.runners);
                self.last_recommit = if all { Some(started) } else { self.last_recommit };
                Ok(Outcome::Committed)
            }
            Err(error) => {
                self.abort(&error.to_string(), self.config.handover_timeout.min(timeout))?;
                Ok(Outcome::Aborted)
            }
        }
    }

    fn commit_granted(&mut self, offsets: &[OffsetCommit], timeout: Duration) -> Result<(), BrokerError> {
        let granted = self.grant()?;
        let closed = || BrokerError::Fatal { operation: "commit".to_owned(), cause: "no transactions".to_owned() };
        self.outbox.transactor().ok_or_else(closed)?.commit(&granted.generation, offsets, timeout)
    }

    /// Asks the coordinator for the present generation.
    fn grant(&self) -> Result<Granted, BrokerError> {
        let ((reply, answer), (held, until)) = (channel(), channel());
        let ended = || BrokerError::Fatal { operation: "commit".to_owned(), cause: "the application ends".to_owned() };
        let asked = self.reports.send(Report::Grant(Grant { epoch: self.epoch, reply, until }));
        asked.map_err(|_| ended())?;
        let generation = answer.recv().map_err(|_| ended())??;
        Ok(Granted { generation, _held: held })
    }

    /// Aborts the transaction when a record has spoiled it.
    pub(crate) fn abort_if_spoiled(&mut self, timeout: Duration) -> Result<Outcome, RuntimeError> {
        let spoiled = self.outbox.transactor().and_then(|transactor| transactor.spoiled().map(str::to_owned));
        let Some(cause) = spoiled else { return Ok(Outcome::Open) };
        self.abort(&cause, timeout)?;
        Ok(Outcome::Aborted)
    }

    /// Aborts the transaction, and opens every task anew that was part of it.
    fn abort(&mut self, cause: &str, timeout: Duration) -> Result<(), RuntimeError> {
        tracing::warn!(cause, "a transaction is aborted; its tasks go on from what is committed");
        metrics::counter!("nowfold_transactions_aborted_total").increment(1);
        self.outbox.abort(timeout)?;
        let (spoiled, kept) = self.runners.drain(..).partition::<Vec<_>, _>(Runner::has_uncommitted_effects);
        self.runners = kept;
        for runner in spoiled {
            self.unopened.push((runner.id(), runner.status()));
            runner.close();
        }
        self.retry_at = Some(host::now() + RETRY);
        Ok(())
    }

    /// Commits all there is, and takes tasks away that go to another member. What is not committed is dropped.
    pub(crate) fn finish_transaction(&mut self, ids: &[TaskId], deadline: Instant) -> Result<(), RuntimeError> {
        let left = || deadline.saturating_duration_since(host::now()).max(Duration::from_millis(1));
        let all: Vec<_> = self.runners.iter().map(Runner::id).collect();
        self.come_to_rest(&all, deadline)?;
        if self.commit_transaction(left())? == Outcome::Open {
            self.abort("its tasks are handed over", left())?;
        }
        self.take(ids).into_iter().for_each(Runner::close);
        Ok(())
    }

    /// Drops lost tasks, and with them the transaction that they are part of.
    pub(crate) fn drop_transaction(&mut self, ids: &[TaskId]) -> Result<Vec<Runner>, RuntimeError> {
        let lost = self.take(ids);
        if lost.iter().any(Runner::has_uncommitted_effects) {
            self.abort("its tasks were lost", self.config.handover_timeout)?;
        }
        Ok(lost)
    }

    /// Commits what was drained before the end.
    pub(crate) fn stop_transaction(&mut self, deadline: Instant, mut times: StopTimes) -> Result<(), RuntimeError> {
        let started = host::now();
        let left = deadline.saturating_duration_since(started).max(Duration::from_millis(100));
        let n_offsets = self.runners.iter().flat_map(Runner::offsets).count();
        let outcome = self.commit_transaction(left)?;
        if outcome != Outcome::Committed {
            times.uncommitted = n_offsets;
        }
        if outcome == Outcome::Open {
            self.outbox.abort(left)?;
        }
        times.flush = host::since(started);
        let _ = self.reports.send(Report::Stopped(Vec::new(), times));
        Ok(())
    }

    fn offsets_to_commit(&self, all: bool) -> Vec<OffsetCommit> {
        let offsets = if all { Runner::positions } else { Runner::offsets };
        self.runners.iter().flat_map(offsets).collect()
    }

    /// What a thread that ends with an error leaves behind: nothing that holds others up.
    pub(crate) fn abandon(&mut self) {
        let is_open = self.outbox.transactor().is_some_and(|transactor| transactor.is_open());
        if is_open && let Err(error) = self.outbox.abort(Duration::from_secs(2)) {
            tracing::warn!(%error, "a transaction stays open until its time is over");
        }
    }
}
