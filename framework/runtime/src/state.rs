//! The application's state, with its cause.

use std::fmt;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::host;

/// How often a simulated thread that waits for a state looks at it.
const LOOK: Duration = Duration::from_millis(10);

/// What an application is doing.
///
/// ```text
///   created ─▶ connecting ─▶ restoring ─▶ catching up ─▶ running ─▶ draining ─▶ stopped
///                                 ▲            ▲            │
///                                 └─────── rebalancing ◀────┘        any ─▶ failed
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppState {
    /// Not started.
    Created,
    /// Looking for the broker, checking and creating topics, loading global tables.
    Connecting,
    /// Waiting for partitions, or moving them between members.
    Rebalancing,
    /// Rebuilding stores.
    Restoring {
        /// Records read so far.
        done: u64,
        /// Records to read in all.
        total: u64,
    },
    /// Stores are whole; input that had gathered before the start is being processed.
    CatchingUp {
        /// Records that remain of it.
        remaining: u64,
    },
    /// Up to date.
    Running,
    /// Finishing, flushing and committing before the end.
    Draining,
    /// Ended in order.
    Stopped,
    /// Ended by an error.
    Failed {
        /// Its sentence.
        reason: String,
    },
}

impl AppState {
    /// The state's name in `nowfold_task_state` and JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Connecting => "connecting",
            Self::Rebalancing => "rebalancing",
            Self::Restoring { .. } => "restoring",
            Self::CatchingUp { .. } => "catching-up",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether the application has ended.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Stopped | Self::Failed { .. })
    }
}

impl fmt::Display for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Restoring { done, total } => write!(f, " ({done} of {total} records)"),
            Self::CatchingUp { remaining } => write!(f, " ({remaining} records to go)"),
            Self::Failed { reason } => write!(f, ": {reason}"),
            _ => Ok(()),
        }
    }
}

/// The present state, and a way to wait for another.
#[derive(Debug)]
pub struct StateCell {
    state: Mutex<AppState>,
    trouble: Mutex<Option<String>>,
    changed: Condvar,
}

impl Default for StateCell {
    fn default() -> Self {
        Self::new(AppState::Created)
    }
}

impl StateCell {
    /// A cell in this state, for tests of what reads it.
    pub fn new(state: AppState) -> Self {
        Self { state: Mutex::new(state), trouble: Mutex::new(None), changed: Condvar::new() }
    }

    /// The present state.
    pub fn get(&self) -> AppState {
        self.state.lock().clone()
    }

    /// What keeps the application in its state although it should go on: the sentence of a
    /// [`RestoreStall`](super::RestoreStall).
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Says what is in the way, or that nothing is.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock() = trouble;
    }

    /// Moves to another state, unless the application has ended.
    pub(crate) fn set(&self, next: AppState) {
        let mut state = self.state.lock();
        if state.is_final() || *state == next {
            return;
        }
        if state.name() != next.name() {
            tracing::info!(from = state.name(), to = %next, "state");
        }
        *state = next;
        self.changed.notify_all();
    }

    /// Waits until `reached` holds, at most `timeout`, and returns the state then.
    pub fn wait(&self, timeout: Duration, mut reached: impl FnMut(&AppState) -> bool) -> AppState {
        if let Some(scheduler) = host::scheduler() {
            let until = scheduler.now().checked_add(timeout);
            while !reached(&self.get()) && until.is_none_or(|until| scheduler.now() < until) {
                host::sleep(LOOK);
            }
            return self.get();
        }
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !reached(state), timeout);
        state.clone()
    }
}
