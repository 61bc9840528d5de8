//! The versioned engine.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use nowfold_core::record::LogRecord;
use nowfold_core::state::{StateStore, StoreError, Version, VersionPut, VersionedReader, VersionedStore};
use nowfold_core::time::{Timestamp, millis};

use super::rows::{self, BY_KEY, RowKey, RowParts};
use super::table::{Mark, Table};

/// The versions of a key by the time from which they are valid; `None` is a deletion.
type History = BTreeMap<i64, Option<Bytes>>;

/// What queries hold of a versioned store on disk.
#[derive(Debug)]
pub struct FjallHistories {
    table: Arc<Table>,
    history: i64,
}

#[derive(Debug)]
pub(crate) struct FjallVersioned {
    reader: Arc<FjallHistories>,
}

impl FjallVersioned {
    pub(crate) fn new(table: Arc<Table>, history: std::time::Duration) -> Self {
        Self { reader: Arc::new(FjallHistories { table, history: millis(history) }) }
    }
}

fn row(key: &[u8], from: i64) -> Bytes {
    RowKey::new(BY_KEY).key(key).time(from).done()
}

/// The stored form of a version: 1 and its value, or 0.
fn encode(value: Option<&Bytes>) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + value.map_or(0, Bytes::len));
    bytes.put_u8(u8::from(value.is_some()));
    value.iter().for_each(|value| bytes.put_slice(value));
    bytes.freeze()
}

fn decode(stored: &Bytes) -> Option<Bytes> {
    (stored.first() == Some(&1)).then(|| stored.slice(1..))
}

impl FjallHistories {
    /// The earliest time that can be asked for or written.
    fn floor(&self, mark: &Mark) -> i64 {
        mark.largest.map_or(i64::MIN, |largest| largest.saturating_sub(self.history))
    }

    /// All versions of a key, and the mark that they are of.
    fn of(&self, key: &[u8]) -> Result<(History, Mark), StoreError> {
        let mut seen = Mark::default();
        let range = |mark: &Mark| {
            seen = *mark;
            Some(rows::beginning_with(RowKey::new(BY_KEY).key(key).done()))
        };
        let rows = self.table.scan(range, usize::MAX)?;
        let version = |(row, stored): (Bytes, Bytes)| {
            let mut parts = RowParts::of(row, BY_KEY)?;
            parts.key()?;
            Some((parts.time()?, decode(&stored)))
        };
        Ok((rows.into_iter().filter_map(version).collect(), seen))
    }
}

/// Versions that ended before `floor`, which are dropped; all of them when only a deletion would be left.
fn expired(history: &History, floor: i64) -> Vec<i64> {
    let Some((&valid, value)) = history.range(..=floor).next_back() else { return Vec::new() };
    let only_a_deletion = value.is_none() && history.range(valid..).nth(1).is_none();
    let drops = |from: &i64| *from < valid || only_a_deletion;
    history.keys().copied().filter(drops).collect()
}

fn version(history: &History, at: i64) -> Option<Version> {
    let (&from, value) = history.range(..=at).next_back()?;
    let until = history.range(from..).nth(1).map(|(next, _)| Timestamp::from_millis(*next));
    Some(Version { value: value.clone()?, from: Timestamp::from_millis(from), until })
}

impl VersionedReader for FjallHistories {
    fn latest(&self, key: &[u8]) -> Result<Option<Version>, StoreError> {
        Ok(version(&self.of(key)?.0, i64::MAX))
    }

    fn as_of(&self, key: &[u8], time: Timestamp) -> Result<Option<Version>, StoreError> {
        let (history, mark) = self.of(key)?;
        let is_newest = history.last_key_value().is_some_and(|(from, _)| *from <= time.as_millis());
        if !is_newest && time.as_millis() < self.floor(&mark) {
            return Ok(None);
        }
        Ok(version(&history, time.as_millis()))
    }
}

impl VersionedReader for FjallVersioned {
    fn latest(&self, key: &[u8]) -> Result<Option<Version>, StoreError> {
        self.reader.latest(key)
    }

    fn as_of(&self, key: &[u8], time: Timestamp) -> Result<Option<Version>, StoreError> {
        self.reader.as_of(key, time)
    }
}

impl VersionedStore for FjallVersioned {
    fn put(&mut self, key: Bytes, value: Option<Bytes>, time: Timestamp) -> Result<VersionPut, StoreError> {
        let (table, time) = (&self.reader.table, time.as_millis());
        table.check_key(&key)?;
        let mark = table.change_mark(|mark| mark.largest = mark.largest.max(Some(time)));
        let floor = self.reader.floor(&mark);
        if time < floor {
            return Ok(VersionPut::Rejected);
        }
        let (mut history, _) = self.reader.of(&key)?;
        let mut rows = vec![(row(&key, time), Some(encode(value.as_ref())))];
        history.insert(time, value);
        let next = history.range(time..).nth(1).map(|(next, _)| Timestamp::from_millis(*next));
        rows.extend(expired(&history, floor).into_iter().map(|from| (row(&key, from), None)));
        table.write(rows);
        Ok(next.map_or(VersionPut::Latest, VersionPut::Until))
    }
}

impl StateStore for FjallVersioned {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_versioned(&mut self) -> Option<&mut dyn VersionedStore> {
        Some(self)
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        self.reader.clone()
    }

    fn record_done(&mut self) {
        self.reader.table.record_done();
    }

    fn record_waits(&mut self) {
        self.reader.table.record_waits();
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.clone().ok_or(StoreError::NullKey { offset: record.offset })?;
        self.put(key, record.value.clone(), record.timestamp)?;
        self.record_done();
        Ok(())
    }
}
