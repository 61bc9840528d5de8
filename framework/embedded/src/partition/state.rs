//! What a partition's lock protects: segments, ends, waiting readers, the open file.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::{LogRecord, OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;

use super::append::Appender;
use super::outbox::{Origin, Outbox};
use super::pending::{Held, Pending, TransactionKey};
use super::segment::{Piece, Segment, size_of};
use super::signal::Signal;
use crate::topic::TopicConfig;

#[derive(Debug)]
pub(super) struct State {
    /// Segments that nothing is appended to any more, oldest first; their ends meet the next one's base.
    pub(super) closed: VecDeque<Segment>,
    /// The segment that takes records.
    pub(super) active: Segment,
    /// Readers see nothing from this offset on; `None`: they see everything.
    pub(super) hidden_from: Option<Offset>,
    /// Records before this offset were deleted, in whatever segment they lie.
    pub(super) start: Offset,
    last_append_time: Timestamp,
    waiters: Vec<Weak<Signal>>,
    /// When an append next looks for records to expire or compact; `None` before the first one.
    next_check: Option<Timestamp>,
    /// With a data directory: records on their way to the disk. Readers see them when they are there.
    pub(super) outbox: Option<Outbox>,
    /// What waits for open transactions to end.
    pending: Pending,
}

impl State {
    pub(super) fn new(closed: VecDeque<Segment>, active: Segment, outbox: Option<Outbox>) -> Self {
        let newest = closed.iter().chain([&active]).map(|segment| segment.max_timestamp).max();
        Self {
            closed,
            active,
            hidden_from: None,
            start: 0,
            last_append_time: newest.unwrap_or(Timestamp::MIN),
            waiters: Vec::new(),
            next_check: None,
            outbox,
            pending: Pending::default(),
        }
    }

    /// The log's first offset.
    pub(super) fn low(&self) -> Offset {
        self.closed.front().unwrap_or(&self.active).base.max(self.start)
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

    /// Takes a record in, moving its key, value and headers out of `record` when that succeeds.
    ///
    /// With a data directory it goes to the outbox, which is written out when it is full or somebody waits for records.
    pub(super) fn append(
        &mut self,
        id: &TopicPartition,
        config: &TopicConfig,
        record: &mut OutputRecord,
        appender: Appender,
        now: Timestamp,
    ) -> io::Result<()> {
        let timestamp = self.timestamp(config, record, now);
        let held = self.pending.holds(appender.transaction);
        if !held {
            self.make_room(id, config, timestamp, u64::try_from(record_size(record)).unwrap_or(u64::MAX))?;
        }
        let origin = Origin { producer: appender.producer, partition: record.partition, timestamp: record.timestamp };
        let entry = LogRecord {
            offset: self.next_offset(),
            key: record.key.take(),
            value: record.value.take(),
            timestamp,
            timestamp_type: config.timestamp_type,
            headers: std::mem::take(&mut record.headers),
        };
        self.last_append_time = self.last_append_time.max(timestamp);
        if held {
            self.pending.push(appender.transaction, origin, entry);
        } else {
            self.place(id, origin, entry);
        }
        Ok(())
    }

    /// Starts the next segment when this record does not belong into the active one.
    fn make_room(
        &mut self,
        id: &TopicPartition,
        config: &TopicConfig,
        timestamp: Timestamp,
        size: u64,
    ) -> io::Result<()> {
        if self.needs_roll(config, timestamp, size) {
            self.write_out(id);
            self.roll()?;
        }
        Ok(())
    }

    /// Puts a record into the log.
    fn place(&mut self, id: &TopicPartition, origin: Origin, entry: LogRecord) {
        match &mut self.outbox {
            None => self.active.push(entry),
            Some(outbox) => {
                outbox.push(origin, entry);
                if outbox.is_full() || !self.waiters.is_empty() {
                    self.write_out(id);
                }
            }
        }
    }

    /// Ends a transaction, and puts into the log what no open one holds back any more.
    pub(super) fn end_transaction(
        &mut self,
        id: &TopicPartition,
        config: &TopicConfig,
        transaction: TransactionKey,
        commit: bool,
    ) {
        let marker = self.next_offset();
        if !self.pending.end(transaction, commit, marker) {
            return;
        }
        while let Some(held) = self.pending.take_stable() {
            match held {
                Held::Gap(offset) => self.active.skip(offset),
                Held::Record(_, origin, entry) => {
                    // Only a log in memory has transactions, and there a segment always begins.
                    let rolled = self.make_room(id, config, entry.timestamp, size_of(&entry));
                    debug_assert!(rolled.is_ok(), "a segment without a file begins");
                    self.place(id, origin, entry);
                }
            }
        }
    }

    /// Writes the outbox out, so that readers see it.
    pub(super) fn write_out(&mut self, id: &TopicPartition) {
        if let Some(outbox) = &mut self.outbox {
            outbox.write_out(id, &mut self.active);
        }
    }

    /// The offset of the next record.
    pub(super) fn next_offset(&self) -> Offset {
        if let Some(next) = self.pending.next_offset() {
            return next;
        }
        let n_waiting = self.outbox.as_ref().map_or(0, Outbox::n_records);
        self.active.end + i64::try_from(n_waiting).unwrap_or(i64::MAX)
    }

    fn timestamp(&self, config: &TopicConfig, record: &OutputRecord, now: Timestamp) -> Timestamp {
        match config.timestamp_type {
            TimestampType::CreateTime => record.timestamp,
            TimestampType::LogAppendTime => now.max(self.last_append_time),
        }
    }

    /// Kafka rolls by the distance of the records' own timestamps, so that event time decides (`LogSegment.shouldRoll`).
    fn needs_roll(&self, config: &TopicConfig, timestamp: Timestamp, size: u64) -> bool {
        let waiting = self.outbox.as_ref().map_or((None, 0), |outbox| (outbox.first_timestamp(), outbox.size_bytes()));
        let Some(first) = self.active.first_timestamp.or(waiting.0) else { return false };
        self.active.size_bytes.saturating_add(waiting.1).saturating_add(size) > config.segment_bytes
            || timestamp.millis_since(first) > config.segment_ms
    }

    /// Closes the active segment and starts the next one, which takes what is still in the outbox.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        let base = self.active.end;
        if base == self.active.base {
            // Nothing was ever appended to it: it is the next segment already, file and all.
            return Ok(());
        }
        if let Some(outbox) = &mut self.outbox {
            outbox.roll(base)?;
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

/// Bytes of key, value and headers, as [`LogRecord::size_bytes`] counts them.
pub(super) fn record_size(record: &OutputRecord) -> usize {
    let field = |field: &Option<Bytes>| field.as_ref().map_or(0, Bytes::len);
    let headers = record.headers.iter().map(|header| header.name.len() + field(&header.value));
    field(&record.key) + field(&record.value) + headers.sum::<usize>()
}
