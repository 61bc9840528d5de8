//! The port to what a process keeps of its tasks on its own disk, so that a restart reads only the tail of the topics.
//!
//! Two things are kept. **Stores** of the generic kinds, behind a [`StoreEngine`]: their writes are gathered and applied as
//! one batch per [`Epoch`], after the commit on the broker, so the disk never holds what is not committed. **Copies** of
//! event logs ([`LocalLog`]): the records of a partition as they were read, which the task processes again at a restart
//! as if the topic had given them. Neither is ever needed: what is missing, damaged or of another topology comes back
//! from the topics.

mod copy;
mod epoch;
mod error;
mod stores;

use std::fmt;
use std::ops::Range;
use std::path::Path;

use nowfold_core::names::{Offset, StoreName, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_core::state::{StateStore, StoreKind};
use nowfold_core::task::TaskId;

pub(crate) use copy::Copied;
pub use epoch::Epoch;
pub use error::LocalError;
pub(crate) use stores::{LocalStores, World};

/// What a crash of the machine may take; a crash of the process alone takes nothing that was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The last epochs before a power loss: bytes are handed to the operating system. The restart reads that much more
    /// from the topics. What is damaged is found by checksums.
    #[default]
    ProcessCrash,
    /// Nothing: every epoch waits for `fsync`.
    PowerLoss,
}

/// A directory that this process alone keeps its tasks in.
pub trait LocalState: Send + Sync + fmt::Debug {
    /// Opens the stores of a task; `None` when the generic stores are not kept. Stores that were written for another
    /// plan, or that are damaged, are moved aside, and empty ones are opened.
    ///
    /// # Errors
    /// [`LocalError`] when a file was written by a later version, or the operating system refuses.
    fn stores(&self, plan: &StoresPlan) -> Result<Option<Box<dyn DurableStores>>, LocalError>;

    /// Opens the copy of an event log's partition, as [`stores`](Self::stores) does.
    ///
    /// # Errors
    /// As [`stores`](Self::stores).
    fn log(&self, task: TaskId, origin: &LogOrigin) -> Result<Box<dyn LocalLog>, LocalError>;
}

/// The stores of a task that are to be kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoresPlan {
    /// The task.
    pub task: TaskId,
    /// The log that the task reads ([`Broker::log_id`](super::broker::Broker::log_id)).
    pub log_id: String,
    /// The topics that the task reads, sorted.
    pub sources: Vec<String>,
    /// The stores, sorted by name.
    pub stores: Vec<StorePlan>,
}

/// A store that is to be kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePlan {
    /// Its name.
    pub name: StoreName,
    /// What it is.
    pub kind: StoreKind,
    /// The topic that it comes back from.
    pub topic: String,
}

/// The partition that is copied, and the log that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOrigin {
    /// As in [`StoresPlan`].
    pub log_id: String,
    /// The partition.
    pub partition: TopicPartition,
}

/// An engine for the generic stores.
pub trait StoreEngine: Send + Sync + fmt::Debug {
    /// Its name, part of paths.
    fn name(&self) -> &'static str;

    /// Opens the stores in a directory of their own, which exists. A directory that was just opened and closed by this
    /// process may be opened again at once, although readers of its stores still live.
    ///
    /// # Errors
    /// [`LocalError::Damaged`] when the directory cannot be read: it is then moved aside.
    fn open(
        &self,
        dir: &Path,
        stores: &[StorePlan],
        durability: Durability,
    ) -> Result<Box<dyn DurableStores>, LocalError>;
}

/// The stores of one task on disk, and the epoch that they are of.
///
/// Writes are visible to the stores' readers at once, and held in memory until [`commit`](Self::commit). Dropping this
/// drops what was not committed.
pub trait DurableStores: Send + fmt::Debug {
    /// The last epoch that was committed.
    fn epoch(&self) -> Option<&Epoch>;

    /// A store as of that epoch, to be written by its task; `None` for an unknown name, or when it was taken before.
    fn take(&mut self, name: &StoreName) -> Option<Box<dyn StateStore>>;

    /// Writes all that was written to the stores since the last call, together with the epoch: both are there after a
    /// crash, or neither. Readers never wait for it.
    ///
    /// # Errors
    /// When the disk refuses: nothing is written then, and the next call writes it all.
    fn commit(&mut self, epoch: Epoch) -> Result<(), LocalError>;

    /// Empties all stores, and forgets the epoch first.
    ///
    /// # Errors
    /// When the disk refuses.
    fn clear(&mut self) -> Result<(), LocalError>;
}

/// A copy of one partition of an event log: every record that a reader could see in a range of offsets.
pub trait LocalLog: Send + fmt::Debug {
    /// The offsets that the copy covers; empty at first. The end may move back while [`replay`](Self::replay) meets damage.
    fn held(&self) -> Range<Offset>;

    /// Makes an empty copy begin at this offset.
    fn begin(&mut self, at: Offset);

    /// Appends up to about `max` records of the copy to `into`, in offset order, beginning with the first, and returns how
    /// many: 0 at its end. Each call goes on where the one before ended. To be called to the end before the first
    /// [`append`](Self::append).
    ///
    /// # Errors
    /// When the disk refuses. Damage is no error: it ends the copy, and what lies behind it is moved aside.
    fn replay(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, LocalError>;

    /// Adds records that follow the end of the copy, and moves the end to `position`. They are gathered, and written in
    /// large blocks; a disk that refuses ends the copying, which is logged, and nothing else.
    fn append(&mut self, records: &[LogRecord], position: Offset);

    /// Writes what is gathered.
    fn flush(&mut self);

    /// Whether a part of the copy was completed since this was last asked: a good time for [`forget_before`](Self::forget_before).
    fn has_grown(&mut self) -> bool;

    /// Drops parts of the copy that lie wholly before this offset, the first that the topic still holds.
    fn forget_before(&mut self, low: Offset);

    /// Moves the copy aside and begins an empty one.
    ///
    /// # Errors
    /// When the disk refuses.
    fn discard(&mut self, cause: &str) -> Result<(), LocalError>;
}
