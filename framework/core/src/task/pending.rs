//! Writes of the present record to a key-value store, held back until the record is done with.
//!
//! A record may turn out to wait when half of its work is done, such as at a sink whose schema registry does not answer.
//! It is then processed again from the beginning, and must not meet its own traces.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use bytes::Bytes;

use crate::state::{KeyRange, KeyValueReader, KeyValueStore, StoreError};

/// The newest write of each key; `None` deletes.
#[derive(Debug, Default)]
pub(crate) struct Pending(BTreeMap<Bytes, Option<Bytes>>);

impl Pending {
    pub(crate) fn write(&mut self, key: Bytes, value: Option<Bytes>) {
        self.0.insert(key, value);
    }

    /// Whether the present record has written `key`.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the writes.
    pub(crate) fn drop_all(&mut self) {
        self.0.clear();
    }

    /// Carries out the writes.
    pub(crate) fn flush(&mut self, store: &mut dyn KeyValueStore) -> Result<(), StoreError> {
        for (key, value) in std::mem::take(&mut self.0) {
            match value {
                Some(value) => store.put(key, value)?,
                None => store.delete(&key)?,
            }
        }
        Ok(())
    }

    /// The value of `key` as the present record sees it.
    pub(crate) fn get<S: KeyValueReader + ?Sized>(&self, store: &S, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.0.get(key) {
            Some(written) => Ok(written.clone()),
            None => store.get(key),
        }
    }

    /// Pairs in `range` as the present record sees them.
    pub(crate) fn range<S: KeyValueReader + ?Sized>(
        &self,
        store: &S,
        range: KeyRange,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let written = self.0.iter().filter(|(key, _)| range.contains(*key));
        let written: Vec<_> = written.map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(merge(store.range(range, limit.saturating_add(written.len()))?, written, limit))
    }

    /// Pairs whose keys begin with `prefix` as the present record sees them.
    pub(crate) fn prefix<S: KeyValueReader + ?Sized>(
        &self,
        store: &S,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let written = self.0.iter().filter(|(key, _)| key.starts_with(prefix));
        let written: Vec<_> = written.map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(merge(store.prefix(prefix, limit.saturating_add(written.len()))?, written, limit))
    }
}

/// Lays `written` over `stored`; both are in order of their keys, and `stored` is long enough for every deletion.
fn merge(stored: Vec<(Bytes, Bytes)>, written: Vec<(Bytes, Option<Bytes>)>, limit: usize) -> Vec<(Bytes, Bytes)> {
    if written.is_empty() {
        return stored;
    }
    let mut merged: BTreeMap<_, _> = stored.into_iter().map(|(key, value)| (key, Some(value))).collect();
    merged.extend(written);
    merged.into_iter().filter_map(|(key, value)| Some((key, value?))).take(limit).collect()
}
