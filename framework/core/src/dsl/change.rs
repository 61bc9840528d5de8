//! What travels between tables: the old and the new value of a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A change of a table's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<V> {
    /// The value now; `None` when the row is deleted.
    pub new: Option<V>,
    /// The value before; `None` when there was none, or nobody asked for it.
    pub old: Option<V>,
    /// False for a version that is older than the newest of its key, which versioned tables tell as well.
    pub is_latest: bool,
}

impl<V> Change<V> {
    pub(crate) fn new(new: Option<V>, old: Option<V>) -> Self {
        Self { new, old, is_latest: true }
    }
}

/// Whether anything below a table needs the old values of its rows, which cost a read or a decode more.
#[derive(Clone, Debug, Default)]
pub(crate) struct OldValues {
    wanted: Arc<AtomicBool>,
    above: Vec<OldValues>,
}

impl OldValues {
    /// For a table without a store, which computes old values from those above.
    pub(crate) fn from_above(above: Vec<Self>) -> Self {
        Self { wanted: Arc::default(), above }
    }

    /// Asks for old values; only while the topology is built.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.above.iter().for_each(Self::want);
    }

    pub(crate) fn are_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}
