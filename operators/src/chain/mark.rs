//! How far a partition is, readable without waiting for the writer.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use nowfold_core::names::Offset;
use nowfold_core::time::Timestamp;

/// How far a partition is after one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The largest time of an admitted event; [`Timestamp::MIN`] before the first.
    pub stream_time: Timestamp,
    /// The offset of the last record applied, inclusive.
    pub applied: Option<Offset>,
}

/// A [`Mark`] with one writer and any number of readers, who always see a pair that was true at one moment.
///
/// The writer fills the slot that readers do not use, then moves them on by raising the turn. A reader tries again
/// only when the writer has finished a turn meanwhile, so it never waits for a writer that stands still.
#[derive(Debug)]
pub(crate) struct MarkCell {
    turn: AtomicU64,
    even: Slot,
    odd: Slot,
}

#[derive(Debug)]
struct Slot {
    stream_time: AtomicI64,
    applied: AtomicI64,
}

const NOTHING: Offset = -1;

impl MarkCell {
    pub(crate) fn new() -> Self {
        let slot = || Slot { stream_time: AtomicI64::new(i64::MIN), applied: AtomicI64::new(NOTHING) };
        Self { turn: AtomicU64::new(0), even: slot(), odd: slot() }
    }

    /// Publishes a mark; only the one writer calls this.
    pub(crate) fn publish(&self, stream_time: i64, applied: Offset) {
        let turn = self.turn.load(Ordering::Relaxed) + 1;
        // Released, so that a reader who sees these values of a slot that is reused also sees the turn before.
        let slot = self.slot(turn);
        slot.stream_time.store(stream_time, Ordering::Release);
        slot.applied.store(applied, Ordering::Release);
        self.turn.store(turn, Ordering::Release);
    }

    pub(crate) fn read(&self) -> Mark {
        loop {
            let turn = self.turn.load(Ordering::Acquire);
            let slot = self.slot(turn);
            let stream_time = Timestamp::from_millis(slot.stream_time.load(Ordering::Acquire));
            let applied = slot.applied.load(Ordering::Acquire);
            if self.turn.load(Ordering::Relaxed) == turn {
                return Mark { stream_time, applied: (applied != NOTHING).then_some(applied) };
            }
        }
    }

    fn slot(&self, turn: u64) -> &Slot {
        if turn.is_multiple_of(2) { &self.even } else { &self.odd }
    }
}
