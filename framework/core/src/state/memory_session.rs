//! The in-memory session engine.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::session::split_changelog_key;
use super::{SessionEntry, SessionReader, SessionStore, StateStore, StoreError};
use crate::record::LogRecord;
use crate::time::{Timestamp, millis};

/// Sessions by key and by end, behind a lock that readers share.
#[derive(Debug)]
pub struct MemorySession(Arc<MemorySessions>);

/// What queries hold of a [`MemorySession`].
#[derive(Debug)]
pub struct MemorySessions {
    retention: i64,
    state: RwLock<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    /// By key, end and start.
    by_key: BTreeMap<SessionKey, Bytes>,
    /// By end, start and key.
    by_end: BTreeSet<(i64, i64, Bytes)>,
    largest: Option<i64>,
    /// What the present record has replaced, and the largest end before it.
    undo: Vec<(SessionKey, Option<Bytes>)>,
    largest_before: Option<Option<i64>>,
}

/// Key, end and start.
type SessionKey = (Bytes, i64, i64);

impl MemorySession {
    /// An empty store that keeps sessions for `retention` before the largest end, in whole milliseconds.
    pub fn new(retention: std::time::Duration) -> Self {
        Self(Arc::new(MemorySessions { retention: millis(retention), state: RwLock::default() }))
    }
}

impl Sessions {
    /// The smallest end that can be read.
    fn floor(&self, retention: i64) -> i64 {
        self.largest.map_or(i64::MIN, |largest| largest.saturating_sub(retention).saturating_add(1))
    }

    /// Sets or removes an entry; returns what was there.
    fn set(&mut self, at: SessionKey, value: Option<Bytes>) -> Option<Bytes> {
        let (key, end, start) = at.clone();
        match value {
            Some(value) => {
                self.by_end.insert((end, start, key));
                self.by_key.insert(at, value)
            }
            None => {
                self.by_end.remove(&(end, start, key));
                self.by_key.remove(&at)
            }
        }
    }

    fn expire(&mut self, floor: i64) {
        while let Some((end, start, key)) = self.by_end.first()
            && *end < floor
        {
            self.by_key.remove(&(key.clone(), *end, *start));
            self.by_end.pop_first();
        }
    }
}

fn entry(key: &Bytes, start: i64, end: i64, value: &Bytes) -> SessionEntry {
    let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
    SessionEntry { key: key.clone(), start, end, value: value.clone() }
}

impl SessionReader for MemorySessions {
    fn get(&self, key: &Bytes, start: Timestamp, end: Timestamp) -> Result<Option<Bytes>, StoreError> {
        let state = self.state.read();
        if end.as_millis() < state.floor(self.retention) {
            return Ok(None);
        }
        Ok(state.by_key.get(&(key.clone(), end.as_millis(), start.as_millis())).cloned())
    }

    fn find(
        &self,
        key: &Bytes,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<Vec<SessionEntry>, StoreError> {
        let state = self.state.read();
        let from = earliest_end.as_millis().max(state.floor(self.retention));
        let of_key = state.by_key.range((key.clone(), from, i64::MIN)..=(key.clone(), i64::MAX, i64::MAX));
        let found = of_key.filter(|((_, _, start), _)| *start <= latest_start.as_millis());
        Ok(found.map(|((key, end, start), value)| entry(key, *start, *end, value)).collect())
    }

    fn ended(&self, from: Timestamp, to: Timestamp) -> Result<Vec<SessionEntry>, StoreError> {
        let state = self.state.read();
        let from = from.as_millis().max(state.floor(self.retention));
        let found = state.by_end.range((from, i64::MIN, Bytes::new())..);
        let found = found.take_while(|(end, ..)| *end <= to.as_millis());
        let whole = |(end, start, key): &(i64, i64, Bytes)| {
            let value = state.by_key.get(&(key.clone(), *end, *start))?;
            Some(entry(key, *start, *end, value))
        };
        Ok(found.filter_map(whole).collect())
    }
}

impl SessionReader for MemorySession {
    fn get(&self, key: &Bytes, start: Timestamp, end: Timestamp) -> Result<Option<Bytes>, StoreError> {
        self.0.get(key, start, end)
    }

    fn find(
        &self,
        key: &Bytes,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<Vec<SessionEntry>, StoreError> {
        self.0.find(key, earliest_end, latest_start)
    }

    fn ended(&self, from: Timestamp, to: Timestamp) -> Result<Vec<SessionEntry>, StoreError> {
        self.0.ended(from, to)
    }
}

impl SessionStore for MemorySession {
    fn put(&mut self, key: Bytes, start: Timestamp, end: Timestamp, value: Option<Bytes>) -> Result<bool, StoreError> {
        let mut state = self.0.state.write();
        let (start, end) = (start.as_millis(), end.as_millis());
        let largest = state.largest;
        state.largest_before.get_or_insert(largest);
        state.largest = largest.max(Some(end));
        let floor = state.floor(self.0.retention);
        if end < floor {
            return Ok(false);
        }
        let before = state.set((key.clone(), end, start), value);
        state.undo.push(((key, end, start), before));
        Ok(true)
    }
}

impl StateStore for MemorySession {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_session(&mut self) -> Option<&mut dyn SessionStore> {
        Some(self)
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.0) as Arc<dyn Any + Send + Sync>
    }

    fn record_done(&mut self) {
        let mut state = self.0.state.write();
        state.undo.clear();
        state.largest_before = None;
        let floor = state.floor(self.0.retention);
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
        let parts = split_changelog_key(key).ok_or(StoreError::BadKey { offset: record.offset, kind: "session" })?;
        let (key, start, end) = parts;
        self.put(key, start, end, record.value.clone())?;
        self.record_done();
        Ok(())
    }
}
