//! Under which keys each action went out, and what has been undone.
//!
//! All numbers are big-endian, so that keys of one kind and actor lie together and times in their order:
//!
//! | key | value |
//! |---|---|
//! | `E` length actor event-id | append time, event time, keys: an action that went out |
//! | `R` length actor event-id | append time: a retraction |
//! | `X` length actor | append time, time up to which the actor is erased |
//! | `T` append-time key | nothing: the entry under that key, if it is still of that time, may be forgotten |
//!
//! Nothing is removed when it is undone, only when its time is over: a record that is processed again after a crash must
//! find what it found the first time, or its effect could be lost.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use nowfold_core::names::StoreName;
use nowfold_core::processor::{LoggedKeyValue, ProcessError, ProcessorContext};
use nowfold_core::time::Timestamp;
use nowfold_schemas::action::Action;

/// Entries whose time is over, removed with each record: more than one record adds.
const FORGOTTEN_AT_ONCE: usize = 8;

/// An action that went out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) time: Timestamp,
    pub(super) keys: Vec<Arc<str>>,
}

/// The store of a task, by name.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    name: StoreName,
    retention: Duration,
}

type Store<'a> = LoggedKeyValue<'a>;

impl Memory {
    pub(super) fn new(name: StoreName, retention: Duration) -> Self {
        Self { name, retention }
    }

    pub(super) fn store(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn open<'a, K, V>(&self, cx: &'a mut ProcessorContext<'_, '_, K, V>) -> Result<Store<'a>, ProcessError>
    where
        K: 'static,
        V: 'static,
    {
        Ok(cx.key_value(self.name.as_str())?)
    }

    /// Keeps an action's keys; says whether it has been undone already and must not go out.
    pub(super) fn admit(
        &self,
        store: &mut Store<'_>,
        action: &Action,
        entry: Entry,
        appended: Timestamp,
    ) -> Result<bool, ProcessError> {
        let erased = store.get(&key(b'X', &action.actor, ""))?.and_then(|value| time_of(content(&value)));
        if erased.is_some_and(|until| entry.time <= until) {
            return Ok(true);
        }
        if store.get(&key(b'R', &action.actor, &action.event_id))?.is_some() {
            return Ok(true);
        }
        let place = key(b'E', &action.actor, &action.event_id);
        if store.get(&place)?.is_none() {
            self.keep(store, place, &encode(&entry)?, appended)?;
        }
        Ok(false)
    }

    /// Notes a retraction, and gives the keys of its action as far as they are known.
    pub(super) fn retract(
        &self,
        store: &mut Store<'_>,
        action: &Action,
        appended: Timestamp,
    ) -> Result<Vec<Arc<str>>, ProcessError> {
        self.keep(store, key(b'R', &action.actor, &action.event_id), &[], appended)?;
        let entry = store.get(&key(b'E', &action.actor, &action.event_id))?;
        entry.map_or(Ok(Vec::new()), |entry| Ok(decode(content(&entry))?.keys))
    }

    /// Notes an erasure, and gives the actor's actions up to its time, with their ids.
    pub(super) fn erase(
        &self,
        store: &mut Store<'_>,
        actor: &str,
        until: Timestamp,
        appended: Timestamp,
    ) -> Result<Vec<(String, Entry)>, ProcessError> {
        let place = key(b'X', actor, "");
        let before = store.get(&place)?.and_then(|value| time_of(content(&value))).unwrap_or(Timestamp::MIN);
        self.keep(store, place, &before.max(until).as_millis().to_be_bytes(), appended)?;
        let prefix = key(b'E', actor, "");
        let mut erased = Vec::new();
        for (found, entry) in store.prefix(&prefix, usize::MAX)? {
            let entry = decode(content(&entry))?;
            if entry.time <= until {
                let id = found.get(prefix.len()..).unwrap_or_default();
                erased.push((String::from_utf8_lossy(id).into_owned(), entry));
            }
        }
        Ok(erased)
    }

    /// Removes some of the entries that were appended longer ago than the retention.
    pub(super) fn forget(&self, store: &mut Store<'_>, now: Timestamp) -> Result<(), ProcessError> {
        let range = (Bound::Included(Bytes::from_static(b"T")), Bound::Excluded(at(now.minus(self.retention), b"")));
        for (due, _) in store.range(range, FORGOTTEN_AT_ONCE)? {
            let place = due.get(1 + size_of::<i64>()..).unwrap_or_default();
            let kept = store.get(place)?.and_then(|value| time_of(&value));
            if kept.is_some_and(|appended| due.starts_with(&at(appended, b""))) {
                store.delete(place)?;
            }
            store.delete(&due)?;
        }
        Ok(())
    }

    fn keep(&self, store: &mut Store<'_>, place: Bytes, value: &[u8], appended: Timestamp) -> Result<(), ProcessError> {
        store.put(at(appended, &place), Bytes::new())?;
        let value = [&appended.as_millis().to_be_bytes(), value].concat();
        Ok(store.put(place, value.into())?)
    }
}

fn key(kind: u8, actor: &str, event_id: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(5 + actor.len() + event_id.len());
    key.put_u8(kind);
    key.put_u32(u32::try_from(actor.len()).unwrap_or(u32::MAX));
    key.put_slice(actor.as_bytes());
    key.put_slice(event_id.as_bytes());
    key.freeze()
}

/// The entry that says when `place` may be forgotten; times before 1970 sort first.
fn at(time: Timestamp, place: &[u8]) -> Bytes {
    let mut key = BytesMut::with_capacity(9 + place.len());
    key.put_u8(b'T');
    key.put_i64(time.as_millis() ^ i64::MIN);
    key.put_slice(place);
    key.freeze()
}

fn time_of(value: &[u8]) -> Option<Timestamp> {
    value.first_chunk().map(|bytes| Timestamp::from_millis(i64::from_be_bytes(*bytes)))
}

/// A value without its append time.
fn content(value: &[u8]) -> &[u8] {
    value.get(size_of::<i64>()..).unwrap_or_default()
}

fn encode(entry: &Entry) -> Result<Vec<u8>, ProcessError> {
    let mut value = entry.time.as_millis().to_be_bytes().to_vec();
    serde_json::to_writer(&mut value, &entry.keys).map_err(|error| ProcessError::new(error.to_string()))?;
    Ok(value)
}

fn decode(value: &[u8]) -> Result<Entry, ProcessError> {
    let damaged =
        || ProcessError::new("an entry of the store of keys is damaged; delete its changelog and start again");
    let time = time_of(value).ok_or_else(damaged)?;
    let keys = serde_json::from_slice(content(value)).map_err(|_| damaged())?;
    Ok(Entry { time, keys })
}
