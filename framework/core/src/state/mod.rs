//! State stores of a task.
//!
//! Every store belongs to one task; only its worker writes it. What others may read is the store's own
//! [`reader`](StateStore::reader), which stays valid while the store lives.

mod key_value;
mod logged;
mod memory;
mod memory_expiring;
mod memory_session;
mod memory_versioned;
mod memory_window;
mod session;
mod spec;
mod stamp;
mod time_to_live;
mod versioned;
mod window;

use std::any::Any;
use std::sync::Arc;

pub use key_value::{KeyRange, KeyValueReader, KeyValueStore, StoreError};
pub use logged::{ChangelogWrite, LoggedKeyValue, LoggedSession, LoggedVersioned, LoggedWindow};
pub(crate) use logged::{Held, LogTo, Logged};
pub use memory::{MemoryKeyValue, MemoryMap};
pub use memory_expiring::{ExpiringMap, MemoryExpiring};
pub use memory_session::{MemorySession, MemorySessions};
pub use memory_versioned::{MemoryHistories, MemoryVersioned};
pub use memory_window::{MemoryWindow, MemoryWindows};
pub use session::{
    SessionEntry, SessionReader, SessionStore, changelog_key as session_changelog_key,
    split_changelog_key as split_session_changelog_key,
};
pub use spec::{Changelog, StoreFactory, StoreKind, StoreSpec};
pub use stamp::{stamp, unstamp};
pub use time_to_live::TimeToLive;
pub use versioned::{Version, VersionPut, VersionedReader, VersionedStore};
pub use window::{
    WindowEntry, WindowOptions, WindowReader, WindowStore, changelog_key as window_changelog_key,
    split_changelog_key as split_window_changelog_key,
};

use bytes::Bytes;

use crate::record::LogRecord;
use crate::time::Timestamp;

/// A store of one task, whatever its kind.
pub trait StateStore: Send + 'static {
    /// This store, for downcasting to its kind.
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// This store as a key-value store, when it is one.
    fn as_key_value(&mut self) -> Option<&mut dyn KeyValueStore> {
        None
    }

    /// This store as a window store, when it is one.
    fn as_window(&mut self) -> Option<&mut dyn WindowStore> {
        None
    }

    /// This store as a session store, when it is one.
    fn as_session(&mut self) -> Option<&mut dyn SessionStore> {
        None
    }

    /// This store as a versioned store, when it is one.
    fn as_versioned(&mut self) -> Option<&mut dyn VersionedStore> {
        None
    }

    /// Whether values are kept with the time of their last update before them ([`stamp`]).
    fn is_timestamped(&self) -> bool {
        false
    }

    /// Tells a store whose rows end by themselves the stream time and the wall-clock time. It takes some of the rows away that
    /// have ended, and returns their keys, which are then deleted in its changelog. Called before each use, and once per
    /// batch.
    fn expire(&mut self, _stream_time: Timestamp, _wall_clock: Timestamp) -> Vec<Bytes> {
        Vec::new()
    }

    /// A handle for reads from other threads, published to queries.
    fn reader(&self) -> Arc<dyn Any + Send + Sync>;

    /// Called after a record whose processing had this store in its hands: what it wrote stays. Not called for reads and
    /// writes through [`as_key_value`](Self::as_key_value), which are held back until then by themselves.
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
