//! The limit of a partition's memory, and what its store has let go of to keep it.
//!
//! The oldest events of all actors go, by whole buckets of the expiry wheel: the partition's floor rises, as if the
//! retention were shorter. What lies at or before it is gone for every actor, so that an answer can say at once whether it
//! misses something.

use std::sync::atomic::{AtomicI64, Ordering};

use super::store::EventChains;
use super::writer::Writer;

/// What a store does whose partition has no room for another event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The application stops at the event, with an error that names the store and what to do.
    #[default]
    Stop,
    /// The oldest events of the partition go, of all actors alike; where that makes no room, the new event is not kept.
    /// Answers whose windows reach back to what went say `truncated`.
    DropOldest,
}

/// How much memory a partition may take, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes, as [`EventChains::bytes`] estimates them, without what is remembered of drops, which has its own limit.
    pub bytes: usize,
    /// What happens to the event that finds no room.
    pub when_full: WhenFull,
}

/// What was let go of, for readers of any thread. Both times only rise.
#[derive(Debug)]
pub(crate) struct Shed {
    gone: AtomicI64,
    missing: AtomicI64,
}

impl Shed {
    pub(crate) fn nothing() -> Self {
        Self { gone: AtomicI64::new(i64::MIN), missing: AtomicI64::new(i64::MIN) }
    }

    /// Events at or before this time are gone.
    pub(crate) fn gone(&self) -> i64 {
        self.gone.load(Ordering::Acquire)
    }

    /// Events at or before this time may be missing: those that are gone, and those that were not kept.
    pub(crate) fn missing(&self) -> i64 {
        self.missing.load(Ordering::Acquire)
    }

    /// Lets go of everything up to `t`; to be called before any of it is removed.
    pub(crate) fn raise(&self, t: i64) {
        self.miss(t);
        self.gone.fetch_max(t, Ordering::AcqRel);
    }

    /// An event of time `t` is not kept.
    pub(crate) fn miss(&self, t: i64) {
        self.missing.fetch_max(t, Ordering::AcqRel);
    }
}

impl EventChains {
    /// Makes room for an event of time `t`, as far as the limit asks for it and allows it. Returns whether there is room.
    pub(super) fn make_room(&self, writer: &mut Writer, t: i64) -> bool {
        let Some(limit) = self.config().memory_limit else { return true };
        while writer.bytes() >= limit.bytes {
            let has_gone = self.prune_one(writer);
            if !has_gone && (limit.when_full == WhenFull::Stop || !self.let_go(writer, t)) {
                return false;
            }
        }
        true
    }

    /// Lets go of the oldest bucket that lies before the newest event, or before the one of time `t` that is to come.
    fn let_go(&self, writer: &mut Writer, t: i64) -> bool {
        let newest = writer.stream_time().max(t);
        let Some(until) = writer.wheel.end_of_first().filter(|until| *until < newest) else { return false };
        self.shed().raise(until);
        writer.shed_until(until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_missing_and_neither_comes_back() {
        let shed = Shed::nothing();
        shed.miss(5);
        assert_eq!((shed.gone(), shed.missing()), (i64::MIN, 5));
        shed.raise(3);
        assert_eq!((shed.gone(), shed.missing()), (3, 5));
        shed.raise(9);
        shed.raise(4);
        assert_eq!((shed.gone(), shed.missing()), (9, 9));
    }
}
