//! A run of records that expires, is compacted and lies in a file as one.

use std::sync::Arc;

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_core::time::Timestamp;

/// Records per chunk: a reader holds the partition's lock for at most the copying of one unfinished chunk.
const CHUNK: usize = 256;

/// Finished records in offset order, never empty; shared with readers, which copy from it without a lock.
pub(crate) type Chunk = Arc<Vec<LogRecord>>;

/// Where a reader goes on.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// In a finished chunk.
    Finished(&'a Chunk),
    /// In the records after the last finished chunk.
    Tail(&'a [LogRecord]),
}

/// A segment. Offsets in it ascend, with gaps where compaction took records away.
#[derive(Debug)]
pub(super) struct Segment {
    /// The first offset that it stands for; the name of its file.
    pub(super) base: Offset,
    /// One past the last offset that it stands for: the base of the next segment, or of what is appended next.
    pub(super) end: Offset,
    chunks: Vec<Chunk>,
    tail: Vec<LogRecord>,
    /// Bytes of keys, values and headers.
    pub(super) size_bytes: u64,
    /// Of the first record ever appended to it.
    pub(super) first_timestamp: Option<Timestamp>,
    /// The newest timestamp in it: it expires when this one does.
    pub(super) max_timestamp: Timestamp,
    /// When its tombstones may go: set when it is first compacted with tombstones in it (KIP-534).
    pub(super) tombstones_expire: Option<Timestamp>,
    /// Whether it has been compacted since it was filled.
    pub(super) cleaned: bool,
}

impl Segment {
    /// An empty segment that starts at `base`.
    pub(super) fn new(base: Offset) -> Self {
        Self {
            base,
            end: base,
            chunks: Vec::new(),
            tail: Vec::new(),
            size_bytes: 0,
            first_timestamp: None,
            max_timestamp: Timestamp::MIN,
            tombstones_expire: None,
            cleaned: false,
        }
    }

    /// Appends a record whose offset is not below `end`.
    pub(super) fn push(&mut self, record: LogRecord) {
        self.end = record.offset + 1;
        self.size_bytes += size_of(&record);
        self.first_timestamp.get_or_insert(record.timestamp);
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        if self.tail.is_empty() {
            self.tail.reserve_exact(CHUNK);
        }
        self.tail.push(record);
        if self.tail.len() == CHUNK {
            self.finish_chunk();
        }
    }

    /// Passes over an offset that no record has.
    pub(super) fn skip(&mut self, offset: Offset) {
        self.end = offset + 1;
    }

    /// Makes every record part of a finished chunk: nothing is appended any more.
    pub(super) fn close(&mut self) {
        self.tail.shrink_to_fit();
        self.finish_chunk();
        self.chunks.shrink_to_fit();
    }

    fn finish_chunk(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(Arc::new(std::mem::take(&mut self.tail)));
        }
    }

    /// The records from the first one at or after `position`; `None` when there is none.
    pub(super) fn piece_at(&self, position: Offset) -> Option<Piece<'_>> {
        let ends_before = |chunk: &Chunk| chunk.last().is_none_or(|record| record.offset < position);
        if let Some(chunk) = self.chunks.get(self.chunks.partition_point(ends_before)) {
            return Some(Piece::Finished(chunk));
        }
        let tail = self.tail.get(self.tail.partition_point(|record| record.offset < position)..)?;
        (!tail.is_empty()).then_some(Piece::Tail(tail))
    }

    /// The finished chunks; all records of a closed segment.
    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Replaces the records of a closed segment by the survivors of a compaction.
    pub(super) fn replace(&mut self, survivors: &[LogRecord]) {
        self.chunks = survivors.chunks(CHUNK).map(|chunk| Arc::new(chunk.to_vec())).collect();
        self.size_bytes = survivors.iter().map(size_of).sum();
        self.max_timestamp = survivors.iter().map(|record| record.timestamp).max().unwrap_or(Timestamp::MIN);
    }

    /// Whether no record is left in it.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.tail.is_empty()
    }
}

/// Bytes of key, value and headers.
pub(super) fn size_of(record: &LogRecord) -> u64 {
    u64::try_from(record.size_bytes()).unwrap_or(u64::MAX)
}
