//! What a removal took away.

use std::sync::Arc;

use super::block::StoredBlock;
use super::row::{Key, Row};

/// What is to be freed after the stripe is unlocked: freeing much takes a while.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    /// Vectors of single events.
    pub(crate) vectors: Vec<Arc<[f32]>>,
    /// Whole blocks.
    pub(crate) blocks: Vec<StoredBlock>,
}

/// What a removal took away.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(crate) n_events: usize,
    /// How many of them were above the floor.
    pub(crate) visible: u64,
    /// About how much memory they took, without shared vectors.
    pub(crate) bytes: usize,
    pub(crate) gone: Gone,
}

impl Removed {
    /// Counts an event that is about to go.
    pub(crate) fn count(&mut self, key: Key, row: Row<'_>, floor: i64) {
        self.n_events += 1;
        self.visible += u64::from(key.t > floor);
        self.bytes += row.n_bytes();
    }
}
