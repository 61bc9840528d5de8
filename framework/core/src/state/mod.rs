//! State stores of a task.
//!
//! Every store belongs to one task; only its worker writes it. What others may read is the store's own
//! [`reader`](StateStore::reader), which stays valid while the store lives.

mod key_value;
mod memory;
mod spec;

use std::any::Any;
use std::sync::Arc;

pub use key_value::{KeyRange, KeyValueReader, KeyValueStore, StoreError};
pub use memory::{MemoryKeyValue, MemoryMap};
pub use spec::{Changelog, StoreFactory, StoreSpec};

use crate::record::LogRecord;

/// A store of one task, whatever its kind.
pub trait StateStore: Send + 'static {
    /// This store, for downcasting to its kind.
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// This store as a key-value store, when it is one.
    fn as_key_value(&mut self) -> Option<&mut dyn KeyValueStore> {
        None
    }

    /// A handle for reads from other threads, published to queries.
    fn reader(&self) -> Arc<dyn Any + Send + Sync>;

    /// Applies a record of the store's own changelog topic.
    ///
    /// # Errors
    /// [`StoreError`] when the record is not of this store's format, or the engine fails.
    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError>;
}
