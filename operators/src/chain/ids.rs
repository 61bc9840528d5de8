//! Which event ids an actor has, for actors with many events.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::memory::Heap;

/// Event times by the hash of the event id. Different ids may share a hash, so a hit is a candidate to be compared.
///
/// Many ids are spread over several tables, so that no insert waits for a large one to grow.
#[derive(Debug, Default)]
pub(crate) struct IdIndex {
    tables: Vec<HashTable<(u64, i64)>>,
    /// Whoever makes ids may choose their hashes; where those lie in a table, nobody can.
    hasher: RandomState,
    len: usize,
}

/// Up to so many ids are in one table.
const IN_ONE: usize = 4_096;

/// Tables for more.
const TABLES: usize = 64;

impl IdIndex {
    /// Times of events whose id has this hash.
    pub(crate) fn times(&self, hash: u64) -> impl Iterator<Item = i64> + '_ {
        let spread = self.hasher.hash_one(hash);
        let table = self.tables.get(self.table(spread));
        let entries = table.into_iter().flat_map(move |table| table.iter_hash(spread));
        entries.filter(move |(other, _)| *other == hash).map(|(_, t)| *t)
    }

    /// Events it knows.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory that it takes.
    pub(crate) fn heap(&self) -> Heap {
        let table =
            |table: &HashTable<_>| Heap::piece(table.len() * (size_of::<(u64, i64)>() + 1), table.allocation_size());
        Heap::vec(&self.tables) + self.tables.iter().map(table).sum()
    }

    pub(crate) fn insert(&mut self, hash: u64, t: i64) {
        let n = if self.len < IN_ONE { 1 } else { TABLES };
        if self.tables.len() < n {
            self.spread_over(n);
        }
        self.put(hash, t);
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, hash: u64, t: i64) {
        let spread = self.hasher.hash_one(hash);
        let at = self.table(spread);
        let entry = self.tables.get_mut(at).map(|table| table.find_entry(spread, |entry| *entry == (hash, t)));
        if let Some(Ok(entry)) = entry {
            entry.remove();
            self.len -= 1;
        }
    }

    fn put(&mut self, hash: u64, t: i64) {
        let spread = self.hasher.hash_one(hash);
        let at = self.table(spread);
        let Self { tables, hasher, .. } = self;
        if let Some(table) = tables.get_mut(at) {
            table.insert_unique(spread, (hash, t), |(hash, _)| hasher.hash_one(*hash));
        }
    }

    fn spread_over(&mut self, n: usize) {
        let all = std::mem::replace(&mut self.tables, std::iter::repeat_with(HashTable::new).take(n).collect());
        all.into_iter().flatten().for_each(|(hash, t)| self.put(hash, t));
    }

    /// The table of an id. A table itself looks at the lowest and the highest bits.
    fn table(&self, spread: u64) -> usize {
        if self.tables.len() < TABLES { 0 } else { usize::try_from(spread >> 32).unwrap_or(0) % TABLES }
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
        assert_eq!((ids.times(7).count(), ids.len()), (0, 0));
    }

    #[test]
    fn finds_ids_when_they_are_many() {
        let mut ids = IdIndex::default();
        let n = 3 * u64::try_from(IN_ONE).unwrap();
        (0..n).for_each(|hash| ids.insert(hash, hash.cast_signed() + 5));
        (0..n).step_by(3).for_each(|hash| ids.remove(hash, hash.cast_signed() + 5));
        for hash in 0..n {
            let expected = if hash.is_multiple_of(3) { None } else { Some(hash.cast_signed() + 5) };
            assert_eq!(ids.times(hash).next(), expected);
        }
        assert_eq!((ids.len(), ids.tables.len()), (2 * IN_ONE, TABLES));
    }
}
