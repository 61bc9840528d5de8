//! Random operations on the engine and on the engines in memory, with records that wait, epochs and crashes in between:
//! after every step both say the same.

use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use nowfold_core::state::{
    MemoryKeyValue, MemorySession, MemoryVersioned, MemoryWindow, StateStore, StoreKind, WindowOptions,
};
use nowfold_core::time::Timestamp;

use crate::support::{KEY_VALUE, engine, epoch, open, take, text};

const RETENTION_MS: i64 = 60;

/// How many random operations of each kind.
fn n_steps() -> usize {
    std::env::var("NOWFOLD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6_000)
}

/// One write.
#[derive(Clone, Debug)]
struct Write {
    key: Bytes,
    from: Timestamp,
    to: Timestamp,
    value: Option<Bytes>,
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Keys that are beginnings of others, and bytes at the ends of what a byte can be.
fn key(random: &mut Rng) -> Bytes {
    let keys: [&[u8]; 8] = [b"", b"a", b"a\0", b"a\0\0\0\0", b"b", b"\xff", b"\xff\xff", b"ab"];
    Bytes::from_static(keys[random.usize(..keys.len())])
}

fn write(random: &mut Rng, step: usize) -> Write {
    let from = step as i64 / 20 + random.i64(-80..10);
    let value = (random.u8(..4) > 0).then(|| text(if random.u8(..9) == 0 { String::new() } else { step.to_string() }));
    Write { key: key(random), from: at(from), to: at(from + random.i64(..6)), value }
}

/// What a store answers to a write.
fn apply(store: &mut dyn StateStore, write: &Write) -> String {
    let Write { key, from, to, value } = write.clone();
    if let Some(store) = store.as_key_value() {
        match value {
            Some(value) => store.put(key, value).unwrap(),
            None => store.delete(&key).unwrap(),
        }
        return String::new();
    }
    if let Some(store) = store.as_window() {
        // Numbers of duplicates that were taken back may be given again or not.
        return format!("{:?}", store.put(key, from, value).unwrap().is_some());
    }
    if let Some(store) = store.as_session() {
        return format!("{:?}", store.put(key, from, to, value).unwrap());
    }
    format!("{:?}", store.as_versioned().unwrap().put(key, value, from).unwrap())
}

/// What a store answers to questions.
fn ask(store: &mut dyn StateStore, random: &mut Rng, step: usize) -> String {
    let (a, b) = (key(random), key(random));
    let from = at(step as i64 / 20 + random.i64(-90..5));
    let to = at(from.as_millis() + random.i64(-2..60));
    if let Some(store) = store.as_key_value() {
        let range = store.range((Bound::Excluded(a.clone()), Bound::Included(b.clone())), 3).unwrap();
        let open = store.range((Bound::Included(a.clone()), Bound::Unbounded), usize::MAX).unwrap();
        return format!("{:?} {range:?} {open:?} {:?} {}", store.get(&a), store.prefix(&b, 2), store.len().unwrap());
    }
    if let Some(store) = store.as_window() {
        return format!("{:?} {:?} {:?}", store.get(&a, from), store.fetch(&a, from, to), store.fetch_all(from, to));
    }
    if let Some(store) = store.as_session() {
        let found = (store.get(&a, from, to), store.find(&a, from, to), store.ended(from, to));
        return format!("{found:?}");
    }
    let store = store.as_versioned().unwrap();
    format!("{:?} {:?}", store.latest(&a), store.as_of(&a, from))
}

/// The two engines, and what must be done again after a crash.
fn check(seed: u64, kind: StoreKind, memory: impl Fn() -> Box<dyn StateStore>) {
    let (dir, mut random) = (tempfile::tempdir().unwrap(), Rng::with_seed(seed));
    let mut model = memory();
    let mut disk = Opened::new(dir.path(), kind);
    let (mut done, mut committed): (Vec<Write>, usize) = (Vec::new(), 0);
    for step in 0..n_steps() {
        let write = write(&mut random, step);
        let answers = [apply(model.as_mut(), &write), apply(disk.store.as_mut(), &write)];
        assert_eq!(answers[0], answers[1], "seed {seed}, step {step}: {write:?}");
        let waits = kind != KEY_VALUE && random.u8(..8) == 0;
        for store in [model.as_mut(), disk.store.as_mut()] {
            if waits { store.record_waits() } else { store.record_done() }
        }
        if !waits {
            done.push(write);
        }
        match random.u8(..40) {
            0..=1 => {
                disk.commit();
                committed = done.len();
            }
            2 => {
                disk = disk.crashed(dir.path());
                for write in &done[committed..] {
                    apply(disk.store.as_mut(), write);
                    disk.store.record_done();
                }
            }
            _ => {}
        }
        let mut same = random.clone();
        let answers = [ask(model.as_mut(), &mut random, step), ask(disk.store.as_mut(), &mut same, step)];
        assert_eq!(answers[0], answers[1], "seed {seed}, step {step}, after {:?}", done.last());
    }
}

struct Opened {
    engine: nowfold_fjall::FjallEngine,
    kind: StoreKind,
    stores: Box<dyn nowfold_runtime::local::DurableStores>,
    store: Box<dyn StateStore>,
}

impl Opened {
    fn new(dir: &Path, kind: StoreKind) -> Self {
        let engine = engine();
        let mut stores = open(&engine, dir, &[kind]).unwrap();
        let store = take(stores.as_mut(), 0);
        Self { engine, kind, stores, store }
    }

    fn commit(&mut self) {
        let number = self.stores.epoch().map_or(0, |epoch| epoch.number) + 1;
        self.stores.commit(epoch(number)).unwrap();
    }

    /// The stores as the next process finds them.
    fn crashed(self, dir: &Path) -> Self {
        let Self { engine, kind, stores, store } = self;
        drop((stores, store, engine));
        Self::new(dir, kind)
    }
}

const SEEDS: std::ops::Range<u64> = 0..3;

#[test]
fn key_value_stores_are_those_in_memory() {
    SEEDS.for_each(|seed| check(seed, KEY_VALUE, || Box::new(MemoryKeyValue::new())));
}

#[test]
fn window_stores_are_those_in_memory() {
    for seed in SEEDS {
        let duplicates = seed % 2 == 1;
        let options = WindowOptions { retention_ms: RETENTION_MS, duplicates, timestamped: false };
        check(seed, StoreKind::Window(options), || Box::new(MemoryWindow::new(options)));
    }
}

#[test]
fn session_stores_are_those_in_memory() {
    let retention = Duration::from_millis(RETENTION_MS.unsigned_abs());
    SEEDS.for_each(|seed| check(seed, StoreKind::Session(retention), || Box::new(MemorySession::new(retention))));
}

#[test]
fn versioned_stores_are_those_in_memory() {
    let history = Duration::from_millis(RETENTION_MS.unsigned_abs());
    SEEDS.for_each(|seed| check(seed, StoreKind::Versioned(history), || Box::new(MemoryVersioned::new(history))));
}

#[test]
fn what_is_restored_from_changelogs_is_the_same() {
    use nowfold_core::record::{Headers, LogRecord, TimestampType};
    use nowfold_core::state::{session_changelog_key, window_changelog_key};
    let options = WindowOptions { retention_ms: RETENTION_MS, duplicates: false, timestamped: true };
    let retention = Duration::from_millis(RETENTION_MS.unsigned_abs());
    let kinds = [
        StoreKind::KeyValue { timestamped: true },
        StoreKind::Window(options),
        StoreKind::Session(retention),
        StoreKind::Versioned(retention),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut stores = open(&engine(), dir.path(), &kinds).unwrap();
    let mut disk: Vec<_> = (0..kinds.len()).map(|i| take(stores.as_mut(), i)).collect();
    let mut model: Vec<Box<dyn StateStore>> = vec![
        Box::new(MemoryKeyValue::timestamped()),
        Box::new(MemoryWindow::new(options)),
        Box::new(MemorySession::new(retention)),
        Box::new(MemoryVersioned::new(retention)),
    ];
    let mut random = Rng::with_seed(5);
    for step in 0..n_steps() {
        let Write { key, from, to, value } = write(&mut random, step);
        let keys =
            [key.clone(), window_changelog_key(&key, from, 0), session_changelog_key(&key, from, to), key.clone()];
        for (i, key) in keys.into_iter().enumerate() {
            let (timestamp, timestamp_type, headers) = (from, TimestampType::CreateTime, Headers::new());
            let record =
                LogRecord { offset: 0, key: Some(key), value: value.clone(), timestamp, timestamp_type, headers };
            model[i].restore(&record).unwrap();
            disk[i].restore(&record).unwrap();
            let mut same = random.clone();
            let answers = [ask(model[i].as_mut(), &mut random, step), ask(disk[i].as_mut(), &mut same, step)];
            assert_eq!(answers[0], answers[1], "step {step} of {:?}", kinds[i]);
        }
        if step % 50 == 49 {
            stores.commit(epoch(step as u64)).unwrap();
        }
    }
}
