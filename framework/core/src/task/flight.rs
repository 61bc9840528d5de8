//! The calls of one operator, in the order of their records.

use std::any::Any;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::calls::{Call, CallId, Caller};
use super::current::Place;
use super::waits::Waits;
use crate::processor::ProcessError;
use crate::time::{Timestamp, label, millisecs};

/// How long a call waits before it is made again where its handler does not say.
const SHORTLY: Duration = millisecs(500);

/// What a call came to.
pub(super) type Output = Result<Box<dyn Any + Send>, ProcessError>;

/// One record and its call.
pub(super) struct Entry {
    lane: u64,
    pub(super) place: Place,
    pub(super) record: Box<dyn Any + Send>,
    pub(super) state: State,
    pub(super) waits: Waits,
}

pub(super) enum State {
    /// To be made when there is room, and its time has come.
    Queued,
    Running {
        id: CallId,
        until: Timestamp,
    },
    Over(Output),
}

impl Entry {
    pub(super) fn new(lane: u64, place: Place, record: Box<dyn Any + Send>) -> Self {
        Self { lane, place, record, state: State::Queued, waits: Waits::default() }
    }

    /// The call is to be made again, after `wait`.
    pub(super) fn again(&mut self, now: Timestamp, wait: Option<Duration>, cause: &str) {
        self.state = State::Queued;
        self.waits.failed(now, Some(wait.unwrap_or(SHORTLY)), cause);
    }
}

/// The calls of one operator.
pub(crate) struct Flight {
    caller: Arc<Caller>,
    entries: VecDeque<Entry>,
    n_running: usize,
}

/// A look through the calls, from the oldest on. A lane is closed behind the first of its calls that stays.
#[derive(Default)]
pub(super) struct Look {
    next: usize,
    closed: HashSet<u64>,
}

impl Flight {
    pub(super) fn new(caller: Arc<Caller>) -> Self {
        Self { caller, entries: VecDeque::new(), n_running: 0 }
    }

    pub(super) fn caller(&self) -> Arc<Caller> {
        self.caller.clone()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.caller.capacity
    }

    /// Takes what a call came to; tells whether it is one of these.
    pub(super) fn complete(&mut self, call: CallId, output: &mut Option<Output>) -> bool {
        let is_it = |entry: &&mut Entry| matches!(entry.state, State::Running { id, .. } if id == call);
        let Some(entry) = self.entries.iter_mut().find(is_it) else { return false };
        let Some(output) = output.take() else { return false };
        entry.state = State::Over(output);
        self.n_running -= 1;
        true
    }

    /// Ends the calls whose time is over.
    pub(super) fn time_out(&mut self, now: Timestamp, dropped: &mut Vec<CallId>) {
        for entry in &mut self.entries {
            if let State::Running { id, until } = entry.state
                && until <= now
            {
                let limit = label(self.caller.timeout);
                entry.state = State::Over(Err(ProcessError::new(format!("the call took longer than {limit}"))));
                self.n_running -= 1;
                dropped.push(id);
            }
        }
    }

    /// Makes the calls that there is room for, the oldest first.
    pub(super) fn start(&mut self, now: Timestamp, started: &mut Vec<Call>, mut next_id: impl FnMut() -> CallId) {
        for entry in &mut self.entries {
            if self.n_running >= self.caller.capacity {
                return;
            }
            if matches!(entry.state, State::Queued) && entry.waits.holds(now).is_none() {
                let (id, future) = (next_id(), (self.caller.call)(entry.record.as_ref()));
                entry.state = State::Running { id, until: now.plus(self.caller.timeout) };
                self.n_running += 1;
                started.push(Call { id, future });
            }
        }
    }

    /// Takes out the next call that is over and whose lane is open.
    pub(super) fn take_over(&mut self, look: &mut Look) -> Option<(Entry, Output)> {
        while let Some(entry) = self.entries.get_mut(look.next) {
            let is_open = !look.closed.contains(&entry.lane);
            if is_open && matches!(entry.state, State::Over(_)) {
                let State::Over(output) = std::mem::replace(&mut entry.state, State::Queued) else { return None };
                return self.entries.remove(look.next).map(|entry| (entry, output));
            }
            look.closed.insert(entry.lane);
            look.next += 1;
        }
        None
    }

    /// Puts a call back that was taken out in this look, at its place.
    pub(super) fn put_back(&mut self, look: &mut Look, entry: Entry) {
        look.closed.insert(entry.lane);
        self.entries.insert(look.next, entry);
        look.next += 1;
    }

    /// When the first call that waits may be made, or one that runs is over.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let due = self.entries.iter().filter_map(|entry| match entry.state {
            State::Queued | State::Over(_) => entry.waits.until(),
            State::Running { until, .. } => Some(until),
        });
        due.min()
    }
}
