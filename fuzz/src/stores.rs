//! What generic stores come back from: epochs, records of changelogs, and rows on disk.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use nowfold::core::names::StoreName;
use nowfold::core::record::{Headers, LogRecord, TimestampType};
use nowfold::core::state::{
    MemoryKeyValue, MemorySession, MemoryVersioned, MemoryWindow, StateStore, StoreKind, WindowOptions,
};
use nowfold::core::time::Timestamp;
use nowfold::fjall::FjallEngine;
use nowfold::runtime::local::{Durability, DurableStores, Epoch, LocalError, StoreEngine, StorePlan};
use nowfold_fjall::write_rows;
use tempfile::TempDir;

use crate::stores::dump::dump;
use crate::stores::feed::Feed;

mod dump;
mod feed;

const RETENTION: Duration = Duration::from_millis(60);

const NAME: &str = "s";

/// The first byte chooses what the rest is: an epoch; records of a changelog, for the engine in memory and the one on
/// disk; rows on disk.
pub fn stores(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let kind = KINDS.get(usize::from(choice / 3) % KINDS.len()).copied().unwrap_or(StoreKind::Custom);
    match choice % 3 {
        0 => epoch(rest),
        1 => changelog(kind, rest),
        _ => rows(kind, rest),
    }
}

const KINDS: [StoreKind; 6] = [
    StoreKind::KeyValue { timestamped: false },
    StoreKind::KeyValue { timestamped: true },
    StoreKind::Window(WindowOptions { retention_ms: 60, duplicates: false, timestamped: false }),
    StoreKind::Window(WindowOptions { retention_ms: 60, duplicates: true, timestamped: true }),
    StoreKind::Session(RETENTION),
    StoreKind::Versioned(RETENTION),
];

fn in_memory(kind: StoreKind) -> Option<Box<dyn StateStore>> {
    Some(match kind {
        StoreKind::KeyValue { timestamped: false } => Box::new(MemoryKeyValue::new()),
        StoreKind::KeyValue { timestamped: true } => Box::new(MemoryKeyValue::timestamped()),
        StoreKind::Window(options) => Box::new(MemoryWindow::new(options)),
        StoreKind::Session(retention) => Box::new(MemorySession::new(retention)),
        StoreKind::Versioned(history) => Box::new(MemoryVersioned::new(history)),
        StoreKind::Custom => return None,
    })
}

/// An epoch has one stored form.
fn epoch(bytes: &[u8]) {
    if let Some(epoch) = Epoch::decode(bytes) {
        assert_eq!(epoch.encode(), bytes, "an epoch that is written in another way than it was read");
    }
}

/// Both engines take and refuse the same records, and hold the same then.
fn changelog(kind: StoreKind, bytes: &[u8]) {
    let (Some(mut memory), Ok(mut disk)) = (in_memory(kind), Disk::unwritten(kind)) else { return };
    let mut feed = Feed::of(bytes);
    let mut keys = Vec::new();
    for offset in 0..64 {
        let Some(record) = feed.byte().map(|time| record(offset, time, &mut feed)) else { break };
        let restored = [memory.restore(&record), disk.store.restore(&record)];
        assert_eq!(restored[0].is_ok(), restored[1].is_ok(), "{record:?}: {restored:?}");
        keys.extend(record.key);
    }
    let [wanted, found] = [dump(memory.as_mut(), &keys), dump(disk.store.as_mut(), &keys)];
    assert_eq!(wanted, found, "the engine in memory and the one on disk differ");
}

fn record(offset: i64, time: u8, feed: &mut Feed<'_>) -> LogRecord {
    LogRecord {
        offset,
        key: feed.part(),
        value: feed.part(),
        timestamp: Timestamp::from_millis(i64::from(time)),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    }
}

/// Rows that nothing of ours wrote: the store opens and answers, or says that it is damaged.
fn rows(kind: StoreKind, bytes: &[u8]) {
    let (mut feed, mut rows, mut keys) = (Feed::of(bytes), Vec::new(), Vec::new());
    while let (Some(key), Some(value)) = (feed.part(), feed.part()) {
        keys.extend((key.len() > 3).then(|| key.slice(3..)));
        // fjall takes no empty key, and no row of ours has one.
        rows.extend((!key.is_empty()).then_some((key, value)));
    }
    match Disk::of(kind, &rows) {
        Ok(mut disk) => drop(dump(disk.store.as_mut(), &keys)),
        Err(error) => assert!(matches!(error, LocalError::Damaged { .. }), "neither opened nor damaged: {error}"),
    }
}

/// A store on disk.
struct Disk {
    store: Box<dyn StateStore>,
    _stores: Box<dyn DurableStores>,
    _dir: Option<TempDir>,
}

impl Disk {
    /// A store of these rows, in a database that is gone when this is dropped.
    fn of(kind: StoreKind, rows: &[(Bytes, Bytes)]) -> Result<Self, LocalError> {
        let dir = tempfile::tempdir().map_err(LocalError::io("create", Path::new("a temporary directory")))?;
        write_rows(dir.path(), rows, &first_epoch())?;
        let (store, _stores) = open(&engine(), dir.path(), kind)?;
        Ok(Self { store, _stores, _dir: Some(dir) })
    }

    /// An empty store of a database that is kept: what is written to it is never committed.
    fn unwritten(kind: StoreKind) -> Result<Self, LocalError> {
        thread_local! {
            static KEPT: (FjallEngine, TempDir, Disk) = kept().unwrap_or_else(|error| panic!("{error}"));
        }
        KEPT.with(|(engine, dir, _)| {
            let (store, _stores) = open(engine, dir.path(), kind)?;
            Ok(Self { store, _stores, _dir: None })
        })
    }
}

fn kept() -> Result<(FjallEngine, TempDir, Disk), LocalError> {
    let dir = tempfile::tempdir().map_err(LocalError::io("create", Path::new("a temporary directory")))?;
    write_rows(dir.path(), &[], &first_epoch())?;
    let engine = engine();
    let (store, _stores) = open(&engine, dir.path(), StoreKind::KeyValue { timestamped: false })?;
    Ok((engine, dir, Disk { store, _stores, _dir: None }))
}

fn engine() -> FjallEngine {
    FjallEngine::new().cache_bytes(1 << 20)
}

type Opened = (Box<dyn StateStore>, Box<dyn DurableStores>);

fn open(engine: &FjallEngine, dir: &Path, kind: StoreKind) -> Result<Opened, LocalError> {
    let plan = StorePlan { name: NAME.into(), kind, topic: "app-s-changelog".to_owned() };
    let mut stores = engine.open(dir, &[plan], Durability::ProcessCrash)?;
    let store = stores.take(&StoreName::from(NAME));
    Ok((store.unwrap_or_else(|| panic!("a store that was planned is not there")), stores))
}

fn first_epoch() -> Epoch {
    let committed_at = Timestamp::from_millis(1_000);
    Epoch { number: 1, committed_at, changelogs: vec![(NAME.into(), 0)], sources: Vec::new() }
}
