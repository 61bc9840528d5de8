//! The in-memory versioned engine.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::{StateStore, StoreError, Version, VersionPut, VersionedReader, VersionedStore};
use crate::record::LogRecord;
use crate::time::{Timestamp, millis};

/// Histories behind a lock that readers share.
#[derive(Debug)]
pub struct MemoryVersioned(Arc<MemoryHistories>);

/// What queries hold of a [`MemoryVersioned`].
#[derive(Debug)]
pub struct MemoryHistories {
    history: i64,
    state: RwLock<Histories>,
}

/// The versions of a key by the time from which they are valid; `None` is a deletion.
type History = BTreeMap<i64, Option<Bytes>>;

#[derive(Debug, Default)]
struct Histories {
    keys: BTreeMap<Bytes, History>,
    largest: Option<i64>,
    /// What the present record has replaced, and the largest time before it.
    undo: Vec<(Bytes, Option<History>)>,
    largest_before: Option<Option<i64>>,
}

impl MemoryVersioned {
    /// An empty store that answers as of times up to `history` before the largest timestamp, in whole milliseconds.
    pub fn new(history: std::time::Duration) -> Self {
        Self(Arc::new(MemoryHistories { history: millis(history), state: RwLock::default() }))
    }
}

impl Histories {
    /// The earliest time that can be asked for or written.
    fn floor(&self, history: i64) -> i64 {
        self.largest.map_or(i64::MIN, |largest| largest.saturating_sub(history))
    }
}

/// Drops versions that ended before `floor`; tells whether any is left.
fn expire(history: &mut History, floor: i64) -> bool {
    if let Some((&valid, _)) = history.range(..=floor).next_back() {
        *history = history.split_off(&valid);
    }
    let only_a_deletion =
        history.len() == 1 && history.first_key_value().is_some_and(|(at, v)| v.is_none() && *at <= floor);
    !only_a_deletion
}

fn version(history: &History, at: i64) -> Option<Version> {
    let (&from, value) = history.range(..=at).next_back()?;
    let until = history.range(from..).nth(1).map(|(next, _)| Timestamp::from_millis(*next));
    Some(Version { value: value.clone()?, from: Timestamp::from_millis(from), until })
}

impl VersionedReader for MemoryHistories {
    fn latest(&self, key: &[u8]) -> Result<Option<Version>, StoreError> {
        Ok(self.state.read().keys.get(key).and_then(|history| version(history, i64::MAX)))
    }

    fn as_of(&self, key: &[u8], time: Timestamp) -> Result<Option<Version>, StoreError> {
        let state = self.state.read();
        let Some(history) = state.keys.get(key) else { return Ok(None) };
        let is_newest = history.last_key_value().is_some_and(|(from, _)| *from <= time.as_millis());
        if !is_newest && time.as_millis() < state.floor(self.history) {
            return Ok(None);
        }
        Ok(version(history, time.as_millis()))
    }
}

impl VersionedReader for MemoryVersioned {
    fn latest(&self, key: &[u8]) -> Result<Option<Version>, StoreError> {
        self.0.latest(key)
    }

    fn as_of(&self, key: &[u8], time: Timestamp) -> Result<Option<Version>, StoreError> {
        self.0.as_of(key, time)
    }
}

impl VersionedStore for MemoryVersioned {
    fn put(&mut self, key: Bytes, value: Option<Bytes>, time: Timestamp) -> Result<VersionPut, StoreError> {
        let mut state = self.0.state.write();
        let time = time.as_millis();
        let largest = state.largest;
        state.largest_before.get_or_insert(largest);
        state.largest = largest.max(Some(time));
        let floor = state.floor(self.0.history);
        if time < floor {
            return Ok(VersionPut::Rejected);
        }
        let before = state.keys.get(&key).cloned();
        state.undo.push((key.clone(), before));
        let history = state.keys.entry(key.clone()).or_default();
        history.insert(time, value);
        let next = history.range(time..).nth(1).map(|(next, _)| Timestamp::from_millis(*next));
        if !expire(history, floor) {
            state.keys.remove(&key);
        }
        Ok(next.map_or(VersionPut::Latest, VersionPut::Until))
    }
}

impl StateStore for MemoryVersioned {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_versioned(&mut self) -> Option<&mut dyn VersionedStore> {
        Some(self)
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>
    }

    fn record_done(&mut self) {
        let mut state = self.0.state.write();
        state.undo.clear();
        state.largest_before = None;
    }

    fn record_waits(&mut self) {
        let mut state = self.0.state.write();
        for (key, before) in std::mem::take(&mut state.undo).into_iter().rev() {
            match before {
                Some(history) => state.keys.insert(key, history),
                None => state.keys.remove(&key),
            };
        }
        if let Some(largest) = state.largest_before.take() {
            state.largest = largest;
        }
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.clone().ok_or(StoreError::NullKey { offset: record.offset })?;
        self.put(key, record.value.clone(), record.timestamp)?;
        self.record_done();
        Ok(())
    }
}
