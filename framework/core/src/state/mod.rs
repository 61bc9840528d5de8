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

    /// Called after a record whose processing had this store in its hands
    /// ([`ProcessorContext::store`](crate::processor::ProcessorContext::store)): what it wrote stays. Not called for
    /// reads and writes through [`as_key_value`](Self::as_key_value), which are held back until then by themselves.
    fn record_done(&mut self) {}

    /// Called instead when the record is not passed over and comes again. A store on which a record must not act twice
    /// takes back here what was written since the last call of either; by default it stays.
    fn record_waits(&mut self) {}

    /// Applies a record of the store's own changelog topic.
    ///
    /// # Errors
    /// [`StoreError`] when the record is not of this store's format, or the engine fails.
    fn restore(&mut self, record: &LogRecord) -> Result<(), StoreError>;
}
