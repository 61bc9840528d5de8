//! The thread that keeps the copies up to date.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::task::TaskId;

use super::super::host;
use super::super::mailbox::Receiver;
use super::super::runner::Surroundings;
use super::super::state::AppState;
use super::super::status::TaskTable;
use super::{Request, StandbyCopy, Standbys};

/// A copy that is at most this many records behind counts as caught up (`acceptable.recovery.lag` of Kafka Streams).
pub(crate) const SETTLED: u64 = 10_000;

/// How long a thread without work sleeps at most.
const IDLE: Duration = Duration::from_millis(200);

/// How long after a failure a copy is begun anew.
const AGAIN: Duration = Duration::from_secs(5);

/// A turn is followed by a rest of as many times its length, at most [`LONGEST`]: it takes at most half of a core, and a
/// fifth of one while this process's own tasks are not up to date.
const REST: u32 = 1;
const REST_BESIDE_OTHERS: u32 = 4;
const LONGEST: Duration = Duration::from_millis(100);

pub(crate) struct StandbyThread {
    around: Arc<Surroundings>,
    tasks: Arc<TaskTable>,
    shared: Arc<Standbys>,
    requests: Receiver<Request>,
    batch: usize,
    copies: BTreeMap<TaskId, StandbyCopy>,
    /// When to try again what failed.
    failed: BTreeMap<TaskId, Instant>,
}

impl StandbyThread {
    pub(crate) fn new(
        around: Arc<Surroundings>,
        tasks: Arc<TaskTable>,
        (shared, requests): (Arc<Standbys>, Receiver<Request>),
        batch: usize,
    ) -> Self {
        Self { around, tasks, shared, requests, batch, copies: BTreeMap::new(), failed: BTreeMap::new() }
    }

    /// The thread's body.
    pub(crate) fn run(mut self) {
        loop {
            while let Ok(request) = self.requests.try_recv() {
                if self.is_over(request) {
                    return;
                }
            }
            let started = host::now();
            self.reconcile();
            let moved = self.step();
            *self.shared.copies.lock() = self.copies.values().map(StandbyCopy::status).collect();
            if moved == 0 {
                self.shared.signal.wait(IDLE);
                continue;
            }
            let rest = if self.tasks.state() == AppState::Running { REST } else { REST_BESIDE_OTHERS };
            if let Ok(request) = self.requests.recv_timeout((host::since(started) * rest).min(LONGEST))
                && self.is_over(request)
            {
                return;
            }
        }
    }

    /// Carries out a request; true when it was the last.
    fn is_over(&mut self, request: Request) -> bool {
        match request {
            Request::Take(id, reply) => {
                let copy = self.copies.remove(&id).map(|mut copy| {
                    copy.withdraw(&self.around.hub);
                    Box::new(copy)
                });
                let _ = reply.send(copy);
            }
            Request::Keep(mut copy) => {
                copy.publish(&self.around.hub);
                self.copies.insert(copy.id(), *copy);
            }
            Request::Stop => {
                std::mem::take(&mut self.copies).into_values().for_each(|mut copy| copy.withdraw(&self.around.hub));
                self.shared.copies.lock().clear();
                return true;
            }
        }
        false
    }

    /// Drops copies that are not wanted any more, and begins one that is.
    fn reconcile(&mut self) {
        let (wanted, mine) = (self.shared.wanted(), self.tasks.ids());
        // A task that has just become ours has not taken its copy yet.
        let unwanted: Vec<_> =
            self.copies.keys().filter(|id| !wanted.contains(id) && !mine.contains(id)).copied().collect();
        unwanted.iter().for_each(|id| self.drop_copy(*id));
        self.failed.retain(|id, at| wanted.contains(id) && host::now() < *at);
        let is_free = |id: &TaskId| {
            let here = self.copies.contains_key(id) || self.failed.contains_key(id) || mine.contains(id);
            !here && !self.shared.is_held(*id)
        };
        let Some(id) = wanted.into_iter().find(is_free) else { return };
        match StandbyCopy::open(&self.around, id, self.shared.signal.waker()) {
            Ok(mut copy) => {
                copy.publish(&self.around.hub);
                self.copies.insert(id, copy);
            }
            Err(error) => self.fail(id, &error),
        }
    }

    fn drop_copy(&mut self, id: TaskId) {
        if let Some(mut copy) = self.copies.remove(&id) {
            copy.withdraw(&self.around.hub);
        }
    }

    fn step(&mut self) -> usize {
        let (around, now) = (self.around.clone(), self.around.clock.now());
        let (mut moved, mut failures) = (0, Vec::new());
        for (id, copy) in &mut self.copies {
            match copy.step(&around, now, self.batch) {
                Ok(n) => {
                    moved += n;
                    copy.publish_progress(&self.around.topology, now);
                }
                Err(error) => failures.push((*id, error)),
            }
        }
        for (id, error) in failures {
            if !error.is_retriable() {
                self.drop_copy(id);
            }
            self.fail(id, &error);
        }
        moved
    }

    fn fail(&mut self, id: TaskId, error: &super::super::error::RuntimeError) {
        let again_s = AGAIN.as_secs();
        tracing::warn!(%error, task = %id, again_s, "a standby fails; the task itself goes on elsewhere");
        metrics::counter!("nowfold_standby_failures_total").increment(1);
        self.failed.insert(id, host::now() + AGAIN);
    }
}
