//! When which actor has something to forget: an ordered wheel of buckets.
//!
//! An actor is registered in the bucket of its earliest event or tombstone. A bucket is due once everything in it has
//! expired; a due actor is pruned and registered again. Out-of-order events register the actor in an earlier bucket
//! too, and the later entry is then found stale. Nothing depends on when this happens: reads test the floor themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::time::millis;

use super::memory::Heap;

/// Actors by the time at which they have something to forget.
#[derive(Debug)]
pub(crate) struct Wheel {
    width_ms: i64,
    /// Hashes of the actors' names.
    buckets: BTreeMap<i64, Vec<u64>>,
}

impl Wheel {
    /// Buckets of one hour, or of a 64th of a short retention; `fine` ones of a 65,536th, and no less than a second.
    pub(crate) fn new(retention: Duration, fine: bool) -> Self {
        let parts = if fine { 65_536 } else { 64 };
        Self { width_ms: (millis(retention) / parts).clamp(1_000, 3_600_000), buckets: BTreeMap::new() }
    }

    /// The last millisecond of the first bucket.
    pub(crate) fn end_of_first(&self) -> Option<i64> {
        let (bucket, _) = self.buckets.first_key_value()?;
        Some(bucket.saturating_add(1).saturating_mul(self.width_ms).saturating_sub(1))
    }

    /// The bucket of a time.
    pub(crate) fn bucket(&self, t: i64) -> i64 {
        t.div_euclid(self.width_ms)
    }

    pub(crate) fn register(&mut self, bucket: i64, actor: u64) {
        self.buckets.entry(bucket).or_default().push(actor);
    }

    /// Memory that it takes.
    pub(crate) fn heap(&self) -> Heap {
        let entries = self.buckets.len() * size_of::<(i64, Vec<u64>)>();
        Heap::piece(entries, entries) + self.buckets.values().map(Heap::vec).sum()
    }

    /// An actor of a bucket of which everything is at or before the floor.
    pub(crate) fn pop_due(&mut self, floor: i64) -> Option<(i64, u64)> {
        loop {
            let mut first = self.buckets.first_entry()?;
            let bucket = *first.key();
            if bucket >= floor.saturating_add(1).div_euclid(self.width_ms) {
                return None;
            }
            match first.get_mut().pop() {
                Some(actor) => return Some((bucket, actor)),
                None => {
                    first.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_due_when_its_whole_bucket_has_expired() {
        let mut wheel = Wheel::new(Duration::from_secs(64), false);
        wheel.register(wheel.bucket(1_999), 7);
        assert_eq!((wheel.pop_due(1_998), wheel.end_of_first()), (None, Some(1_999)));
        assert_eq!(wheel.pop_due(1_999), Some((1, 7)));
        assert_eq!(wheel.pop_due(i64::MAX), None);
    }
}
