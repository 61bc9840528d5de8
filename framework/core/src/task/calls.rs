//! Calls that a task has under way: what asynchronous operators wait for.
//!
//! A task starts no call itself. It hands futures out with its [`Effects`](super::Effects), and takes what they come to
//! with [`Task::complete`](super::Task::complete). Each call is *pinned* to the record that it was made for: the position
//! that may be committed stays at that record until the call's result has gone through all that is below the operator.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::current::Place;
use super::flight::{Entry, Flight};
use super::graph::NodeContext;
use crate::names::Offset;
use crate::processor::ProcessError;
use crate::time::Timestamp;

/// A call's number, unique in its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

/// What a call is: to be polled to its end by the shell, on any thread.
pub type CallFuture = Pin<Box<dyn Future<Output = CallOutput> + Send>>;

/// A call to be started: an effect of a task.
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// What to run.
    pub future: CallFuture,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.id.0).finish()
    }
}

/// What a call came to.
pub struct CallOutput(pub(crate) Result<Box<dyn Any + Send>, ProcessError>);

impl CallOutput {
    /// A call that the shell could not bring to its end, such as one that panicked. Judged as if the call had said so.
    pub fn failed(cause: impl Into<String>) -> Self {
        Self(Err(ProcessError::new(cause)))
    }
}

impl fmt::Debug for CallOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallOutput").field(&self.0.as_ref().map(|_| ())).finish()
    }
}

/// Makes the call for a record.
type Make = Box<dyn Fn(&dyn Any) -> CallFuture + Send + Sync>;

/// Sends a call's result down from its operator; the first is the record, the second the result.
type Emit = Box<dyn Fn(&mut NodeContext<'_>, &dyn Any, &dyn Any) -> Result<(), ProcessError> + Send + Sync>;

/// How an operator calls.
pub(crate) struct Caller {
    pub(crate) capacity: usize,
    pub(crate) timeout: Duration,
    pub(crate) call: Make,
    pub(crate) emit: Emit,
}

/// A call that the present record asks for. It is made when the record is done with.
pub(crate) struct Wanted {
    pub(crate) node: usize,
    pub(crate) caller: Arc<Caller>,
    /// Results of one lane leave in the order of their records.
    pub(crate) lane: u64,
    pub(crate) place: Place,
    pub(crate) record: Box<dyn Any + Send>,
}

/// All calls of a task.
#[derive(Default)]
pub(crate) struct Calls {
    wanted: Vec<Wanted>,
    /// By operator.
    flights: BTreeMap<usize, Flight>,
    /// How many calls each source record waits for; the key is the source's number and the record's offset.
    pins: BTreeMap<(usize, Offset), usize>,
    last_id: u64,
    last_look: Option<Timestamp>,
    has_news: bool,
}

impl Calls {
    pub(super) fn want(&mut self, wanted: Wanted) {
        self.wanted.push(wanted);
    }

    /// The present record leaves nothing behind.
    pub(super) fn forget(&mut self) {
        self.wanted.clear();
    }

    /// The present record is done with: what it asked for is to be made.
    pub(super) fn admit(&mut self) {
        for Wanted { node, caller, lane, place, record } in self.wanted.drain(..) {
            if let Some(pin) = place.pin {
                *self.pins.entry(pin).or_default() += 1;
            }
            let flight = self.flights.entry(node).or_insert_with(|| Flight::new(caller));
            flight.push(Entry::new(lane, place, record));
            self.has_news = true;
        }
    }

    /// A call's result has gone through, or its record was passed over.
    pub(super) fn unpin(&mut self, pin: Option<(usize, Offset)>) {
        let Some(pin) = pin else { return };
        match self.pins.get_mut(&pin) {
            Some(n) if *n > 1 => *n -= 1,
            _ => _ = self.pins.remove(&pin),
        }
    }

    /// The first record of a source that waits for a call.
    pub(super) fn first_pin(&self, source: usize) -> Option<Offset> {
        self.pins.range((source, Offset::MIN)..=(source, Offset::MAX)).next().map(|((_, offset), _)| *offset)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.values().all(Flight::is_empty)
    }

    /// Whether an operator has as many records as it takes.
    pub(super) fn is_full(&self) -> bool {
        self.flights.values().any(Flight::is_full)
    }

    /// Takes what a call came to; a call that is not waited for any more is none.
    pub(super) fn complete(&mut self, id: CallId, output: CallOutput) {
        let mut output = Some(output.0);
        self.has_news |= self.flights.values_mut().any(|flight| flight.complete(id, &mut output));
    }

    /// Whether there may be something to do at `now`: something came in, or time went on.
    pub(super) fn is_worth_a_look(&mut self, now: Timestamp) -> bool {
        let time_went_on = !self.is_empty() && self.last_look != Some(now);
        self.last_look = Some(now);
        std::mem::take(&mut self.has_news) || time_went_on
    }

    /// Something that came in is still to be gone on with.
    pub(super) fn look_again(&mut self) {
        self.has_news = true;
    }

    /// Ends the calls whose time is over; these are to be dropped.
    pub(super) fn time_out(&mut self, now: Timestamp, dropped: &mut Vec<CallId>) {
        self.flights.values_mut().for_each(|flight| flight.time_out(now, dropped));
    }

    /// Makes the calls that there is room for.
    pub(super) fn start(&mut self, now: Timestamp, started: &mut Vec<Call>) {
        for flight in self.flights.values_mut() {
            flight.start(now, started, || {
                self.last_id += 1;
                CallId(self.last_id)
            });
        }
    }

    /// The first operator from this one on that has calls.
    pub(super) fn flight_from(&mut self, node: usize) -> Option<(usize, &mut Flight)> {
        self.flights.range_mut(node..).next().map(|(node, flight)| (*node, flight))
    }

    /// When the first call that waits may be made, or is over.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.flights.values().filter_map(Flight::due).min()
    }
}
