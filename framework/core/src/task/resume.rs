//! What calls came to, on its way through the rest of the task.

use std::any::Any;

use super::Task;
use super::calls::{CallId, CallOutput, Caller};
use super::flight::{Entry, Look, Output, State};
use super::graph::NodeContext;
use crate::failure::TaskFailure;
use crate::names::{Offset, TopicPartition};
use crate::time::Timestamp;

impl Task {
    /// Takes what a call came to; the next [`process`](Self::process) goes on with it. A call that the task does not wait
    /// for any more is passed over.
    pub fn complete(&mut self, id: CallId, output: CallOutput) {
        self.shared.calls.complete(id, output);
    }

    /// Whether no record waits for a call, and no row in a record cache. A task comes to rest when [`process`](Self::process) is called with a maximum of 0,
    /// and [`prepare_commit`](Self::prepare_commit), until its calls are over. Exactly-once, everything is committed at rest only.
    pub fn is_at_rest(&self) -> bool {
        self.shared.calls.is_empty() && self.shared.caches.is_empty()
    }

    /// Whether the task gives out changelog writes and offsets only at rest: it has stores beside its calls that outlive the process.
    /// A changelog that is ahead of the results under way could say after a crash that something was done which was not.
    pub fn commits_at_rest(&self) -> bool {
        self.commits_at_rest
    }

    /// When a call is due to be made again, or to be given up; calls of [`process`](Self::process) see to it.
    pub fn calls_due(&self) -> Option<Timestamp> {
        self.shared.calls.due()
    }

    /// Whether the task gives out no offsets now: its stores are ahead of what it has given out.
    pub fn holds_commits(&self) -> bool {
        self.holds_changelog() || !self.shared.caches.is_empty()
    }

    pub(super) fn holds_changelog(&self) -> bool {
        self.commits_at_rest && !self.shared.calls.is_empty()
    }

    /// The offset of a source up to which all effects have arisen.
    pub(super) fn position(&self, source: usize) -> Option<Offset> {
        let next = self.queues.get(source)?.next_offset?;
        Some(self.shared.calls.first_pin(source).map_or(next, |pinned| pinned.min(next)))
    }

    /// Goes on with the calls that are over; a cause is returned when one must wait below its operator.
    pub(super) fn resume_calls(&mut self) -> Result<Option<String>, TaskFailure> {
        let now = self.shared.wall_clock;
        if !self.shared.calls.is_worth_a_look(now) {
            return Ok(None);
        }
        self.shared.calls.time_out(now, &mut self.shared.effects.cancelled);
        let mut from = 0;
        while let Some((node, _)) = self.shared.calls.flight_from(from) {
            if let Some(cause) = self.resume_flight(node)? {
                self.shared.calls.look_again();
                return Ok(Some(cause));
            }
            from = node + 1;
        }
        Ok(None)
    }

    fn resume_flight(&mut self, node: usize) -> Result<Option<String>, TaskFailure> {
        let mut look = Look::default();
        while let Some((_, flight)) = self.shared.calls.flight_from(node) {
            let caller = flight.caller();
            let Some((entry, output)) = flight.take_over(&mut look) else { break };
            let (back, blocked) = self.resume_one((node, &caller), entry, output)?;
            if let (Some(entry), Some((_, flight))) = (back, self.shared.calls.flight_from(node)) {
                flight.put_back(&mut look, entry);
            }
            if blocked.is_some() {
                return Ok(blocked);
            }
        }
        Ok(None)
    }

    /// Goes on with one call; gives it back when it is not done with, and the cause when nothing else may go on either.
    fn resume_one(
        &mut self,
        (node, caller): (usize, &Caller),
        mut entry: Entry,
        output: Output,
    ) -> Result<(Option<Entry>, Option<String>), TaskFailure> {
        let now = self.shared.wall_clock;
        if let Some(cause) = entry.waits.holds(now) {
            entry.state = State::Over(output);
            return Ok((Some(entry), Some(cause)));
        }
        self.shared.resume(&entry.place, entry.waits.attempt());
        let result = self.emit((node, caller), entry.record.as_ref(), output);
        match (self.shared.settle(), result) {
            (None, _) => {
                self.release(entry.place.pin);
                Ok((None, None))
            }
            (Some(stop), Some(result)) if stop.retriable => {
                entry.state = State::Over(Ok(result));
                entry.waits.failed(now, stop.wait, &stop.cause);
                Ok((Some(entry), Some(stop.cause)))
            }
            (Some(stop), None) if stop.retriable => {
                entry.again(now, stop.wait, &stop.cause);
                Ok((Some(entry), None))
            }
            (Some(stop), _) => {
                let (source, record) = self.shared.source_record();
                let (source, offset): (TopicPartition, _) = (source.clone(), record.offset);
                Err(stop.into_failure(source, offset))
            }
        }
    }

    /// Sends a result down, and gives it back in case it must come again; or has a failure judged.
    fn emit(
        &mut self,
        (node, caller): (usize, &Caller),
        record: &dyn Any,
        output: Output,
    ) -> Option<Box<dyn Any + Send>> {
        let mut cx = NodeContext { nodes: &mut self.nodes, wiring: &self.wiring, shared: &mut self.shared, node };
        let (outcome, result) = match output {
            Ok(result) => ((caller.emit)(&mut cx, record, result.as_ref()), Some(result)),
            Err(error) => (Err(error), None),
        };
        if let (Err(error), Some(wiring)) = (outcome, self.wiring.get(node)) {
            // An error that stops the task is remembered by `shared` until it is settled.
            let _ = self.shared.failed(wiring, error);
        }
        result
    }

    fn release(&mut self, pin: Option<(usize, Offset)>) {
        self.shared.calls.unpin(pin);
        if let Some(queue) = pin.and_then(|(source, _)| self.queues.get_mut(source)) {
            queue.dirty = true;
        }
    }
}
