//! The window store trait: values by key and start of a window, dropped as a whole when they are too old.

use bytes::Bytes;

use super::{StateStore, StoreError};
use crate::time::Timestamp;

/// An entry of a window store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowEntry {
    /// The key.
    pub key: Bytes,
    /// Start of the window, in milliseconds since the Unix epoch.
    pub start: Timestamp,
    /// The value.
    pub value: Bytes,
}

/// Reads of a window store, safe from any thread.
///
/// An entry can be read while `start > (largest start written) - retention`, as in Kafka Streams.
pub trait WindowReader: Send + Sync {
    /// The value of `key` in the window that begins at `start`; the first one where duplicates are kept.
    ///
    /// # Errors
    /// When the engine fails.
    fn get(&self, key: &Bytes, start: Timestamp) -> Result<Option<Bytes>, StoreError>;

    /// The windows of `key` that begin within `from..=to`, by start, duplicates in the order of writing.
    ///
    /// # Errors
    /// When the engine fails.
    fn fetch(&self, key: &Bytes, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Bytes)>, StoreError>;

    /// The windows of all keys that begin within `from..=to`, by start, then by the bytes of the key.
    ///
    /// # Errors
    /// When the engine fails.
    fn fetch_all(&self, from: Timestamp, to: Timestamp) -> Result<Vec<WindowEntry>, StoreError>;
}

/// A window store: reads, and writes by its own task, visible to reads at once.
pub trait WindowStore: StateStore + WindowReader {
    /// Sets the value of `key` in the window that begins at `start`; `None` removes it. Where duplicates are kept, a value
    /// is added and `None` does nothing. Returns the number of the duplicate (0 without), or `None` when the window is
    /// older than the retention and the write was dropped.
    ///
    /// # Errors
    /// When the engine fails.
    fn put(&mut self, key: Bytes, start: Timestamp, value: Option<Bytes>) -> Result<Option<u32>, StoreError>;
}

/// What a window store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowOptions {
    /// For how long before the largest start, in milliseconds.
    pub retention_ms: i64,
    /// Whether several values of one key and start are kept, as stream joins need it.
    pub duplicates: bool,
    /// Whether values carry the timestamp of their last update before them.
    pub timestamped: bool,
}

/// The changelog key of a window: the key, the start (8 bytes, big-endian) and the duplicate's number (4 bytes), as
/// Kafka Streams writes it.
pub fn changelog_key(key: &[u8], start: Timestamp, duplicate: u32) -> Bytes {
    [key, &start.as_millis().to_be_bytes(), &duplicate.to_be_bytes()].concat().into()
}

/// Key, start and number of the duplicate of a changelog key ([`window_changelog_key`](super::window_changelog_key)).
pub fn split_changelog_key(bytes: &Bytes) -> Option<(Bytes, Timestamp, u32)> {
    let n = bytes.len().checked_sub(12)?;
    let (start, duplicate) = bytes.get(n..)?.split_at(8);
    let start = Timestamp::from_millis(i64::from_be_bytes(start.try_into().ok()?));
    Some((bytes.slice(..n), start, u32::from_be_bytes(duplicate.try_into().ok()?)))
}
