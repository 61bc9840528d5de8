//! What a partition's lock protects: segments, ends, waiting readers, the open file.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};

use nowfold_core::names::Offset;
use nowfold_core::record::{LogRecord, OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;

use super::segment::{Piece, Segment};
use super::signal::Signal;
use crate::disk::SegmentWriter;
use crate::topic::TopicConfig;

#[derive(Debug)]
pub(super) struct State {
    /// Segments that nothing is appended to any more, oldest first; their ends meet the next one's base.
    pub(super) closed: VecDeque<Segment>,
    /// The segment that takes records.
    pub(super) active: Segment,
    /// Readers see nothing from this offset on; `None`: they see everything.
    pub(super) hidden_from: Option<Offset>,
    last_append_time: Timestamp,
    waiters: Vec<Weak<Signal>>,
    /// When an append next looks for records to expire or compact; `None` before the first one.
    next_check: Option<Timestamp>,
    pub(super) writer: Option<SegmentWriter>,
}

impl State {
    pub(super) fn new(closed: VecDeque<Segment>, active: Segment, writer: Option<SegmentWriter>) -> Self {
        let newest = closed.iter().chain([&active]).map(|segment| segment.max_timestamp).max();
        Self {
            closed,
            active,
            hidden_from: None,
            last_append_time: newest.unwrap_or(Timestamp::MIN),
            waiters: Vec::new(),
            next_check: None,
            writer,
        }
    }

    /// The log's first offset.
    pub(super) fn low(&self) -> Offset {
        self.closed.front().unwrap_or(&self.active).base
    }

    /// One past the last record that readers may see.
    pub(super) fn readable_end(&self) -> Offset {
        self.hidden_from.unwrap_or(self.active.end)
    }

    /// Bytes of keys, values and headers in all segments.
    pub(super) fn size_bytes(&self) -> u64 {
        self.closed.iter().chain([&self.active]).map(|segment| segment.size_bytes).sum()
    }

    /// The next records at or after `position` that readers may see.
    pub(super) fn piece_at(&self, position: Offset) -> Option<Piece<'_>> {
        let end = self.readable_end();
        let first = self.closed.partition_point(|segment| segment.end <= position);
        let segments = self.closed.range(first..).chain([&self.active]);
        let piece = segments.filter(|segment| segment.base < end).find_map(|segment| segment.piece_at(position))?;
        let records = match &piece {
            Piece::Finished(chunk) => chunk.as_slice(),
            Piece::Tail(records) => records,
        };
        let next = records.get(records.partition_point(|record| record.offset < position))?;
        (next.offset < end).then_some(piece)
    }

    /// Stores a record, moving its key, value and headers out of `record` when that succeeds.
    pub(super) fn append(
        &mut self,
        config: &TopicConfig,
        record: &mut OutputRecord,
        now: Timestamp,
    ) -> io::Result<Offset> {
        let offset = self.active.end;
        let mut entry = LogRecord {
            offset,
            key: record.key.take(),
            value: record.value.take(),
            timestamp: self.timestamp(config, record, now),
            timestamp_type: config.timestamp_type,
            headers: std::mem::take(&mut record.headers),
        };
        if let Err(error) = self.persist(config, &entry) {
            record.key = entry.key.take();
            record.value = entry.value.take();
            record.headers = entry.headers;
            return Err(error);
        }
        self.last_append_time = self.last_append_time.max(entry.timestamp);
        self.active.push(entry);
        Ok(offset)
    }

    fn timestamp(&self, config: &TopicConfig, record: &OutputRecord, now: Timestamp) -> Timestamp {
        match config.timestamp_type {
            TimestampType::CreateTime => record.timestamp,
            TimestampType::LogAppendTime => now.max(self.last_append_time),
        }
    }

    fn persist(&mut self, config: &TopicConfig, entry: &LogRecord) -> io::Result<()> {
        if self.needs_roll(config, entry) {
            self.roll()?;
        }
        self.writer.as_mut().map_or(Ok(()), |writer| writer.append(entry))
    }

    /// Kafka rolls by the distance of the records' own timestamps, so that event time decides (`LogSegment.shouldRoll`).
    fn needs_roll(&self, config: &TopicConfig, entry: &LogRecord) -> bool {
        let Some(first) = self.active.first_timestamp else { return false };
        let size = u64::try_from(entry.size_bytes()).unwrap_or(u64::MAX);
        self.active.size_bytes.saturating_add(size) > config.segment_bytes
            || entry.timestamp.millis_since(first) > config.segment_ms
    }

    /// Closes the active segment and starts the next one.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        let base = self.active.end;
        if let Some(writer) = &mut self.writer {
            writer.roll(base)?;
        }
        let mut full = std::mem::replace(&mut self.active, Segment::new(base));
        full.close();
        self.closed.push_back(full);
        Ok(())
    }

    /// Remembers a reader that has seen everything.
    pub(super) fn wait(&mut self, signal: &Arc<Signal>) {
        if signal.start_waiting() {
            self.waiters.push(Arc::downgrade(signal));
        }
    }

    /// The readers to wake now that there is more to read.
    pub(super) fn take_waiters(&mut self) -> Vec<Weak<Signal>> {
        if self.hidden_from.is_some() { Vec::new() } else { std::mem::take(&mut self.waiters) }
    }

    /// Whether `check_interval` has passed since this last said so.
    pub(super) fn is_check_due(&mut self, now: Timestamp, check_interval_ms: i64) -> bool {
        let due = self.next_check.is_some_and(|at| now >= at);
        if due || self.next_check.is_none() {
            self.next_check = Some(Timestamp::from_millis(now.as_millis().saturating_add(check_interval_ms)));
        }
        due
    }
}
