//! The session store trait: values by key and the first and last time of a session.

use bytes::Bytes;

use super::{StateStore, StoreError};
use crate::time::Timestamp;

/// An entry of a session store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEntry {
    /// The key.
    pub key: Bytes,
    /// Time of the session's first record.
    pub start: Timestamp,
    /// Time of the session's last record.
    pub end: Timestamp,
    /// The value.
    pub value: Bytes,
}

/// Reads of a session store, safe from any thread.
///
/// A session can be read while `end > (largest end written) - retention`, as in Kafka Streams.
pub trait SessionReader: Send + Sync {
    /// The value of exactly this session.
    ///
    /// # Errors
    /// When the engine fails.
    fn get(&self, key: &Bytes, start: Timestamp, end: Timestamp) -> Result<Option<Bytes>, StoreError>;

    /// Sessions of `key` that end at `earliest_end` or later and begin at `latest_start` or before, by end, then start.
    ///
    /// # Errors
    /// When the engine fails.
    fn find(
        &self,
        key: &Bytes,
        earliest_end: Timestamp,
        latest_start: Timestamp,
    ) -> Result<Vec<SessionEntry>, StoreError>;

    /// Sessions of all keys that end within `from..=to`, by end, then start, then the bytes of the key.
    ///
    /// # Errors
    /// When the engine fails.
    fn ended(&self, from: Timestamp, to: Timestamp) -> Result<Vec<SessionEntry>, StoreError>;
}

/// A session store: reads, and writes by its own task, visible to reads at once.
pub trait SessionStore: StateStore + SessionReader {
    /// Sets the value of a session; `None` removes it. Returns whether it was written: a session that ended longer ago
    /// than the retention is dropped.
    ///
    /// # Errors
    /// When the engine fails.
    fn put(&mut self, key: Bytes, start: Timestamp, end: Timestamp, value: Option<Bytes>) -> Result<bool, StoreError>;
}

/// The changelog key of a session: the key, its end and its start (8 bytes each, big-endian), as Kafka Streams writes it.
pub fn changelog_key(key: &[u8], start: Timestamp, end: Timestamp) -> Bytes {
    [key, &end.as_millis().to_be_bytes(), &start.as_millis().to_be_bytes()].concat().into()
}

/// Key, start and end of a changelog key ([`session_changelog_key`](super::session_changelog_key)).
pub fn split_changelog_key(bytes: &Bytes) -> Option<(Bytes, Timestamp, Timestamp)> {
    let n = bytes.len().checked_sub(16)?;
    let (end, start) = bytes.get(n..)?.split_at(8);
    let time = |bytes: &[u8]| Some(Timestamp::from_millis(i64::from_be_bytes(bytes.try_into().ok()?)));
    Some((bytes.slice(..n), time(start)?, time(end)?))
}
