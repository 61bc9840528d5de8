//! The session engine.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nowfold_core::record::LogRecord;
use nowfold_core::state::{
    KeyRange, SessionEntry, SessionReader, SessionStore, StateStore, StoreError, split_session_changelog_key,
};
use nowfold_core::time::{Timestamp, millis};

use super::rows::{self, BY_KEY, BY_TIME, RowKey, RowParts};
use super::table::{Mark, Table};

/// Sessions that nothing reads any more are removed when the floor has risen by this part of the retention.
const PARTS: i64 = 16;

/// What queries hold of a session store on disk.
#[derive(Debug)]
pub struct FjallSessions {
    table: Arc<Table>,
    retention: i64,
}

#[derive(Debug)]
pub(crate) struct FjallSession {
    reader: Arc<FjallSessions>,
    /// Sessions that ended earlier are removed.
    expired_to: i64,
}

impl FjallSession {
    pub(crate) fn new(table: Arc<Table>, retention: std::time::Duration) -> Self {
        Self { reader: Arc::new(FjallSessions { table, retention: millis(retention) }), expired_to: i64::MIN }
    }

    /// Removes sessions that nothing reads any more.
    fn expire(&mut self) -> Result<(), StoreError> {
        let table = &self.reader.table;
        let floor = self.reader.floor(&table.mark());
        if floor.saturating_sub(self.expired_to) <= self.reader.retention / PARTS {
            return Ok(());
        }
        self.expired_to = floor;
        let expired =
            (Bound::Included(RowKey::new(BY_TIME).done()), Bound::Excluded(RowKey::new(BY_TIME).time(floor).done()));
        let rows = table.scan(|_| Some(expired), usize::MAX)?;
        let keys = rows.into_iter().filter_map(|(row, _)| {
            let (start, end, key) = parts_of_time(row.clone())?;
            Some([by_key(&key, start, end), row])
        });
        table.drop_rows(keys.flatten());
        Ok(())
    }
}

fn by_key(key: &[u8], start: i64, end: i64) -> Bytes {
    RowKey::new(BY_KEY).key(key).time(end).time(start).done()
}

fn by_time(key: &[u8], start: i64, end: i64) -> Bytes {
    RowKey::new(BY_TIME).time(end).time(start).raw(key).done()
}

fn parts_of_time(row: Bytes) -> Option<(i64, i64, Bytes)> {
    let mut parts = RowParts::of(row, BY_TIME)?;
    let (end, start) = (parts.time()?, parts.time()?);
    Some((start, end, parts.rest()))
}

fn entry(key: Bytes, start: i64, end: i64, value: Bytes) -> SessionEntry {
    let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
    SessionEntry { key, start, end, value }
}

impl FjallSessions {
    /// The smallest end that can be read.
    fn floor(&self, mark: &Mark) -> i64 {
        mark.largest.map_or(i64::MIN, |largest| largest.saturating_sub(self.retention).saturating_add(1))
    }
}

impl SessionReader for FjallSessions {
    fn get(&self, key: &Bytes, start: Timestamp, end: Timestamp) -> Result<Option<Bytes>, StoreError> {
        let (start, end) = (start.as_millis(), end.as_millis());
        self.table.get_at(|mark| (end >= self.floor(mark)).then(|| by_key(key, start, end)))
    }

    fn find(
        &self,
        key: &Bytes,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<Vec<SessionEntry>, StoreError> {
        let range = |mark: &Mark| -> Option<KeyRange> {
            let from = earliest_end.as_millis().max(self.floor(mark));
            let (from, to) = (by_key(key, i64::MIN, from), by_key(key, i64::MAX, i64::MAX));
            Some((Bound::Included(from), Bound::Included(to)))
        };
        let session = |(row, value): (Bytes, Bytes)| {
            let mut parts = RowParts::of(row, BY_KEY)?;
            let (key, end, start) = (parts.key()?, parts.time()?, parts.time()?);
            (start <= latest_start.as_millis()).then(|| entry(key, start, end, value))
        };
        Ok(self.table.scan(range, usize::MAX)?.into_iter().filter_map(session).collect())
    }

    fn ended(&self, from: Timestamp, to: Timestamp) -> Result<Vec<SessionEntry>, StoreError> {
        let range = |mark: &Mark| -> Option<KeyRange> {
            let from = RowKey::new(BY_TIME).time(from.as_millis().max(self.floor(mark))).done();
            let to = rows::behind(&RowKey::new(BY_TIME).time(to.as_millis()).done())?;
            Some((Bound::Included(from), Bound::Excluded(to)))
        };
        let mut entries = Vec::new();
        for (row, _) in self.table.scan(range, usize::MAX)? {
            let Some((start, end, key)) = parts_of_time(row) else { continue };
            if let Some(value) = self.table.get(&by_key(&key, start, end))? {
                entries.push(entry(key, start, end, value));
            }
        }
        Ok(entries)
    }
}

impl SessionReader for FjallSession {
    fn get(&self, key: &Bytes, start: Timestamp, end: Timestamp) -> Result<Option<Bytes>, StoreError> {
        self.reader.get(key, start, end)
    }

    fn find(
        &self,
        key: &Bytes,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<Vec<SessionEntry>, StoreError> {
        self.reader.find(key, earliest_end, latest_start)
    }

    fn ended(&self, from: Timestamp, to: Timestamp) -> Result<Vec<SessionEntry>, StoreError> {
        self.reader.ended(from, to)
    }
}

impl SessionStore for FjallSession {
    fn put(&mut self, key: Bytes, start: Timestamp, end: Timestamp, value: Option<Bytes>) -> Result<bool, StoreError> {
        let table = &self.reader.table;
        table.check_key(&key)?;
        let (start, end) = (start.as_millis(), end.as_millis());
        let mark = table.change_mark(|mark| mark.largest = mark.largest.max(Some(end)));
        if end < self.reader.floor(&mark) {
            return Ok(false);
        }
        let index = value.as_ref().map(|_| Bytes::new());
        table.write([(by_key(&key, start, end), value), (by_time(&key, start, end), index)]);
        Ok(true)
    }
}

impl StateStore for FjallSession {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_session(&mut self) -> Option<&mut dyn SessionStore> {
        Some(self)
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        self.reader.clone()
    }

    fn record_done(&mut self) {
        self.reader.table.record_done();
        if let Err(error) = self.expire() {
            tracing::warn!(%error, "expired sessions stay on disk for now");
        }
    }

    fn record_waits(&mut self) {
        self.reader.table.record_waits();
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.as_ref().ok_or(StoreError::NullKey { offset: record.offset })?;
        let parts = split_session_changelog_key(key);
        let (key, start, end) = parts.ok_or(StoreError::BadKey { offset: record.offset, kind: "session" })?;
        self.put(key, start, end, record.value.clone())?;
        self.record_done();
        Ok(())
    }
}
