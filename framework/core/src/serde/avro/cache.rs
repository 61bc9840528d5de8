//! What was made once per schema or topic, found again without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::serde::SerdeError;

/// How many entries are kept; the oldest make room.
const CAPACITY: usize = 256;

/// How often a final error is repeated before its cause is asked again.
const REPEATS: u32 = 1_000;

/// A bounded map from `K` to what was made for it. Reading takes no lock; making is serialized, so a key is asked for
/// once however many threads want it.
pub(super) struct Cache<K, V> {
    entries: ArcSwap<Vec<(K, Arc<Entry<V>>)>>,
    making: Mutex<()>,
}

enum Entry<V> {
    Made(V),
    Refused { error: SerdeError, repeats_left: AtomicU32 },
}

impl<K: Clone + PartialEq, V> Cache<K, V> {
    pub(super) fn new() -> Self {
        Self { entries: ArcSwap::default(), making: Mutex::new(()) }
    }

    /// Applies `then` to what was made for `key`, making it first where needed.
    ///
    /// # Errors
    /// The error of `make`. One that is not retriable is repeated for a while without calling `make` again.
    pub(super) fn with<T>(
        &self,
        key: &K,
        make: impl FnOnce() -> Result<V, SerdeError>,
        then: impl FnOnce(&V) -> Result<T, SerdeError>,
    ) -> Result<T, SerdeError> {
        let entries = self.entries.load();
        if let Some(entry) = find(&entries, key) {
            return apply(entry, then);
        }
        drop(entries);
        let entry = self.make(key, make)?;
        apply(&entry, then)
    }

    /// Keeps `value` for `key`.
    pub(super) fn insert(&self, key: K, value: V) {
        let _making = self.making.lock();
        self.store(key, Arc::new(Entry::Made(value)));
    }

    /// Forgets the entries that `keep` does not name.
    pub(super) fn retain(&self, keep: impl Fn(&K) -> bool) {
        let _making = self.making.lock();
        let kept = self.entries.load().iter().filter(|(key, _)| keep(key)).cloned().collect();
        self.entries.store(Arc::new(kept));
    }

    fn make(&self, key: &K, make: impl FnOnce() -> Result<V, SerdeError>) -> Result<Arc<Entry<V>>, SerdeError> {
        let _making = self.making.lock();
        if let Some(entry) = find(&self.entries.load(), key) {
            return Ok(entry.clone());
        }
        let entry = match make() {
            Ok(value) => Entry::Made(value),
            Err(error) if error.is_retriable() => return Err(error),
            Err(error) => Entry::Refused { error, repeats_left: AtomicU32::new(REPEATS) },
        };
        let entry = Arc::new(entry);
        self.store(key.clone(), entry.clone());
        Ok(entry)
    }

    fn store(&self, key: K, entry: Arc<Entry<V>>) {
        let mut entries: Vec<_> = self.entries.load().iter().filter(|(other, _)| *other != key).cloned().collect();
        if entries.len() >= CAPACITY {
            entries.remove(0);
        }
        entries.push((key, entry));
        self.entries.store(Arc::new(entries));
    }
}

/// The entry of `key`, unless it is an error that was repeated often enough. The newest entries are looked at first.
fn find<'a, K: PartialEq, V>(entries: &'a [(K, Arc<Entry<V>>)], key: &K) -> Option<&'a Arc<Entry<V>>> {
    let (_, entry) = entries.iter().rev().find(|(other, _)| other == key)?;
    match &**entry {
        Entry::Made(_) => Some(entry),
        Entry::Refused { repeats_left, .. } => {
            let decrement = |left: u32| left.checked_sub(1);
            repeats_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, decrement).is_ok().then_some(entry)
        }
    }
}

fn apply<V, T>(entry: &Entry<V>, then: impl FnOnce(&V) -> Result<T, SerdeError>) -> Result<T, SerdeError> {
    match entry {
        Entry::Made(value) => then(value),
        Entry::Refused { error, .. } => Err(error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn unavailable() -> SerdeError {
        SerdeError::RegistryUnavailable { cause: "down".into() }
    }

    #[test]
    fn value_is_made_once() {
        let (cache, made) = (Cache::<u32, u32>::new(), Cell::new(0));
        for _ in 0..3 {
            let make = || {
                made.set(made.get() + 1);
                Ok(7)
            };
            assert_eq!(cache.with(&1, make, |v| Ok(*v)).unwrap(), 7);
        }
        assert_eq!(made.get(), 1);
    }

    #[test]
    fn final_error_is_repeated_and_then_asked_again_but_a_retriable_one_at_once() {
        let (cache, asked) = (Cache::<u32, ()>::new(), Cell::new(0));
        let ask = |error: fn() -> SerdeError| {
            let make = || {
                asked.set(asked.get() + 1);
                Err(error())
            };
            cache.with(&1, make, |()| Ok(())).unwrap_err();
            asked.get()
        };
        assert_eq!([ask(unavailable), ask(unavailable)], [1, 2]);
        for _ in 0..=REPEATS {
            assert_eq!(ask(|| SerdeError::invalid("Avro", "broken")), 3);
        }
        assert_eq!(ask(|| SerdeError::invalid("Avro", "broken")), 4);
    }

    #[test]
    fn oldest_entries_make_room() {
        let cache = Cache::<usize, usize>::new();
        for i in 0..CAPACITY + 2 {
            cache.with(&i, || Ok(i), |_| Ok(())).unwrap();
        }
        assert_eq!(cache.entries.load().len(), CAPACITY);
        assert!(find(&cache.entries.load(), &1).is_none());
        assert!(find(&cache.entries.load(), &2).is_some());
    }
}
