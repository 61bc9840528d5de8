//! Stores whose writes are repeated on their changelogs.

use bytes::Bytes;

use super::{
    KeyRange, KeyValueStore, SessionEntry, SessionStore, StoreError, Version, VersionPut, VersionedStore, WindowEntry,
    WindowStore, session, stamp, unstamp, window,
};
use crate::names::StoreName;
use crate::task::pending::Pending;
use crate::time::Timestamp;

/// A write on its way to a store's changelog topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangelogWrite {
    /// The store.
    pub store: StoreName,
    /// Its key.
    pub key: Bytes,
    /// The new value; `None` is a deletion.
    pub value: Option<Bytes>,
    /// The time of the write: that of the row, or of the record being processed.
    pub timestamp: Timestamp,
}

/// Where the writes to a store are repeated.
pub(crate) struct LogTo<'a> {
    pub(crate) name: &'a StoreName,
    pub(crate) changelog: Option<&'a mut Vec<ChangelogWrite>>,
    /// The time of the record being processed, at least 0.
    pub(crate) now: Timestamp,
}

impl LogTo<'_> {
    fn write(&mut self, key: Bytes, value: Option<Bytes>, timestamp: Timestamp) {
        if let Some(changelog) = &mut self.changelog {
            let timestamp = timestamp.max(Timestamp::from_millis(0));
            changelog.push(ChangelogWrite { store: self.name.clone(), key, value, timestamp });
        }
    }

    fn null_key(&self) -> StoreError {
        StoreError::Engine { store: self.name.to_string(), cause: "it is asked for a null key".to_owned() }
    }
}

/// A store behind `S` whose writes are repeated on its changelog. The present record sees its own writes at once; a
/// record that waits leaves none behind.
pub struct Logged<'a, S> {
    inner: S,
    log: LogTo<'a>,
}

/// A key-value store, and what the present record has written to it.
pub struct Held<'a> {
    pub(crate) inner: &'a mut dyn KeyValueStore,
    pub(crate) pending: &'a mut Pending,
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl<'a, S> Logged<'a, S> {
    pub(crate) fn new(inner: S, log: LogTo<'a>) -> Self {
        Self { inner, log }
    }

    /// The key itself, or the error that a store asked for a null key gives.
    ///
    /// # Errors
    /// When it is `None`.
    pub fn key<'k>(&self, key: Option<&'k Bytes>) -> Result<&'k Bytes, StoreError> {
        key.ok_or_else(|| self.log.null_key())
    }
}

impl<S> std::fmt::Debug for Logged<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logged").field("name", &self.log.name).finish_non_exhaustive()
    }
}

/// A key-value store whose writes are repeated on its changelog.
pub type LoggedKeyValue<'a> = Logged<'a, Held<'a>>;
/// A window store whose writes are repeated on its changelog.
pub type LoggedWindow<'a> = Logged<'a, &'a mut dyn WindowStore>;
/// A session store whose writes are repeated on its changelog.
pub type LoggedSession<'a> = Logged<'a, &'a mut dyn SessionStore>;
/// A versioned store whose writes are repeated on its changelog.
pub type LoggedVersioned<'a> = Logged<'a, &'a mut dyn VersionedStore>;

impl LoggedKeyValue<'_> {
    /// The value of `key`, with its time before it where the store is timestamped.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.inner.pending.get(self.inner.inner, key)
    }

    /// The value of `key` in a timestamped store, and the time of its last update.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn get_stamped(&self, key: &[u8]) -> Result<Option<(Timestamp, Bytes)>, StoreError> {
        Ok(self.get(key)?.as_ref().and_then(unstamp))
    }

    /// Pairs with keys in `range`, in ascending byte order, at most `limit`.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn range(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.inner.pending.range(self.inner.inner, range, limit)
    }

    /// Pairs whose keys begin with `prefix`, in ascending byte order, at most `limit`.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.inner.pending.prefix(self.inner.inner, prefix, limit)
    }

    /// Sets `key` to `value`; in a timestamped store with the time of the record being processed.
    ///
    /// # Errors
    /// None now. When the engine fails at the end of the record, the task stops.
    pub fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StoreError> {
        self.put_stamped(key, value, self.log.now)
    }

    /// Sets `key` to `value` as of `time`, which a timestamped store keeps.
    ///
    /// # Errors
    /// None now. When the engine fails at the end of the record, the task stops.
    pub fn put_stamped(&mut self, key: Bytes, value: Bytes, time: Timestamp) -> Result<(), StoreError> {
        let stored = if self.inner.inner.is_timestamped() { stamp(time, &value) } else { value.clone() };
        self.inner.pending.write(key.clone(), Some(stored));
        self.log.write(key, Some(value), time);
        Ok(())
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// None now. When the engine fails at the end of the record, the task stops.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let key = Bytes::copy_from_slice(key);
        self.inner.pending.write(key.clone(), None);
        self.log.write(key, None, self.log.now);
        Ok(())
    }
}

impl LoggedWindow<'_> {
    /// The value of `key` in the window that begins at `start`, with its time before it where the store is timestamped.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn get(&self, key: &Bytes, start: Timestamp) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(key, start)
    }

    /// The windows of `key` that begin within `from..=to`, by start.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn fetch(&self, key: &Bytes, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Bytes)>, StoreError> {
        self.inner.fetch(key, from, to)
    }

    /// The windows of all keys that begin within `from..=to`, by start, then key.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn fetch_all(&self, from: Timestamp, to: Timestamp) -> Result<Vec<WindowEntry>, StoreError> {
        self.inner.fetch_all(from, to)
    }

    /// Sets the value of a window, or removes it; a timestamped store keeps the time of the record being processed.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn put(&mut self, key: Bytes, start: Timestamp, value: Option<Bytes>) -> Result<(), StoreError> {
        self.put_stamped(key, start, value, self.log.now)
    }

    /// Sets the value of a window as of `time`, or removes it.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn put_stamped(
        &mut self,
        key: Bytes,
        start: Timestamp,
        value: Option<Bytes>,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let timestamped = self.inner.is_timestamped();
        let stored = value.as_ref().map(|value| if timestamped { stamp(time, value) } else { value.clone() });
        if let Some(duplicate) = self.inner.put(key.clone(), start, stored)? {
            self.log.write(window::changelog_key(&key, start, duplicate), value, time);
        }
        Ok(())
    }
}

impl LoggedSession<'_> {
    /// The value of exactly this session.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn get(&self, key: &Bytes, start: Timestamp, end: Timestamp) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(key, start, end)
    }

    /// Sessions of `key` that end at `earliest_end` or later and begin at `latest_start` or before, by end, then start.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn find(
        &self,
        key: &Bytes,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<Vec<SessionEntry>, StoreError> {
        self.inner.find(key, earliest_end, latest_start)
    }

    /// Sessions of all keys that end within `from..=to`, by end.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn ended(&self, from: Timestamp, to: Timestamp) -> Result<Vec<SessionEntry>, StoreError> {
        self.inner.ended(from, to)
    }

    /// Sets the value of a session; `None` removes it.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn put(
        &mut self,
        key: Bytes,
        start: Timestamp,
        end: Timestamp,
        value: Option<Bytes>,
    ) -> Result<(), StoreError> {
        if self.inner.put(key.clone(), start, end, value.clone())? {
            self.log.write(session::changelog_key(&key, start, end), value, end);
        }
        Ok(())
    }
}

impl LoggedVersioned<'_> {
    /// The newest version of `key`, unless it is deleted.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn latest(&self, key: &[u8]) -> Result<Option<Version>, StoreError> {
        self.inner.latest(key)
    }

    /// The version of `key` that was valid at `time`.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn as_of(&self, key: &[u8], time: Timestamp) -> Result<Option<Version>, StoreError> {
        self.inner.as_of(key, time)
    }

    /// Adds the version of `key` from `time` on; `None` is a deletion at that time.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn put(&mut self, key: Bytes, value: Option<Bytes>, time: Timestamp) -> Result<VersionPut, StoreError> {
        let put = self.inner.put(key.clone(), value.clone(), time)?;
        if put != VersionPut::Rejected {
            self.log.write(key, value, time);
        }
        Ok(put)
    }
}
