//! Record caches: changes of rows that are held back, so that several changes of one row become one (KIP-63).
//!
//! The store itself is written at once. What waits is the news of it: the record for the nodes below, and the write for the
//! changelog. Both go out when the task is about to be committed, or when the cache is full.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::current::Place;
use super::graph::NodeContext;
use super::waits::Waits;
use crate::names::StoreName;
use crate::processor::ProcessError;
use crate::record::Headers;
use crate::time::Timestamp;

/// What an entry takes beside its bytes, about.
const ENTRY_BYTES: usize = 128;

/// A changed row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: Bytes,
    pub(crate) new: Option<Bytes>,
    /// The value before the first of the changes.
    pub(crate) old: Option<Bytes>,
    pub(crate) timestamp: Timestamp,
    pub(crate) headers: Headers,
}

/// Sends a changed row down from its node.
type Emit = Box<dyn Fn(&mut NodeContext<'_>, &Row) -> Result<(), ProcessError> + Send + Sync>;

/// How a node's changes are held back.
pub(crate) struct Cacher {
    pub(crate) store: StoreName,
    pub(crate) max_bytes: usize,
    pub(crate) emit: Emit,
}

/// A row that waits.
pub(super) struct Entry {
    pub(super) row: Row,
    /// Of the record that changed it last.
    pub(super) place: Place,
    pub(super) waits: Waits,
    turn: u64,
}

/// The rows of one node.
struct Cache {
    cacher: Arc<Cacher>,
    entries: HashMap<Bytes, Entry>,
    /// In the order of their last changes.
    by_turn: BTreeMap<u64, Bytes>,
    n_bytes: usize,
}

/// All rows of a task that wait.
#[derive(Default)]
pub(crate) struct Caches {
    fresh: Vec<(usize, Arc<Cacher>, Row, Place)>,
    by_node: BTreeMap<usize, Cache>,
    last_turn: u64,
}

impl Entry {
    fn n_bytes(&self) -> usize {
        let values = [&self.row.new, &self.row.old].into_iter().flatten().map(Bytes::len).sum::<usize>();
        ENTRY_BYTES + self.row.key.len() + values + self.place.n_bytes()
    }
}

impl Cache {
    fn put(&mut self, mut entry: Entry) {
        if let Some(known) = self.remove(&entry.row.key.clone()) {
            entry.row.old = known.row.old;
        }
        self.insert(entry);
    }

    fn insert(&mut self, entry: Entry) {
        self.n_bytes += entry.n_bytes();
        self.by_turn.insert(entry.turn, entry.row.key.clone());
        self.entries.insert(entry.row.key.clone(), entry);
    }

    fn remove(&mut self, key: &Bytes) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.by_turn.remove(&entry.turn);
        self.n_bytes -= entry.n_bytes();
        Some(entry)
    }

    fn is_full(&self) -> bool {
        self.n_bytes > self.cacher.max_bytes
    }
}

impl Caches {
    pub(super) fn put(&mut self, node: usize, cacher: &Arc<Cacher>, row: Row, place: Place) {
        self.fresh.push((node, cacher.clone(), row, place));
    }

    /// The present record leaves nothing behind.
    pub(super) fn forget(&mut self) {
        self.fresh.clear();
    }

    /// The present record is done with.
    pub(super) fn admit(&mut self) {
        for (node, cacher, row, place) in self.fresh.drain(..) {
            self.last_turn += 1;
            let cache = self.by_node.entry(node).or_insert_with(|| Cache {
                cacher,
                entries: HashMap::new(),
                by_turn: BTreeMap::new(),
                n_bytes: 0,
            });
            cache.put(Entry { row, place, waits: Waits::default(), turn: self.last_turn });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_node.values().all(|cache| cache.entries.is_empty())
    }

    /// About how much memory all rows take.
    pub(super) fn n_bytes(&self) -> usize {
        self.by_node.values().map(|cache| cache.n_bytes).sum()
    }

    /// The first node from this one on whose rows are to go, and how; all that have any, or the full ones.
    pub(super) fn next(&self, from: usize, all: bool) -> Option<(usize, Arc<Cacher>)> {
        let mut found = self.by_node.range(from..);
        let found = found.find(|(_, cache)| cache.is_full() || (all && !cache.entries.is_empty()))?;
        Some((*found.0, found.1.cacher.clone()))
    }

    /// Takes out the row of a node that changed first of all.
    pub(super) fn pop(&mut self, node: usize) -> Option<Entry> {
        let cache = self.by_node.get_mut(&node)?;
        let key = cache.by_turn.first_key_value().map(|(_, key)| key.clone())?;
        cache.remove(&key)
    }

    /// Puts a row back that could not go now.
    pub(super) fn put_back(&mut self, node: usize, entry: Entry) {
        if let Some(cache) = self.by_node.get_mut(&node) {
            cache.insert(entry);
        }
    }

    /// When the first row that waits to be tried again may go.
    pub(super) fn waits_until(&self) -> Option<Timestamp> {
        self.by_node.values().flat_map(|cache| cache.entries.values()).filter_map(|entry| entry.waits.until()).min()
    }
}
