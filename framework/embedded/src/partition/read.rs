//! Reading: a short look under the lock, the copying mostly outside it.

use std::sync::Arc;

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_runtime::broker::BrokerError;

use super::segment::{Chunk, Piece};
use super::state::State;
use super::{Partition, Signal, signal};

impl Partition {
    /// Appends up to `max` records from `position` on to `into` and returns where to go on: past the last record
    /// returned, or at the end of what is readable when that was reached; `signal` is then woken by the next append.
    pub(crate) fn read(
        &self,
        position: Offset,
        max: usize,
        into: &mut Vec<LogRecord>,
        signal: &Arc<Signal>,
    ) -> Result<Offset, BrokerError> {
        let (start, full) = (into.len(), into.len().saturating_add(max));
        let mut next = position;
        while into.len() < full {
            match self.step(next, full - into.len(), into, signal) {
                Ok(Step::Chunk(chunk, end)) => copy(&chunk, next, end, full - into.len(), into),
                Ok(Step::Copied) => {}
                Ok(Step::End(end)) => return Ok(end),
                Err(error) if into.len() == start => return Err(error),
                // Retention overtook this read: what was read is good, the next read reports it.
                Err(_) => return Ok(next),
            }
            next = into.last().map_or(next, |record| record.offset + 1);
        }
        Ok(next)
    }

    /// The part of a read that needs the lock.
    fn step(
        &self,
        position: Offset,
        room: usize,
        into: &mut Vec<LogRecord>,
        signal: &Arc<Signal>,
    ) -> Result<Step, BrokerError> {
        let mut state = self.state.lock();
        let step = self.look(&state, position, room, into);
        if matches!(step, Ok(Step::Chunk(..) | Step::Copied)) {
            return step;
        }
        // A reader that finds nothing is what an outbox is written out for. Under the same lock, or a record that
        // slipped in between would lie there while the reader waits.
        state.write_out(&self.id);
        let waiters = self.publish(&mut state);
        let step = self.look(&state, position, room, into);
        if matches!(step, Ok(Step::End(_))) {
            state.wait(signal);
        }
        drop(state);
        signal::wake(waiters);
        step
    }

    fn look(
        &self,
        state: &State,
        position: Offset,
        room: usize,
        into: &mut Vec<LogRecord>,
    ) -> Result<Step, BrokerError> {
        let (low, high) = (state.low(), state.readable_end());
        if !(low..=high).contains(&position) {
            return Err(BrokerError::OffsetOutOfRange { partition: self.id.clone(), offset: position, low, high });
        }
        match state.piece_at(position) {
            Some(Piece::Finished(chunk)) => return Ok(Step::Chunk(Arc::clone(chunk), high)),
            Some(Piece::Tail(records)) => copy(records, position, high, room, into),
            None => return Ok(Step::End(high)),
        }
        Ok(Step::Copied)
    }
}

/// What a read found under the lock.
enum Step {
    /// A finished chunk to copy from, up to this offset.
    Chunk(Chunk, Offset),
    /// Records were copied.
    Copied,
    /// Nothing: this is the end.
    End(Offset),
}

/// Copies up to `room` records with offsets in `position..end`.
fn copy(records: &[LogRecord], position: Offset, end: Offset, room: usize, into: &mut Vec<LogRecord>) {
    let first = records.partition_point(|record| record.offset < position);
    let last = records.partition_point(|record| record.offset < end);
    let readable = records.get(first..last).unwrap_or_default();
    into.extend(readable.iter().take(room).cloned());
}
