//! Compaction: the newest record of each key stays, with its offset (Kafka's `LogCleaner`).
//!
//! Only closed segments are compacted. A tombstone stays for `delete.retention.ms` after the compaction that first
//! met it (KIP-534), so that a reader that is on its way sees it. That time is not stored: after a restart it starts
//! anew. Segments are rewritten one by one; those left empty vanish, but for the first, which holds the log's start.

use std::collections::HashMap;

use bytes::Bytes;
use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_core::time::Timestamp;

use super::Partition;
use super::segment::{Chunk, Segment};

/// A closed segment as it was when compaction began; its records do not change meanwhile.
struct Dirty {
    base: Offset,
    chunks: Vec<Chunk>,
    size_bytes: u64,
    cleaned: bool,
    tombstones_expire: Option<Timestamp>,
}

impl Dirty {
    fn of(segment: &Segment) -> Self {
        Self {
            base: segment.base,
            chunks: segment.chunks().to_vec(),
            size_bytes: segment.size_bytes,
            cleaned: segment.cleaned,
            tombstones_expire: segment.tombstones_expire,
        }
    }

    fn records(&self) -> impl Iterator<Item = &LogRecord> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    fn may_drop_tombstones(&self, now: Timestamp) -> bool {
        self.tombstones_expire.is_some_and(|at| now >= at)
    }
}

impl Partition {
    /// Compacts closed segments when at least `min_ratio` of their bytes are new since the last time, or tombstones
    /// may go. Runs beside appends and readers; the caller holds the cleaner's lock.
    pub(super) fn compact(&self, now: Timestamp, min_ratio: f64) {
        if !self.config.compacts {
            return;
        }
        let segments = self.compactable(now);
        if !is_worth_it(&segments, now, min_ratio) {
            return;
        }
        let newest = newest_offsets(&segments);
        for segment in &segments {
            self.clean(segment, &newest, now);
        }
    }

    fn compactable(&self, now: Timestamp) -> Vec<Dirty> {
        let state = self.state.lock();
        let end = state.readable_end();
        let lag_ms = self.config.min_compaction_lag_ms;
        let old = |segment: &Segment| lag_ms == 0 || now.millis_since(segment.max_timestamp) > lag_ms;
        state.closed.iter().take_while(|segment| segment.end <= end && old(segment)).map(Dirty::of).collect()
    }

    fn clean(&self, segment: &Dirty, newest: &HashMap<Bytes, Offset>, now: Timestamp) {
        let drop_tombstones = segment.may_drop_tombstones(now);
        let survives = |record: &&LogRecord| {
            let Some(key) = &record.key else { return true };
            newest.get(key) == Some(&record.offset) && !(drop_tombstones && record.value.is_none())
        };
        let survivors: Vec<_> = segment.records().filter(survives).cloned().collect();
        let shrinks = survivors.len() < segment.records().count();
        if shrinks && let Err(error) = self.files.as_ref().map_or(Ok(()), |f| f.rewrite(segment.base, &survivors)) {
            tracing::warn!(partition = %self.id, base = segment.base, %error, "a segment stays uncompacted");
            return;
        }
        self.install(segment, shrinks.then_some(survivors.as_slice()), now);
    }

    /// Puts the survivors in the segment's place and drops it when there are none.
    fn install(&self, cleaned: &Dirty, survivors: Option<&[LogRecord]>, now: Timestamp) {
        let mut state = self.state.lock();
        let Ok(i) = state.closed.binary_search_by_key(&cleaned.base, |segment| segment.base) else { return };
        let Some(segment) = state.closed.get_mut(i) else { return };
        if let Some(survivors) = survivors {
            segment.replace(survivors);
        }
        segment.cleaned = true;
        let has_tombstones = segment.chunks().iter().any(|chunk| chunk.iter().any(|record| record.value.is_none()));
        let expire = cleaned.tombstones_expire.filter(|at| now < *at);
        let later = Timestamp::from_millis(now.as_millis().saturating_add(self.config.delete_retention_ms));
        segment.tombstones_expire = has_tombstones.then(|| expire.unwrap_or(later));
        if i > 0 && segment.is_empty() {
            state.closed.remove(i);
            drop(state);
            self.remove_file(cleaned.base);
        }
    }
}

fn is_worth_it(segments: &[Dirty], now: Timestamp, min_ratio: f64) -> bool {
    let bytes = |only_new: bool| {
        let counted = segments.iter().filter(|segment| !(only_new && segment.cleaned));
        counted.map(|segment| segment.size_bytes).sum::<u64>()
    };
    let (new, all) = (bytes(true), bytes(false));
    let is_dirty = segments.iter().any(|segment| !segment.cleaned) && new as f64 >= min_ratio * all as f64;
    is_dirty || segments.iter().any(|segment| segment.may_drop_tombstones(now))
}

/// The last offset of each key.
fn newest_offsets(segments: &[Dirty]) -> HashMap<Bytes, Offset> {
    let records = segments.iter().flat_map(Dirty::records);
    records.filter_map(|record| Some((record.key.clone()?, record.offset))).collect()
}
