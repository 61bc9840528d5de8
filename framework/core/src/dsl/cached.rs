//! Record caches of stores, as nodes use them.

use std::sync::Arc;

use super::change::{Change, OldValues};
use super::codec::Codec;
use super::emit::Outlet;
use super::{Materialized, StreamsBuilder};
use crate::processor::{ProcessError, ProcessorContext};
use crate::record::Record;
use crate::task::{Cacher, Row};
use crate::time::Timestamp;
use crate::window::{Windowed, Windows};

impl StreamsBuilder {
    /// Gives the stores that are added from here on record caches of this size in bytes, each task's store its own, unless
    /// [`Materialized::cached`] says otherwise. Off by default, and with 0.
    pub fn cache_stores(&self, max_bytes: usize) -> &Self {
        self.0.borrow_mut().cache_bytes = max_bytes;
        self
    }
}

/// The cache of a store, if it has one; its changelog is held back with it.
pub(super) fn of_rows<K: 'static, A: 'static>(
    builder: &StreamsBuilder,
    store: &Materialized,
    results: &Codec<K, A>,
    old: &OldValues,
) -> Option<Arc<Cacher>> {
    let (results, old) = (results.clone(), old.clone());
    make(builder, store, move |cx, row| {
        let key = results.read_key(&row.key)?;
        let value = change(&results, &old, row)?;
        cx.forward(&mut Some(Record { key, value, timestamp: row.timestamp, headers: row.headers.clone() }))
    })
}

/// The cache of a store of windows; the key of a row is followed by the window's start, 8 bytes big-endian.
pub(super) fn of_windows<K: 'static, A: 'static>(
    builder: &StreamsBuilder,
    store: &Materialized,
    (results, old): (&Codec<K, A>, &OldValues),
    windows: Windows,
    outlet: Outlet,
) -> Option<Arc<Cacher>> {
    let (results, old) = (results.clone(), old.clone());
    make(builder, store, move |cx, row| {
        let short = || ProcessError::new("a row of the record cache has no window");
        let n = row.key.len().checked_sub(8).ok_or_else(short)?;
        let start = row.key.last_chunk().map(|start| i64::from_be_bytes(*start)).ok_or_else(short)?;
        let window = windows.at(Timestamp::from_millis(start));
        let key = Windowed { key: results.read_key(&row.key.slice(..n))?, window };
        let value = change(&results, &old, row)?;
        let record = Record { key, value, timestamp: row.timestamp, headers: row.headers.clone() };
        outlet.result(&mut ProcessorContext::new(cx), record)
    })
}

fn change<K: 'static, A: 'static>(
    results: &Codec<K, A>,
    old: &OldValues,
    row: &Row,
) -> Result<Change<A>, ProcessError> {
    let read = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|bytes| results.read_value(bytes)).transpose();
    let old = if old.are_wanted() { read(&row.old)? } else { None };
    Ok(Change::new(read(&row.new)?, old))
}

fn make(
    builder: &StreamsBuilder,
    store: &Materialized,
    emit: impl Fn(&mut crate::task::graph::NodeContext<'_>, &Row) -> Result<(), ProcessError> + Send + Sync + 'static,
) -> Option<Arc<Cacher>> {
    let mut graph = builder.0.borrow_mut();
    let max_bytes = store.cache_bytes.unwrap_or(graph.cache_bytes);
    if max_bytes == 0 {
        return None;
    }
    let name = store.name.clone();
    if let Some(spec) = graph.stores.get_mut(&name) {
        spec.is_cached = true;
    }
    Some(Arc::new(Cacher { store: name, max_bytes, emit: Box::new(emit) }))
}
