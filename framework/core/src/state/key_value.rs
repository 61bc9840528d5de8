//! The key-value store trait: ordered byte keys, byte values.

use std::ops::Bound;

use bytes::Bytes;

use super::StateStore;

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The topology's node asked for a store it is not connected to, or of another kind.
    #[error("store {store:?} is not a {kind} store of this task; name it where the processor is added")]
    NotConnected {
        /// The store asked for.
        store: String,
        /// The kind asked for.
        kind: &'static str,
    },
    /// The engine failed.
    #[error("store {store:?} failed: {cause}")]
    Engine {
        /// The store.
        store: String,
        /// What went wrong.
        cause: String,
    },
    /// A changelog record's key is not of the store's form.
    #[error("the key of the changelog record at offset {offset} is not that of a {kind} store")]
    BadKey {
        /// Its offset.
        offset: i64,
        /// The store's kind.
        kind: &'static str,
    },
    /// A changelog record has no key.
    #[error("a changelog record at offset {offset} has no key")]
    NullKey {
        /// Its offset.
        offset: i64,
    },
}

/// Key bounds of a range read, in byte order.
pub type KeyRange = (Bound<Bytes>, Bound<Bytes>);

/// Reads of a key-value store, safe from any thread. Each call sees one consistent state.
pub trait KeyValueReader: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the engine fails.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Pairs with keys in `range`, in ascending byte order, at most `limit`.
    ///
    /// # Errors
    /// When the engine fails.
    fn range(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// Pairs whose keys begin with `prefix`, in ascending byte order, at most `limit`.
    ///
    /// # Errors
    /// When the engine fails.
    fn prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// Number of pairs.
    ///
    /// # Errors
    /// When the engine fails.
    fn len(&self) -> Result<usize, StoreError>;

    /// Whether there are none.
    ///
    /// # Errors
    /// When the engine fails.
    fn is_empty(&self) -> Result<bool, StoreError> {
        self.len().map(|n| n == 0)
    }
}

/// A key-value store: reads, and writes by its own task. Writes are visible to reads at once.
pub trait KeyValueStore: StateStore + KeyValueReader {
    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// When the engine fails.
    fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StoreError>;

    /// Removes `key`; removing an absent key is fine.
    ///
    /// # Errors
    /// When the engine fails.
    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError>;
}
