//! The window engine.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nowfold_core::record::LogRecord;
use nowfold_core::state::{
    KeyRange, StateStore, StoreError, WindowEntry, WindowOptions, WindowReader, WindowStore,
    split_window_changelog_key, stamp,
};
use nowfold_core::time::Timestamp;

use super::rows::{self, BY_KEY, BY_TIME, RowKey, RowParts};
use super::table::{Mark, Table};

/// Windows that nothing reads any more are removed when the floor has risen by this part of the retention.
const PARTS: i64 = 16;

/// What queries hold of a window store on disk.
#[derive(Debug)]
pub struct FjallWindows {
    table: Arc<Table>,
    options: WindowOptions,
}

#[derive(Debug)]
pub(crate) struct FjallWindow {
    reader: Arc<FjallWindows>,
    /// Windows that began earlier are removed.
    expired_to: i64,
}

impl FjallWindow {
    pub(crate) fn new(table: Arc<Table>, options: WindowOptions) -> Self {
        Self { reader: Arc::new(FjallWindows { table, options }), expired_to: i64::MIN }
    }

    fn insert(&self, key: &Bytes, start: i64, duplicate: u32, value: Option<Bytes>) -> Result<bool, StoreError> {
        let table = &self.reader.table;
        table.check_key(key)?;
        let mark = table.change_mark(|mark| mark.largest = mark.largest.max(Some(start)));
        if start < self.reader.floor(&mark) {
            return Ok(false);
        }
        let index = value.as_ref().map(|_| Bytes::new());
        table.write([(by_key(key, start, duplicate), value), (by_time(key, start, duplicate), index)]);
        Ok(true)
    }

    /// Removes windows that nothing reads any more.
    fn expire(&mut self) -> Result<(), StoreError> {
        let table = &self.reader.table;
        let floor = self.reader.floor(&table.mark());
        if floor.saturating_sub(self.expired_to) <= self.reader.options.retention_ms / PARTS {
            return Ok(());
        }
        self.expired_to = floor;
        let expired =
            (Bound::Included(RowKey::new(BY_TIME).done()), Bound::Excluded(RowKey::new(BY_TIME).time(floor).done()));
        let rows = table.scan(|_| Some(expired), usize::MAX)?;
        let keys = rows.into_iter().filter_map(|(row, _)| {
            let (start, duplicate, key) = parts_of_time(row.clone())?;
            Some([by_key(&key, start, duplicate), row])
        });
        table.drop_rows(keys.flatten());
        Ok(())
    }
}

fn by_key(key: &[u8], start: i64, duplicate: u32) -> Bytes {
    RowKey::new(BY_KEY).key(key).time(start).number(duplicate).done()
}

fn by_time(key: &[u8], start: i64, duplicate: u32) -> Bytes {
    RowKey::new(BY_TIME).time(start).number(duplicate).raw(key).done()
}

fn parts_of_time(row: Bytes) -> Option<(i64, u32, Bytes)> {
    let mut parts = RowParts::of(row, BY_TIME)?;
    Some((parts.time()?, parts.number()?, parts.rest()))
}

impl FjallWindows {
    /// The smallest start that can be read.
    fn floor(&self, mark: &Mark) -> i64 {
        let retention = self.options.retention_ms;
        mark.largest.map_or(i64::MIN, |largest| largest.saturating_sub(retention).saturating_add(1))
    }
}

impl WindowReader for FjallWindows {
    fn get(&self, key: &Bytes, start: Timestamp) -> Result<Option<Bytes>, StoreError> {
        Ok(self.fetch(key, start, start)?.into_iter().next().map(|(_, value)| value))
    }

    fn fetch(&self, key: &Bytes, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Bytes)>, StoreError> {
        let range = |mark: &Mark| -> Option<KeyRange> {
            let from = from.as_millis().max(self.floor(mark));
            let (from, to) = (by_key(key, from, 0), by_key(key, to.as_millis(), u32::MAX));
            Some((Bound::Included(from), Bound::Included(to)))
        };
        let rows = self.table.scan(range, usize::MAX)?;
        let entry = |(row, value): (Bytes, Bytes)| {
            let mut parts = RowParts::of(row, BY_KEY)?;
            parts.key()?;
            Some((Timestamp::from_millis(parts.time()?), value))
        };
        Ok(rows.into_iter().filter_map(entry).collect())
    }

    fn fetch_all(&self, from: Timestamp, to: Timestamp) -> Result<Vec<WindowEntry>, StoreError> {
        let range = |mark: &Mark| -> Option<KeyRange> {
            let from = RowKey::new(BY_TIME).time(from.as_millis().max(self.floor(mark))).done();
            let to = rows::behind(&RowKey::new(BY_TIME).time(to.as_millis()).done())?;
            Some((Bound::Included(from), Bound::Excluded(to)))
        };
        let rows = self.table.scan(range, usize::MAX)?;
        let mut found: Vec<_> = rows.into_iter().filter_map(|(row, _)| parts_of_time(row)).collect();
        // The index has the duplicate before the key.
        found.sort_by(|a, b| (a.0, &a.2, a.1).cmp(&(b.0, &b.2, b.1)));
        let mut entries = Vec::with_capacity(found.len());
        for (start, duplicate, key) in found {
            if let Some(value) = self.table.get(&by_key(&key, start, duplicate))? {
                entries.push(WindowEntry { key, start: Timestamp::from_millis(start), value });
            }
        }
        Ok(entries)
    }
}

impl WindowReader for FjallWindow {
    fn get(&self, key: &Bytes, start: Timestamp) -> Result<Option<Bytes>, StoreError> {
        self.reader.get(key, start)
    }

    fn fetch(&self, key: &Bytes, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Bytes)>, StoreError> {
        self.reader.fetch(key, from, to)
    }

    fn fetch_all(&self, from: Timestamp, to: Timestamp) -> Result<Vec<WindowEntry>, StoreError> {
        self.reader.fetch_all(from, to)
    }
}

impl WindowStore for FjallWindow {
    fn put(&mut self, key: Bytes, start: Timestamp, value: Option<Bytes>) -> Result<Option<u32>, StoreError> {
        if !self.reader.options.duplicates {
            return Ok(self.insert(&key, start.as_millis(), 0, value)?.then_some(0));
        }
        if value.is_none() {
            return Ok(None);
        }
        let mark = self.reader.table.change_mark(|mark| mark.n_duplicates = mark.n_duplicates.wrapping_add(1));
        let duplicate = mark.n_duplicates;
        Ok(self.insert(&key, start.as_millis(), duplicate, value)?.then_some(duplicate))
    }
}

impl StateStore for FjallWindow {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_window(&mut self) -> Option<&mut dyn WindowStore> {
        Some(self)
    }

    fn is_timestamped(&self) -> bool {
        self.reader.options.timestamped
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        self.reader.clone()
    }

    fn record_done(&mut self) {
        self.reader.table.record_done();
        if let Err(error) = self.expire() {
            tracing::warn!(%error, "expired windows stay on disk for now");
        }
    }

    fn record_waits(&mut self) {
        self.reader.table.record_waits();
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.as_ref().ok_or(StoreError::NullKey { offset: record.offset })?;
        let parts = split_window_changelog_key(key);
        let (key, start, duplicate) = parts.ok_or(StoreError::BadKey { offset: record.offset, kind: "window" })?;
        let timestamped = self.reader.options.timestamped;
        let value = record.value.as_ref();
        let value = value.map(|value| if timestamped { stamp(record.timestamp, value) } else { value.clone() });
        self.insert(&key, start.as_millis(), duplicate, value)?;
        self.reader.table.change_mark(|mark| mark.n_duplicates = mark.n_duplicates.max(duplicate));
        self.record_done();
        Ok(())
    }
}
