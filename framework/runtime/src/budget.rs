//! One budget of memory for what a process holds on its way: records that were read and wait, rows in record caches, and
//! what was written and is not known to be stored.
//!
//! Where it is used up, record caches are emptied and what was written is committed; until that has made room, no source is
//! read from but those of which nothing waits, a record at a time: so every task goes on, and nothing else grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::Gauge;

/// What memory is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Records that were read and wait.
    Reading,
    /// Rows in record caches.
    Caches,
    /// What was written and is not known to be stored.
    Writing,
}

/// Bytes that a process holds on its way, by what they are held for. Stores are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryHeld {
    /// Records that were read and wait to be processed.
    pub reading: u64,
    /// Rows that record caches hold back.
    pub caches: u64,
    /// Records that were written since they were last known to be stored.
    pub writing: u64,
    /// The most that all of them took together.
    pub most: u64,
}

/// What all workers of a process hold, and how much that may be.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Option<u64>,
    held: [AtomicU64; 3],
    most: AtomicU64,
    gauges: [Gauge; 3],
}

impl Budget {
    pub(crate) fn new(limit: Option<u64>) -> Arc<Self> {
        let gauge = |part: &'static str| metrics::gauge!("nowfold_memory_bytes", "part" => part);
        let gauges = [gauge("reading"), gauge("caches"), gauge("writing")];
        Arc::new(Self { limit, held: Default::default(), most: AtomicU64::new(0), gauges })
    }

    /// What is held now.
    pub(crate) fn held(&self) -> MemoryHeld {
        let [reading, caches, writing] = self.held.each_ref().map(|held| held.load(Ordering::Relaxed));
        MemoryHeld { reading, caches, writing, most: self.most.load(Ordering::Relaxed) }
    }

    fn all(&self) -> u64 {
        self.held.iter().map(|held| held.load(Ordering::Relaxed)).sum()
    }

    /// Whether no more is to be taken in.
    pub(crate) fn is_used_up(&self) -> bool {
        self.limit.is_some_and(|limit| self.all() >= limit)
    }

    /// Whether what is written and not stored takes all of it, so that no task may go on.
    pub(crate) fn is_full_of_writes(&self) -> bool {
        let [_, _, writing] = &self.held;
        self.limit.is_some_and(|limit| writing.load(Ordering::Relaxed) >= limit)
    }

    /// Whether committing what is written would make much room.
    pub(crate) fn is_heavy_with_writes(&self) -> bool {
        let [_, _, writing] = &self.held;
        self.limit.is_some_and(|limit| writing.load(Ordering::Relaxed) >= limit / 4)
    }

    /// How many records of at most `largest` bytes, or of an unknown size, a source may give that has `waiting` already.
    pub(crate) fn room_for(&self, wanted: usize, waiting: usize, largest: Option<usize>) -> usize {
        let Some(limit) = self.limit else { return wanted };
        let room = limit.saturating_sub(self.all());
        let fitting = largest.map_or(FIRST, |largest| room / u64::try_from(largest.max(1)).unwrap_or(u64::MAX));
        let fitting = if room == 0 { 0 } else { usize::try_from(fitting).unwrap_or(usize::MAX) };
        fitting.min(wanted).max(usize::from(waiting == 0 && wanted > 0))
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to 2^53 bytes")]
    fn change(&self, part: Part, before: u64, now: u64) {
        if before == now {
            return;
        }
        let [reading, caches, writing] = &self.held;
        let [of_reading, of_caches, of_writing] = &self.gauges;
        let (held, gauge) = match part {
            Part::Reading => (reading, of_reading),
            Part::Caches => (caches, of_caches),
            Part::Writing => (writing, of_writing),
        };
        // Wraps as a difference does: the sum of all changes is never below zero.
        let all = held.fetch_add(now.wrapping_sub(before), Ordering::Relaxed).wrapping_add(now.wrapping_sub(before));
        gauge.set(all as f64);
        self.most.fetch_max(self.all(), Ordering::Relaxed);
    }
}

/// Records of unknown size that are read at first.
const FIRST: u64 = 16;

/// What one holder holds for one purpose; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    part: Part,
    held: u64,
}

impl Share {
    pub(crate) fn new(budget: Arc<Budget>, part: Part) -> Self {
        Self { budget, part, held: 0 }
    }

    /// So much is held now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let now = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.budget.change(self.part, self.held, now);
        self.held = now;
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        usize::try_from(self.held).unwrap_or(usize::MAX)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let budget = Budget::new(Some(100));
        let [mut one, mut other] = [Part::Reading, Part::Writing].map(|part| Share::new(budget.clone(), part));
        one.set(70);
        other.set(40);
        assert!(budget.is_used_up() && !budget.is_full_of_writes());
        one.set(10);
        let held = budget.held();
        assert_eq!((held.reading, held.caches, held.writing, held.most), (10, 0, 40, 110));
        drop((one, other));
        assert_eq!((budget.held().reading, budget.held().writing), (0, 0));
    }

    #[test]
    fn a_source_of_which_nothing_waits_may_always_give_a_record() {
        let budget = Budget::new(Some(100));
        let mut all = Share::new(budget.clone(), Part::Reading);
        assert_eq!(
            [budget.room_for(500, 0, Some(30)), budget.room_for(500, 0, None), budget.room_for(2, 5, None)],
            [3, 16, 2]
        );
        all.set(100);
        assert_eq!(
            [budget.room_for(500, 0, Some(30)), budget.room_for(500, 0, None), budget.room_for(500, 1, None)],
            [1, 1, 0]
        );
        assert_eq!(budget.room_for(0, 0, None), 0, "what is not wanted is not given");
    }

    #[test]
    fn without_a_limit_everything_fits() {
        let budget = Budget::new(None);
        let mut all = Share::new(budget.clone(), Part::Writing);
        all.set(usize::MAX / 2);
        assert!(!budget.is_used_up() && !budget.is_full_of_writes());
        assert_eq!(budget.room_for(500, 3, Some(1_000)), 500);
    }
}
