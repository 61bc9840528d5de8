//! Tasks with calls under way, and the commits that wait for them.
//!
//! At-least-once, a task's offsets stay behind the first record that waits for a call, and no commit waits. Exactly-once a
//! transaction must hold all or nothing of a record, so its commit waits until no call is under way; so does the commit of
//! a task that has stores with changelogs beside its calls, under either guarantee.

use std::time::{Duration, Instant};

use nowfold_core::task::TaskId;

use super::error::RuntimeError;
use super::host;
use super::worker::Worker;

/// At-least-once, other tasks' commits wait for those that come to rest for at most this many intervals.
const PATIENCE: u32 = 4;

/// How long to wait for a call before looking at the time.
const LOOK: Duration = Duration::from_millis(20);

impl Worker {
    /// Whether a commit that is due may be made now. While calls are in its way, their tasks take no more records.
    pub(crate) fn is_ready_to_commit(&mut self) -> Result<bool, RuntimeError> {
        let (exactly_once, now) = (self.is_exactly_once(), self.clock.now());
        for runner in &mut self.runners {
            runner.prepare_commit(now)?;
            self.outbox.put(runner)?;
        }
        self.resting = self.runners.iter().any(|runner| runner.rests(exactly_once) && !runner.is_at_rest());
        let overdue = || host::since(self.last_commit) >= self.config.commit_interval.saturating_mul(PATIENCE);
        Ok(!self.resting || (!exactly_once && overdue()))
    }

    /// Waits until these tasks have no calls under way and their record caches are empty, for at most half of the time to `deadline`.
    pub(crate) fn come_to_rest(&mut self, ids: &[TaskId], deadline: Instant) -> Result<(), RuntimeError> {
        let until = host::now() + deadline.saturating_duration_since(host::now()) / 2;
        loop {
            let now = self.clock.now();
            let mut all_rest = true;
            for runner in self.runners.iter_mut().filter(|runner| ids.contains(&runner.id()) && !runner.is_at_rest()) {
                runner.drain(now, 0)?;
                runner.prepare_commit(now)?;
                self.outbox.put(runner)?;
                all_rest &= runner.is_at_rest();
            }
            if all_rest || host::now() >= until {
                return Ok(());
            }
            self.signal.wait(LOOK);
        }
    }
}
