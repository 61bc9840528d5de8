//! The in-memory key-value engine.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::key_value::KeyRange;
use super::{KeyValueReader, KeyValueStore, StateStore, StoreError, stamp};
use crate::record::LogRecord;

type Map = BTreeMap<Bytes, Bytes>;

/// An ordered map behind a lock that readers share.
#[derive(Debug, Default)]
pub struct MemoryKeyValue(Arc<MemoryMap>, bool);

/// What queries hold of a [`MemoryKeyValue`].
#[derive(Debug, Default)]
pub struct MemoryMap(RwLock<Map>);

impl MemoryKeyValue {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store whose values carry the time of their last update ([`stamp`](super::stamp)).
    pub fn timestamped() -> Self {
        Self(Arc::default(), true)
    }
}

impl KeyValueReader for MemoryMap {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn range(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        if is_empty(&range) {
            return Ok(Vec::new());
        }
        Ok(self.0.read().range(range).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let map = self.0.read();
        let from = map.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let matching = from.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(matching.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn len(&self) -> Result<usize, StoreError> {
        Ok(self.0.read().len())
    }
}

/// Whether no key can be in the range; `BTreeMap::range` panics on some of these.
pub(super) fn is_empty((from, to): &KeyRange) -> bool {
    match (from, to) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) | (Bound::Excluded(a), Bound::Included(b)) => {
            a >= b
        }
        _ => false,
    }
}

impl KeyValueReader for MemoryKeyValue {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.get(key)
    }

    fn range(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.0.range(range, limit)
    }

    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.0.prefix(prefix, limit)
    }

    fn len(&self) -> Result<usize, StoreError> {
        self.0.len()
    }
}

impl KeyValueStore for MemoryKeyValue {
    fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StoreError> {
        self.0.0.write().insert(key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.0.0.write().remove(key);
        Ok(())
    }
}

impl StateStore for MemoryKeyValue {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_key_value(&mut self) -> Option<&mut dyn KeyValueStore> {
        Some(self)
    }

    fn is_timestamped(&self) -> bool {
        self.1
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.clone().ok_or(StoreError::NullKey { offset: record.offset })?;
        match &record.value {
            Some(value) if self.1 => self.put(key, stamp(record.timestamp, value)),
            Some(value) => self.put(key, value.clone()),
            None => self.delete(&key),
        }
    }
}
