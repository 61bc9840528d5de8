//! The in-memory window engine.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::window::split_changelog_key;
use super::{StateStore, StoreError, WindowEntry, WindowOptions, WindowReader, WindowStore, stamp};
use crate::record::LogRecord;
use crate::time::Timestamp;

/// Windows by key and by time, behind a lock that readers share.
#[derive(Debug)]
pub struct MemoryWindow(Arc<MemoryWindows>);

/// What queries hold of a [`MemoryWindow`].
#[derive(Debug)]
pub struct MemoryWindows {
    options: WindowOptions,
    state: RwLock<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    by_key: BTreeMap<WindowKey, Bytes>,
    by_time: BTreeSet<(i64, Bytes, u32)>,
    largest: Option<i64>,
    n_duplicates: u32,
    /// What the present record has replaced, and the largest start before it.
    undo: Vec<(WindowKey, Option<Bytes>)>,
    largest_before: Option<Option<i64>>,
}

/// Key, start and number of the duplicate.
type WindowKey = (Bytes, i64, u32);

impl MemoryWindow {
    /// An empty store.
    pub fn new(options: WindowOptions) -> Self {
        Self(Arc::new(MemoryWindows { options, state: RwLock::default() }))
    }

    fn insert(&self, key: Bytes, start: Timestamp, duplicate: u32, value: Option<Bytes>) -> bool {
        let mut state = self.0.state.write();
        let start = start.as_millis();
        let largest = state.largest;
        state.largest_before.get_or_insert(largest);
        state.largest = largest.max(Some(start));
        let floor = state.floor(self.0.options.retention_ms);
        if start < floor {
            return false;
        }
        let before = state.set((key.clone(), start, duplicate), value);
        state.undo.push(((key, start, duplicate), before));
        true
    }
}

impl Windows {
    /// The smallest start that can be read.
    fn floor(&self, retention: i64) -> i64 {
        self.largest.map_or(i64::MIN, |largest| largest.saturating_sub(retention).saturating_add(1))
    }

    /// Sets or removes an entry; returns what was there.
    fn set(&mut self, at: WindowKey, value: Option<Bytes>) -> Option<Bytes> {
        let (key, start, duplicate) = at.clone();
        match value {
            Some(value) => {
                self.by_time.insert((start, key, duplicate));
                self.by_key.insert(at, value)
            }
            None => {
                self.by_time.remove(&(start, key, duplicate));
                self.by_key.remove(&at)
            }
        }
    }

    fn expire(&mut self, floor: i64) {
        while let Some((start, key, duplicate)) = self.by_time.first()
            && *start < floor
        {
            self.by_key.remove(&(key.clone(), *start, *duplicate));
            self.by_time.pop_first();
        }
    }
}

impl WindowReader for MemoryWindows {
    fn get(&self, key: &Bytes, start: Timestamp) -> Result<Option<Bytes>, StoreError> {
        Ok(self.fetch(key, start, start)?.into_iter().next().map(|(_, value)| value))
    }

    fn fetch(&self, key: &Bytes, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Bytes)>, StoreError> {
        let state = self.state.read();
        let from = from.as_millis().max(state.floor(self.options.retention_ms));
        if from > to.as_millis() {
            return Ok(Vec::new());
        }
        let found = state.by_key.range((key.clone(), from, 0)..=(key.clone(), to.as_millis(), u32::MAX));
        Ok(found.map(|((_, start, _), value)| (Timestamp::from_millis(*start), value.clone())).collect())
    }

    fn fetch_all(&self, from: Timestamp, to: Timestamp) -> Result<Vec<WindowEntry>, StoreError> {
        let state = self.state.read();
        let from = from.as_millis().max(state.floor(self.options.retention_ms));
        let found = state.by_time.range((from, Bytes::new(), 0)..);
        let found = found.take_while(|(start, ..)| *start <= to.as_millis());
        let entry = |(start, key, duplicate): &(i64, Bytes, u32)| {
            let value = state.by_key.get(&(key.clone(), *start, *duplicate))?.clone();
            Some(WindowEntry { key: key.clone(), start: Timestamp::from_millis(*start), value })
        };
        Ok(found.filter_map(entry).collect())
    }
}

impl WindowReader for MemoryWindow {
    fn get(&self, key: &Bytes, start: Timestamp) -> Result<Option<Bytes>, StoreError> {
        self.0.get(key, start)
    }

    fn fetch(&self, key: &Bytes, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Bytes)>, StoreError> {
        self.0.fetch(key, from, to)
    }

    fn fetch_all(&self, from: Timestamp, to: Timestamp) -> Result<Vec<WindowEntry>, StoreError> {
        self.0.fetch_all(from, to)
    }
}

impl WindowStore for MemoryWindow {
    fn put(&mut self, key: Bytes, start: Timestamp, value: Option<Bytes>) -> Result<Option<u32>, StoreError> {
        if !self.0.options.duplicates {
            return Ok(self.insert(key, start, 0, value).then_some(0));
        }
        if value.is_none() {
            return Ok(None);
        }
        let duplicate = {
            let mut state = self.0.state.write();
            state.n_duplicates = state.n_duplicates.wrapping_add(1);
            state.n_duplicates
        };
        Ok(self.insert(key, start, duplicate, value).then_some(duplicate))
    }
}

impl StateStore for MemoryWindow {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_window(&mut self) -> Option<&mut dyn WindowStore> {
        Some(self)
    }

    fn is_timestamped(&self) -> bool {
        self.0.options.timestamped
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>
    }

    fn record_done(&mut self) {
        let mut state = self.0.state.write();
        state.undo.clear();
        state.largest_before = None;
        let floor = state.floor(self.0.options.retention_ms);
        state.expire(floor);
    }

    fn record_waits(&mut self) {
        let mut state = self.0.state.write();
        for (at, before) in std::mem::take(&mut state.undo).into_iter().rev() {
            state.set(at, before);
        }
        if let Some(largest) = state.largest_before.take() {
            state.largest = largest;
        }
    }

    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let key = record.key.as_ref().ok_or(StoreError::NullKey { offset: record.offset })?;
        let parts = split_changelog_key(key).ok_or(StoreError::BadKey { offset: record.offset, kind: "window" })?;
        let (key, start, duplicate) = parts;
        let timestamped = self.0.options.timestamped;
        let value = record.value.as_ref();
        let value = value.map(|value| if timestamped { stamp(record.timestamp, value) } else { value.clone() });
        self.insert(key, start, duplicate, value);
        self.record_done();
        let mut state = self.0.state.write();
        state.n_duplicates = state.n_duplicates.max(duplicate);
        Ok(())
    }
}
