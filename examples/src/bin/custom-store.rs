//! A store engine of your own: it passes the contract suite, serves a processor, and comes back from its changelog.
//!
//! Run `cargo run -p nowfold-examples --bin custom-store`. Expect a line when the engine has passed the suite, the totals of a
//! first life, the states of a second one while it restores, from how many records, and the same totals.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use nowfold::core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold::core::record::{LogRecord, Record};
use nowfold::core::state::{Changelog, KeyRange, KeyValueReader, KeyValueStore, StateStore, StoreError};
use nowfold::prelude::*;
use nowfold::runtime::AppState;
use nowfold::testkit::contract;
use nowfold_examples::small;
use parking_lot::RwLock;

/// Pairs in one sorted vector: small and fast to read, for stores that seldom gain a key. Its clones share the pairs, so
/// that one of them can be handed to readers.
#[derive(Clone, Default)]
struct SortedPairs {
    pairs: Arc<RwLock<Vec<(Bytes, Bytes)>>>,
    /// Records of its changelog that it was restored from.
    n_restored: Arc<AtomicU64>,
}

impl SortedPairs {
    /// Pairs from the first one on that is not `before`, while they are `inside`.
    fn read(
        &self,
        before: impl Fn(&Bytes) -> bool,
        inside: impl Fn(&Bytes) -> bool,
        limit: usize,
    ) -> Vec<(Bytes, Bytes)> {
        let pairs = self.pairs.read();
        let start = pairs.partition_point(|(key, _)| before(key));
        pairs.iter().skip(start).take_while(|(key, _)| inside(key)).take(limit).cloned().collect()
    }
}

impl KeyValueReader for SortedPairs {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let pairs = self.pairs.read();
        let place = pairs.binary_search_by(|(there, _)| there[..].cmp(key)).ok();
        Ok(place.and_then(|place| pairs.get(place)).map(|(_, value)| value.clone()))
    }

    fn range(&self, (from, to): KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let before = |key: &Bytes| match &from {
            Bound::Included(from) => key < from,
            Bound::Excluded(from) => key <= from,
            Bound::Unbounded => false,
        };
        let inside = |key: &Bytes| match &to {
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
            Bound::Unbounded => true,
        };
        Ok(self.read(before, inside, limit))
    }

    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        Ok(self.read(|key| key[..] < *prefix, |key| key.starts_with(prefix), limit))
    }

    fn len(&self) -> Result<usize, StoreError> {
        Ok(self.pairs.read().len())
    }
}

impl KeyValueStore for SortedPairs {
    fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StoreError> {
        let mut pairs = self.pairs.write();
        match pairs.binary_search_by(|(there, _)| there.cmp(&key)) {
            Ok(place) => {
                if let Some(pair) = pairs.get_mut(place) {
                    pair.1 = value;
                }
            }
            Err(place) => pairs.insert(place, (key, value)),
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.pairs.write().retain(|(there, _)| there[..] != *key);
        Ok(())
    }
}

impl StateStore for SortedPairs {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_key_value(&mut self) -> Option<&mut dyn KeyValueStore> {
        Some(self)
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::new(self.clone())
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.clone().ok_or(StoreError::NullKey { offset: record.offset })?;
        self.n_restored.fetch_add(1, Ordering::Relaxed);
        match &record.value {
            Some(value) => self.put(key, value.clone()),
            None => self.delete(&key),
        }
    }
}

/// Counts visits by page.
struct Count;

impl Processor<String, String, String, i64> for Count {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, i64>,
        visit: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let mut visits = cx.key_value("visits")?;
        let n = 1 + visits.get(visit.key.as_bytes())?.map_or(Ok(0), |n| count(&n))?;
        visits.put(visit.key.clone().into(), Bytes::copy_from_slice(&n.to_be_bytes()))?;
        cx.forward(visit.with_value(n))
    }
}

fn count(bytes: &Bytes) -> Result<i64, std::array::TryFromSliceError> {
    bytes[..].try_into().map(i64::from_be_bytes)
}

fn topology() -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new("custom-store");
    app.state_store(StoreSpec::new("visits", Changelog::Topic, || Box::new(SortedPairs::default())));
    app.stream("page-visits", Plain::<String, String>::new())
        .process("count", || Count, &["visits"])
        .to("page-counts", Plain::new());
    app.build()
}

const N_VISITS: i64 = 20_000;
const N_PAGES: i64 = 500;

fn main() -> anyhow::Result<()> {
    let topology = topology()?;
    let Some(config) = small::config(&topology)? else { return Ok(()) };
    contract::key_value_store(
        || Box::new(SortedPairs::default()),
        |reader| reader.downcast::<SortedPairs>().map(|pairs| pairs as _).ok(),
    );
    println!("the engine keeps the contract of key-value stores");

    let app = Streams::start(topology.clone(), config.clone())?.wait_running()?;
    let mut visits = app.producer("page-visits", Plain::<String, String>::new())?;
    for i in 0..N_VISITS {
        visits.send(&format!("page-{}", i % N_PAGES), &String::new(), app.clock().now())?;
    }
    visits.flush(seconds(10))?;
    let before = small::until(|| Ok(Some(Totals::of(&app)?).filter(|totals| totals.n_visits >= N_VISITS)))?;
    println!("first life:  {} visits of {} pages", before.n_visits, before.n_pages);
    app.close()?;

    let app = Streams::start(topology, config)?;
    app.runtime().state_cell().wait(small::PATIENCE, |state| {
        println!("  {state}");
        *state == AppState::Running || state.is_final()
    });
    let after = Totals::of(&app.wait_running()?)?;
    println!("  restored from {} records of the changelog", after.n_restored);
    println!("second life: {} visits of {} pages", after.n_visits, after.n_pages);
    let restored = Totals { n_restored: before.n_restored, ..after };
    anyhow::ensure!(restored == before, "the restored store differs");
    Ok(())
}

/// What all partitions of the store hold together.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    n_pages: usize,
    n_visits: i64,
    n_restored: u64,
}

impl Totals {
    fn of(app: &Streams) -> anyhow::Result<Self> {
        let partitions = app.hub().with_store("visits", |_, entry| entry.partitions.clone())?;
        let mut totals = Self::default();
        for handle in partitions.into_values() {
            let Ok(store) = handle.reader.downcast::<SortedPairs>() else { continue };
            for (_, n) in store.prefix(b"", usize::MAX)? {
                totals.n_pages += 1;
                totals.n_visits += count(&n)?;
            }
            totals.n_restored += store.n_restored.load(Ordering::Relaxed);
        }
        Ok(totals)
    }
}
