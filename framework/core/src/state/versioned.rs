//! The versioned store trait: the history of each key, readable as of a time.

use bytes::Bytes;

use super::{StateStore, StoreError};
use crate::time::Timestamp;

/// A version of a key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The value.
    pub value: Bytes,
    /// When it became valid.
    pub from: Timestamp,
    /// When the next version, or a deletion, replaced it; `None` for the newest.
    pub until: Option<Timestamp>,
}

/// What became of a write to a versioned store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionPut {
    /// It is the newest version of its key.
    Latest,
    /// A newer version was there, which begins at this time.
    Until(Timestamp),
    /// It is older than the history that is kept, and was dropped.
    Rejected,
}

/// Reads of a versioned store, safe from any thread.
pub trait VersionedReader: Send + Sync {
    /// The newest version of `key`, unless it is deleted.
    ///
    /// # Errors
    /// When the engine fails.
    fn latest(&self, key: &[u8]) -> Result<Option<Version>, StoreError>;

    /// The version of `key` that was valid at `time`. The newest version is always found; older ones only while `time`
    /// lies no further back than the history that is kept, counted from the largest timestamp written, as in Kafka Streams
    /// (KIP-889).
    ///
    /// # Errors
    /// When the engine fails.
    fn as_of(&self, key: &[u8], time: Timestamp) -> Result<Option<Version>, StoreError>;
}

/// A versioned store: reads, and writes by its own task, visible to reads at once.
pub trait VersionedStore: StateStore + VersionedReader {
    /// Adds the version of `key` from `time` on; `None` is a deletion at that time.
    ///
    /// # Errors
    /// When the engine fails.
    fn put(&mut self, key: Bytes, value: Option<Bytes>, time: Timestamp) -> Result<VersionPut, StoreError>;
}
