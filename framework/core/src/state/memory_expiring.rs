//! The in-memory key-value engine whose rows have a time to live.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::memory::is_empty;
use super::{KeyRange, KeyValueReader, KeyValueStore, StateStore, StoreError, TimeToLive, stamp, unstamp};
use crate::record::LogRecord;
use crate::time::Timestamp;

/// How many rows one call of [`StateStore::expire`] takes away at most: readers wait for no more than that.
const AT_A_TIME: usize = 1_000;

/// An ordered map of rows with times to live, behind a lock that readers share. Values are timestamped
/// ([`stamp`](super::stamp)); a row ends by its own time, as [`TimeToLive`] says.
#[derive(Debug)]
pub struct MemoryExpiring(Arc<ExpiringMap>);

/// What queries hold of a [`MemoryExpiring`]: rows that are alive. Values are timestamped.
#[derive(Debug)]
pub struct ExpiringMap {
    ttl: TimeToLive,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    rows: BTreeMap<Bytes, Bytes>,
    by_time: BTreeSet<(Timestamp, Bytes)>,
    now: Timestamp,
}

impl MemoryExpiring {
    /// An empty store.
    pub fn new(ttl: TimeToLive) -> Self {
        let state = State { rows: BTreeMap::new(), by_time: BTreeSet::new(), now: Timestamp::MIN };
        Self(Arc::new(ExpiringMap { ttl, state: RwLock::new(state) }))
    }

    fn write(&self, key: Bytes, row: Option<Bytes>) -> Result<(), StoreError> {
        let time = row.as_ref().map(time_of).transpose()?;
        let mut state = self.0.state.write();
        state.remove(&key);
        if let (Some(row), Some(time)) = (row, time) {
            if !self.0.ttl.is_by_wall_clock() {
                state.now = state.now.max(time);
            }
            state.by_time.insert((time, key.clone()));
            state.rows.insert(key, row);
        }
        Ok(())
    }
}

fn time_of(row: &Bytes) -> Result<Timestamp, StoreError> {
    unstamp(row).map(|(time, _)| time).ok_or_else(|| StoreError::Engine {
        store: "with a time to live".to_owned(),
        cause: "a row has no time; write it with put_stamped".to_owned(),
    })
}

impl State {
    fn remove(&mut self, key: &Bytes) {
        if let Some(row) = self.rows.remove(key)
            && let Some((time, _)) = unstamp(&row)
        {
            self.by_time.remove(&(time, key.clone()));
        }
    }
}

impl ExpiringMap {
    fn is_alive(&self, now: Timestamp, row: &Bytes) -> bool {
        unstamp(row).is_some_and(|(time, _)| !self.ttl.is_over(time, now))
    }

    fn collect<'m>(
        &self,
        state: &State,
        rows: impl Iterator<Item = (&'m Bytes, &'m Bytes)>,
        limit: usize,
    ) -> Vec<(Bytes, Bytes)> {
        let alive = rows.filter(|(_, row)| self.is_alive(state.now, row)).take(limit);
        alive.map(|(key, row)| (key.clone(), row.clone())).collect()
    }
}

impl KeyValueReader for ExpiringMap {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let state = self.state.read();
        Ok(state.rows.get(key).filter(|row| self.is_alive(state.now, row)).cloned())
    }

    fn range(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        if is_empty(&range) {
            return Ok(Vec::new());
        }
        let state = self.state.read();
        Ok(self.collect(&state, state.rows.range(range), limit))
    }

    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let state = self.state.read();
        let from = state.rows.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        Ok(self.collect(&state, from.take_while(|(key, _)| key.starts_with(prefix)), limit))
    }

    fn len(&self) -> Result<usize, StoreError> {
        let state = self.state.read();
        let over = state.by_time.iter().take_while(|(time, _)| self.ttl.is_over(*time, state.now)).count();
        Ok(state.rows.len() - over)
    }
}

impl KeyValueReader for MemoryExpiring {
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

impl KeyValueStore for MemoryExpiring {
    fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StoreError> {
        self.write(key, Some(value))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.write(Bytes::copy_from_slice(key), None)
    }
}

impl StateStore for MemoryExpiring {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_key_value(&mut self) -> Option<&mut dyn KeyValueStore> {
        Some(self)
    }

    fn is_timestamped(&self) -> bool {
        true
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>
    }

    fn expire(&mut self, stream_time: Timestamp, wall_clock: Timestamp) -> Vec<Bytes> {
        let now = if self.0.ttl.is_by_wall_clock() { wall_clock } else { stream_time };
        let is_due = |state: &State| {
            now > state.now || state.by_time.first().is_some_and(|(time, _)| self.0.ttl.is_over(*time, state.now))
        };
        if !is_due(&self.0.state.read()) {
            return Vec::new();
        }
        let mut state = self.0.state.write();
        state.now = state.now.max(now);
        let mut over = Vec::new();
        while over.len() < AT_A_TIME
            && let Some((time, _)) = state.by_time.first()
            && self.0.ttl.is_over(*time, state.now)
            && let Some((_, key)) = state.by_time.pop_first()
        {
            state.rows.remove(&key);
            over.push(key);
        }
        over
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.clone().ok_or(StoreError::NullKey { offset: record.offset })?;
        self.write(key, record.value.as_ref().map(|value| stamp(record.timestamp, value)))
    }
}
