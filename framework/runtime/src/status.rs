//! What each task is doing, written by its worker and read by the coordinator and by people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::query::ProgressCell;
use nowfold_core::task::TaskId;
use parking_lot::Mutex;

use super::restore::{RestoreStall, RestoreStatus, RestoreWatch};
use super::state::AppState;

/// A task's phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskPhase {
    /// Handed to a worker, not open yet.
    Opening,
    /// Rebuilding its stores.
    Restoring {
        /// Records read so far.
        done: u64,
        /// Records to read in all, as known at the start.
        total: u64,
    },
    /// Processing input that had gathered before it was opened.
    CatchingUp {
        /// Records of it that remain.
        remaining: u64,
    },
    /// Up to date.
    Running,
}

/// Records that were read only to rebuild stores, by where they came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// From this process's disk.
    pub local: u64,
    /// From topics.
    pub topic: u64,
}

impl Restored {
    /// Counts records.
    pub(crate) fn count(&mut self, is_local: bool, n: usize) {
        *(if is_local { &mut self.local } else { &mut self.topic }) += n as u64;
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { local: self.local + other.local, topic: self.topic + other.topic }
    }
}

/// One task's phase and lag.
#[derive(Debug)]
pub(crate) struct TaskStatus {
    phase: Mutex<TaskPhase>,
    /// Whether the application was running with this task: later lag is lag, not catching up.
    settled: AtomicBool,
    /// The lag of the task's sources, the largest of them.
    pub(crate) lag: Arc<ProgressCell>,
    /// By source, the offset before which everything is done.
    completed: Mutex<Vec<(TopicPartition, Offset)>>,
    /// What its stores were rebuilt from.
    pub(crate) restored: Mutex<Restored>,
    /// How its restore goes.
    pub(crate) watch: Mutex<RestoreWatch>,
}

impl TaskStatus {
    pub(crate) fn new() -> Self {
        Self {
            phase: Mutex::new(TaskPhase::Opening),
            settled: AtomicBool::new(false),
            lag: Arc::new(ProgressCell::restoring()),
            completed: Mutex::new(Vec::new()),
            restored: Mutex::default(),
            watch: Mutex::new(RestoreWatch::new()),
        }
    }

    /// The task cannot be opened now, or not go on restoring, and is tried again.
    pub(crate) fn stumbled(&self, task: TaskId, cause: &str, bound: Duration) {
        let mut watch = self.watch.lock();
        let RestoreStatus { done, total, .. } = watch.status(task);
        if let Some(waited) = watch.look(done, total, bound) {
            let cause = format!("{cause}. It is tried again until that works");
            watch.found(RestoreStall { task, place: None, waited, cause });
        }
    }

    /// Everything before these offsets is processed, its effects are stored, and it is committed.
    pub(crate) fn complete(&self, offsets: Vec<(TopicPartition, Offset)>) {
        *self.completed.lock() = offsets;
    }

    pub(crate) fn phase(&self) -> TaskPhase {
        *self.phase.lock()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, phase: TaskPhase) {
        *self.phase.lock() = phase;
    }
}

/// The tasks of this process.
#[derive(Debug, Default)]
pub(crate) struct TaskTable(Mutex<BTreeMap<TaskId, Arc<TaskStatus>>>);

impl TaskTable {
    pub(crate) fn insert(&self, id: TaskId, status: Arc<TaskStatus>) {
        self.0.lock().insert(id, status);
    }

    pub(crate) fn remove(&self, id: TaskId) {
        self.0.lock().remove(&id);
    }

    pub(crate) fn ids(&self) -> Vec<TaskId> {
        self.0.lock().keys().copied().collect()
    }

    /// Lag of the tasks for which `wanted` holds.
    pub(crate) fn lags(&self, wanted: impl Fn(TaskId) -> bool) -> Vec<Arc<ProgressCell>> {
        let tasks = self.0.lock();
        tasks.iter().filter(|(id, _)| wanted(**id)).map(|(_, status)| status.lag.clone()).collect()
    }

    /// By source partition of all tasks, the offset before which everything is done.
    pub(crate) fn completed(&self) -> BTreeMap<TopicPartition, Offset> {
        self.0.lock().values().flat_map(|status| status.completed.lock().clone()).collect()
    }

    /// Each task's phase, by task.
    pub(crate) fn phases(&self) -> Vec<(TaskId, TaskPhase)> {
        self.0.lock().iter().map(|(id, status)| (*id, status.phase())).collect()
    }

    /// What the stores of all tasks were rebuilt from.
    pub(crate) fn restored(&self) -> Restored {
        self.0.lock().values().fold(Restored::default(), |sum, status| sum.plus(*status.restored.lock()))
    }

    /// The tasks whose stores are being rebuilt.
    pub(crate) fn restores(&self) -> Vec<RestoreStatus> {
        let is_restoring =
            |status: &TaskStatus| matches!(status.phase(), TaskPhase::Opening | TaskPhase::Restoring { .. });
        let tasks = self.0.lock();
        tasks.iter().filter(|(_, it)| is_restoring(it)).map(|(id, it)| it.watch.lock().status(*id)).collect()
    }

    /// Why restores stand still, of those that do.
    pub(crate) fn stalls(&self) -> Vec<RestoreStall> {
        self.0.lock().values().filter_map(|status| status.watch.lock().stall().cloned()).collect()
    }

    /// The application runs with these tasks.
    pub(crate) fn settle(&self) {
        self.0.lock().values().for_each(|status| status.settled.store(true, Ordering::Relaxed));
    }

    /// The application's state that follows from the tasks' phases.
    pub(crate) fn state(&self) -> AppState {
        let (mut restoring, mut opening, mut remaining, mut behind) = (None, false, 0, false);
        for (_, phase) in self.phases() {
            match phase {
                TaskPhase::Opening => opening = true,
                TaskPhase::Restoring { done, total } => {
                    let (all_done, all) = restoring.unwrap_or((0, 0));
                    restoring = Some((all_done + done, all + total));
                }
                TaskPhase::CatchingUp { remaining: n } => (behind, remaining) = (true, remaining + n),
                TaskPhase::Running => {}
            }
        }
        match restoring {
            Some((done, total)) => AppState::Restoring { done, total },
            None if opening => AppState::Restoring { done: 0, total: 0 },
            None if behind => AppState::CatchingUp { remaining },
            None => AppState::Running,
        }
    }
}
