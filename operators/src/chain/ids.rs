//! Which event ids an actor has, for actors with many events.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::memory::Heap;

/// Event times by the hash of the event id. Different ids may share a hash, so a hit is a candidate to be compared.
#[derive(Debug, Default)]
pub(crate) struct IdIndex {
    times: HashMap<u64, i64, RandomState>,
    collided: Vec<(u64, i64)>,
}

impl IdIndex {
    /// Times of events whose id has this hash.
    pub(crate) fn times(&self, hash: u64) -> impl Iterator<Item = i64> + '_ {
        let collided = self.collided.iter().filter(move |(at, _)| *at == hash).map(|(_, t)| *t);
        self.times.get(&hash).copied().into_iter().chain(collided)
    }

    /// Events it knows.
    pub(crate) fn len(&self) -> usize {
        self.times.len() + self.collided.len()
    }

    /// Memory that it takes.
    pub(crate) fn heap(&self) -> Heap {
        Heap::table::<(u64, i64)>(self.times.len(), self.times.capacity()) + Heap::vec(&self.collided)
    }

    pub(crate) fn insert(&mut self, hash: u64, t: i64) {
        if let Some(before) = self.times.insert(hash, t) {
            self.collided.push((hash, before));
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, t: i64) {
        if let Some(at) = self.collided.iter().position(|entry| *entry == (hash, t)) {
            self.collided.swap_remove(at);
        } else if self.times.get(&hash) == Some(&t) {
            match self.collided.iter().position(|(at, _)| *at == hash) {
                Some(at) => {
                    let (_, t) = self.collided.swap_remove(at);
                    self.times.insert(hash, t);
                }
                None => {
                    self.times.remove(&hash);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_apart_events_whose_ids_share_a_hash() {
        let mut ids = IdIndex::default();
        for t in [10, 20, 30] {
            ids.insert(7, t);
        }
        ids.remove(7, 30);
        ids.remove(7, 99);
        let mut times: Vec<_> = ids.times(7).collect();
        times.sort_unstable();
        assert_eq!(times, [10, 20]);
        ids.remove(7, 10);
        ids.remove(7, 20);
        assert_eq!(ids.times(7).count(), 0);
    }
}
