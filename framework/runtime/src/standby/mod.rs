//! Standbys: warm copies of the stores of tasks that other processes own.
//!
//! ```text
//!   control topic ── wanted ──▶ thread ── copies ──▶ control topic: standby records with lag
//!                                  ▲
//!        worker that opens a task ─┘ takes its copy, and goes on where that is
//! ```
//!
//! One thread per process keeps them up to date. It reads what is committed, writes nothing to the broker, and ends no
//! application: a copy that fails is dropped and begun anew later. What is copied: stores with changelogs, and event
//! logs. Tables that come back from their source topic are read by the next owner, up to the group's offsets.

mod copy;
mod thread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nowfold_core::names::Offset;
use nowfold_core::task::TaskId;
use parking_lot::Mutex;

use super::broker::Waker;
use super::mailbox::{self, Receiver, Sender};
use super::signal::Signal;
pub(crate) use copy::{StandbyCopy, can_be_copied};
pub(crate) use thread::{SETTLED, StandbyThread};

/// A copy that this process keeps of a task that another one owns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandbyStatus {
    /// The task.
    pub task: TaskId,
    /// Records that it has not applied yet; `None` before the ends of its topics are known.
    pub lag: Option<u64>,
    /// The next offset of each topic that it follows, by `topic-partition`.
    pub position: BTreeMap<String, Offset>,
}

/// What is asked of the thread.
#[derive(Debug)]
pub(crate) enum Request {
    /// Hand out the copy of a task, if there is one; there will be none until the task is let go of.
    Take(TaskId, Sender<Option<Box<StandbyCopy>>>),
    /// Go on with a copy: a task was handed over, or could not be opened yet.
    Keep(Box<StandbyCopy>),
    /// Drop all copies and end.
    Stop,
}

/// What workers, the control topic and the thread share.
#[derive(Debug)]
pub(crate) struct Standbys {
    requests: Sender<Request>,
    signal: Arc<Signal>,
    /// Tasks that this process is to keep copies of.
    wanted: Mutex<BTreeSet<TaskId>>,
    /// Tasks that are open on a worker: their directories are not to be opened twice.
    held: Mutex<BTreeMap<TaskId, usize>>,
    copies: Mutex<Vec<StandbyStatus>>,
}

/// A task is open while this lives.
#[derive(Debug)]
pub(crate) struct Held(Arc<Standbys>, TaskId);

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.0.held.lock();
        if let Some(n) = held.get_mut(&self.1) {
            *n -= 1;
            if *n == 0 {
                held.remove(&self.1);
            }
        }
    }
}

impl Standbys {
    pub(crate) fn new() -> (Arc<Self>, Receiver<Request>) {
        let (requests, inbox) = mailbox::channel();
        let (wanted, held, copies) = (Mutex::default(), Mutex::default(), Mutex::default());
        (Arc::new(Self { requests, signal: Arc::default(), wanted, held, copies }), inbox)
    }

    /// A worker opens a task from now on. To be called before [`take`](Self::take).
    pub(crate) fn hold(self: &Arc<Self>, id: TaskId) -> Held {
        *self.held.lock().entry(id).or_default() += 1;
        Held(self.clone(), id)
    }

    /// The copy of a task that a worker opens, if there is one.
    pub(crate) fn take(&self, id: TaskId) -> Option<Box<StandbyCopy>> {
        let (reply, answer) = mailbox::channel();
        self.ask(Request::Take(id, reply));
        answer.recv().ok().flatten()
    }

    /// Goes on with a copy, as long as it is wanted.
    pub(crate) fn keep(&self, copy: Box<StandbyCopy>) {
        self.ask(Request::Keep(copy));
    }

    /// Drops all copies; the thread ends.
    pub(crate) fn stop(&self) {
        self.ask(Request::Stop);
    }

    fn ask(&self, request: Request) {
        let _ = self.requests.send(request);
        self.signal.call();
    }

    /// Replaces what copies are to be kept.
    pub(crate) fn want(&self, tasks: BTreeSet<TaskId>) {
        let mut wanted = self.wanted.lock();
        if *wanted != tasks {
            *wanted = tasks;
            self.signal.call();
        }
    }

    pub(crate) fn wanted(&self) -> BTreeSet<TaskId> {
        self.wanted.lock().clone()
    }

    pub(crate) fn is_held(&self, id: TaskId) -> bool {
        self.held.lock().contains_key(&id)
    }

    /// The copies there are.
    pub(crate) fn copies(&self) -> Vec<StandbyStatus> {
        self.copies.lock().clone()
    }
}

/// Wakes whoever reads a copy: its thread, and later the worker that took it.
#[derive(Clone)]
pub(crate) struct Relay(Arc<Mutex<Waker>>);

impl Relay {
    pub(crate) fn new(to: Waker) -> Self {
        Self(Arc::new(Mutex::new(to)))
    }

    pub(crate) fn turn_to(&self, to: &Waker) {
        *self.0.lock() = to.clone();
        to();
    }

    pub(crate) fn waker(&self) -> Waker {
        let relay = self.clone();
        Arc::new(move || {
            let to = relay.0.lock().clone();
            to();
        })
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay")
    }
}
