//! One partition: an append-only sequence of records behind a lock of its own.
//!
//! Appends and readers of a partition share one short lock; partitions share none. Readers copy finished chunks
//! outside the lock, so a slow reader delays nobody.
//!
//! Where transactions go: a control marker takes an offset like a record, so the segment's entries become an enum of
//! record and marker (bits 4 to 7 of a stored entry's flags are reserved for it) that `Partition::read` passes over;
//! the last stable offset becomes a second bound beside `State::hidden_from`, which already keeps readers, retention
//! and compaction below an offset; and `read` takes the reader's isolation level. Fencing of producers belongs to
//! `State::append`, under the same lock.

mod compaction;
mod retention;
mod segment;
mod signal;
mod state;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::{LogRecord, OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::{BrokerError, Watermarks};
use parking_lot::Mutex;

use crate::disk::{DataDir, SegmentFiles};
use crate::error::{OpenError, refused, unavailable};
use crate::topic::TopicConfig;

use segment::{Chunk, Piece, Segment};
pub(crate) use signal::Signal;
use state::State;

/// Bytes that Kafka adds to a record alone in its batch, about: `max.message.bytes` limits the whole.
const RECORD_OVERHEAD: usize = 70;

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) id: TopicPartition,
    config: Arc<TopicConfig>,
    state: Mutex<State>,
    /// [`State::readable_end`], for those who only want to know how far the log reaches.
    end: AtomicI64,
    /// Held while segments are expired or compacted, so that only appends run beside it. Taken before `state`.
    cleaner: Mutex<()>,
    files: Option<SegmentFiles>,
}

impl Partition {
    /// An empty partition that is gone with the process.
    pub(crate) fn in_memory(id: TopicPartition, config: Arc<TopicConfig>) -> Self {
        Self::with_state(id, config, State::new(VecDeque::new(), Segment::new(0), None), None)
    }

    /// A partition as its segment files have it.
    pub(crate) fn recover(id: TopicPartition, config: Arc<TopicConfig>, data: &DataDir) -> Result<Self, OpenError> {
        let files = data.segment_files(&id)?;
        let recovered = files.recover()?;
        let mut segments: VecDeque<_> = recovered.segments.into_iter().map(|(base, r)| loaded(base, r)).collect();
        let active = segments.pop_back().unwrap_or_else(|| Segment::new(0));
        close_all(&mut segments, active.base);
        let state = State::new(segments, active, Some(recovered.writer));
        Ok(Self::with_state(id, config, state, Some(files)))
    }

    fn with_state(id: TopicPartition, config: Arc<TopicConfig>, state: State, files: Option<SegmentFiles>) -> Self {
        let end = AtomicI64::new(state.readable_end());
        Self { id, config, state: Mutex::new(state), end, cleaner: Mutex::new(()), files }
    }

    /// Appends a record and returns its offset. Its key, value and headers are moved out when that succeeds, and left
    /// alone when it fails. With a data directory the record is with the operating system when this returns.
    pub(crate) fn append(
        &self,
        record: &mut OutputRecord,
        now: Timestamp,
        check_interval_ms: i64,
    ) -> Result<Offset, BrokerError> {
        self.check(record, now)?;
        let (offset, waiters, check_due) = {
            let mut state = self.state.lock();
            let offset = state.append(&self.config, record, now).map_err(|error| self.not_written(&error))?;
            self.end.store(state.readable_end(), Ordering::Release);
            (offset, state.take_waiters(), state.is_check_due(now, check_interval_ms))
        };
        signal::wake(waiters);
        if check_due {
            self.maintain_lazily(now);
        }
        Ok(offset)
    }

    fn not_written(&self, error: &io::Error) -> BrokerError {
        unavailable(format!("appending to {}", self.id), error)
    }

    /// Refuses what Kafka's broker refuses.
    fn check(&self, record: &OutputRecord, now: Timestamp) -> Result<(), BrokerError> {
        let refuse = |cause: String| Err(refused(&self.id.topic, cause));
        let size = u64::try_from(size_bytes(record) + RECORD_OVERHEAD).unwrap_or(u64::MAX);
        if size > self.config.max_message_bytes {
            return refuse(format!("{size} bytes are more than max.message.bytes {}", self.config.max_message_bytes));
        }
        if self.config.compacts && record.key.is_none() {
            return refuse("a compacted topic takes no record without a key".into());
        }
        if self.config.timestamp_type == TimestampType::CreateTime {
            return self.check_timestamp(record.timestamp, now);
        }
        Ok(())
    }

    /// KIP-937: bounds of what a producer may claim.
    fn check_timestamp(&self, timestamp: Timestamp, now: Timestamp) -> Result<(), BrokerError> {
        let ahead_ms = timestamp.millis_since(now);
        let (name, limit_ms, off_ms) = if ahead_ms > 0 {
            ("message.timestamp.after.max.ms", self.config.timestamp_after_max_ms, ahead_ms)
        } else {
            ("message.timestamp.before.max.ms", self.config.timestamp_before_max_ms, ahead_ms.saturating_neg())
        };
        if off_ms <= limit_ms {
            return Ok(());
        }
        let cause = format!("timestamp {timestamp} is {off_ms} ms off the log's clock {now}, {name} allows {limit_ms}");
        Err(refused(&self.id.topic, format!("{cause}; raise it, or use message.timestamp.type=LogAppendTime")))
    }

    /// Appends up to `max` records from `position` on to `into` and returns where to go on: past the last record
    /// returned, or at the end of what is readable when that was reached; `signal` is then woken by the next append.
    pub(crate) fn read(
        &self,
        position: Offset,
        max: usize,
        into: &mut Vec<LogRecord>,
        signal: &Arc<Signal>,
    ) -> Result<Offset, BrokerError> {
        let (start, full) = (into.len(), into.len().saturating_add(max));
        let mut next = position;
        while into.len() < full {
            match self.step(next, full - into.len(), into, signal) {
                Ok(Step::Chunk(chunk, end)) => copy(&chunk, next, end, full - into.len(), into),
                Ok(Step::Copied) => {}
                Ok(Step::End(end)) => return Ok(end),
                Err(error) if into.len() == start => return Err(error),
                // Retention overtook this read: what was read is good, the next read reports it.
                Err(_) => return Ok(next),
            }
            next = into.last().map_or(next, |record| record.offset + 1);
        }
        Ok(next)
    }

    /// The part of a read that needs the lock.
    fn step(
        &self,
        position: Offset,
        room: usize,
        into: &mut Vec<LogRecord>,
        signal: &Arc<Signal>,
    ) -> Result<Step, BrokerError> {
        let mut state = self.state.lock();
        let (low, high) = (state.low(), state.readable_end());
        if !(low..=high).contains(&position) {
            return Err(BrokerError::OffsetOutOfRange { partition: self.id.clone(), offset: position, low, high });
        }
        match state.piece_at(position) {
            Some(Piece::Finished(chunk)) => return Ok(Step::Chunk(Arc::clone(chunk), high)),
            Some(Piece::Tail(records)) => copy(records, position, high, room, into),
            None => {
                state.wait(signal);
                return Ok(Step::End(high));
            }
        }
        Ok(Step::Copied)
    }

    /// The log's first offset and its readable end.
    pub(crate) fn watermarks(&self) -> Watermarks {
        let state = self.state.lock();
        Watermarks { low: state.low(), high: state.readable_end() }
    }

    /// [`Watermarks::high`], without the lock.
    pub(crate) fn end(&self) -> Offset {
        self.end.load(Ordering::Acquire)
    }

    /// Lets readers see nothing of what is appended from now on.
    pub(crate) fn hide_appends(&self) {
        let mut state = self.state.lock();
        state.hidden_from = Some(state.readable_end());
    }

    /// Lets readers see everything again, and wakes those that waited.
    pub(crate) fn reveal(&self) {
        let waiters = {
            let mut state = self.state.lock();
            state.hidden_from = None;
            self.end.store(state.readable_end(), Ordering::Release);
            state.take_waiters()
        };
        signal::wake(waiters);
    }

    /// Waits until everything appended is on the disk.
    pub(crate) fn sync(&self) -> Result<(), BrokerError> {
        let mut state = self.state.lock();
        let synced = state.writer.as_mut().map_or(Ok(()), |writer| writer.sync());
        synced.map_err(|error| unavailable(format!("syncing {}", self.id), error))
    }

    /// Expires and compacts what is due at `now`.
    pub(crate) fn maintain(&self, now: Timestamp) {
        let _only = self.cleaner.lock();
        self.expire(now);
        self.compact(now, 0.0);
    }

    /// The same on behalf of an append: not while another thread is at it, and compaction only where it pays.
    fn maintain_lazily(&self, now: Timestamp) {
        let Some(_only) = self.cleaner.try_lock() else { return };
        self.expire(now);
        self.compact(now, self.config.min_dirty_ratio);
    }
}

/// What a read found under the lock.
enum Step {
    /// A finished chunk to copy from, up to this offset.
    Chunk(Chunk, Offset),
    /// Records were copied.
    Copied,
    /// Nothing: this is the end.
    End(Offset),
}

/// Copies up to `room` records with offsets in `position..end`.
fn copy(records: &[LogRecord], position: Offset, end: Offset, room: usize, into: &mut Vec<LogRecord>) {
    let first = records.partition_point(|record| record.offset < position);
    let last = records.partition_point(|record| record.offset < end);
    let readable = records.get(first..last).unwrap_or_default();
    into.extend(readable.iter().take(room).cloned());
}

fn size_bytes(record: &OutputRecord) -> usize {
    let headers = record.headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, bytes::Bytes::len));
    let field = |field: &Option<bytes::Bytes>| field.as_ref().map_or(0, bytes::Bytes::len);
    field(&record.key) + field(&record.value) + headers.sum::<usize>()
}

/// A segment with the records of its file.
fn loaded(base: Offset, records: Vec<LogRecord>) -> Segment {
    let mut segment = Segment::new(base);
    records.into_iter().for_each(|record| segment.push(record));
    segment
}

/// Closes recovered segments and lets each stand for the offsets up to the next one.
fn close_all(segments: &mut VecDeque<Segment>, active_base: Offset) {
    let mut end = active_base;
    for segment in segments.iter_mut().rev() {
        segment.close();
        segment.end = end;
        end = segment.base;
    }
}
