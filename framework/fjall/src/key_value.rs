//! The key-value engine.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nowfold_core::record::LogRecord;
use nowfold_core::state::{KeyRange, KeyValueReader, KeyValueStore, StateStore, StoreError, stamp};

use super::rows::{self, BY_KEY, RowKey};
use super::table::Table;

/// What queries hold of a key-value store on disk.
#[derive(Debug)]
pub struct FjallMap(Arc<Table>);

#[derive(Debug)]
pub(crate) struct FjallKeyValue {
    reader: Arc<FjallMap>,
    table: Arc<Table>,
    timestamped: bool,
}

impl FjallKeyValue {
    pub(crate) fn new(table: Arc<Table>, timestamped: bool) -> Self {
        Self { reader: Arc::new(FjallMap(table.clone())), table, timestamped }
    }
}

fn row(key: &[u8]) -> Bytes {
    RowKey::new(BY_KEY).raw(key).done()
}

/// The rows of a range of keys.
fn rows_of((from, to): KeyRange) -> KeyRange {
    let from = match from {
        Bound::Unbounded => Bound::Included(row(&[])),
        bound => bound.map(|key| row(&key)),
    };
    let to = match to {
        Bound::Unbounded => rows::behind(&[BY_KEY]).map_or(Bound::Unbounded, Bound::Excluded),
        bound => bound.map(|key| row(&key)),
    };
    (from, to)
}

fn without_letter(rows: Vec<(Bytes, Bytes)>) -> Vec<(Bytes, Bytes)> {
    rows.into_iter().map(|(key, value)| (key.slice(1..), value)).collect()
}

impl KeyValueReader for FjallMap {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.get(&row(key))
    }

    fn range(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        Ok(without_letter(self.0.scan(|_| Some(rows_of(range)), limit)?))
    }

    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        Ok(without_letter(self.0.scan(|_| Some(rows::beginning_with(row(prefix))), limit)?))
    }

    /// Reads every row.
    fn len(&self) -> Result<usize, StoreError> {
        let mut n = 0;
        self.0.visit(
            |_| Some(rows_of((Bound::Unbounded, Bound::Unbounded))),
            |_, _| {
                n += 1;
                true
            },
        )?;
        Ok(n)
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        self.range((Bound::Unbounded, Bound::Unbounded), 1).map(|first| first.is_empty())
    }
}

impl KeyValueReader for FjallKeyValue {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.reader.get(key)
    }

    fn range(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.reader.range(range, limit)
    }

    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.reader.prefix(prefix, limit)
    }

    fn len(&self) -> Result<usize, StoreError> {
        self.reader.len()
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        self.reader.is_empty()
    }
}

impl KeyValueStore for FjallKeyValue {
    /// The task holds a record's writes back until it is done with, so nothing has to be undone here.
    fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StoreError> {
        self.table.check_key(&key)?;
        self.table.write([(row(&key), Some(value))]);
        self.table.record_done();
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.table.write([(row(key), None)]);
        self.table.record_done();
        Ok(())
    }
}

impl StateStore for FjallKeyValue {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_key_value(&mut self) -> Option<&mut dyn KeyValueStore> {
        Some(self)
    }

    fn is_timestamped(&self) -> bool {
        self.timestamped
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        self.reader.clone()
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.clone().ok_or(StoreError::NullKey { offset: record.offset })?;
        match &record.value {
            Some(value) if self.timestamped => self.put(key, stamp(record.timestamp, value)),
            Some(value) => self.put(key, value.clone()),
            None => self.delete(&key),
        }
    }
}
