//! One partition: an append-only sequence of records behind a lock of its own.
//!
//! Appends and readers of a partition share one short lock; partitions share none. Readers copy finished chunks
//! outside the lock, so a slow reader delays nobody.
//!
//! Records of transactions, and all that come behind the first of them, are held back until it is decided: readers,
//! retention and compaction only know what is before the last stable offset (`pending`). Aborted records are never put
//! into the log; their offsets, and those of the markers that end a transaction, stay gaps, as a reader of a Kafka topic
//! sees them under `read_committed`.

mod admission;
mod append;
mod compaction;
mod outbox;
mod pending;
mod read;
mod retention;
mod segment;
mod signal;
mod state;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::Watermarks;
use parking_lot::{Mutex, MutexGuard};

use crate::disk::{DataDir, SegmentFiles};
use crate::error::OpenError;
use crate::topic::TopicConfig;

pub(crate) use append::Appender;
use outbox::Outbox;
pub(crate) use pending::TransactionKey;
use segment::Segment;
pub(crate) use signal::Signal;
use state::State;

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
        let state = State::new(segments, active, Some(Outbox::new(recovered.writer)));
        Ok(Self::with_state(id, config, state, Some(files)))
    }

    fn with_state(id: TopicPartition, config: Arc<TopicConfig>, state: State, files: Option<SegmentFiles>) -> Self {
        let end = AtomicI64::new(state.readable_end());
        Self { id, config, state: Mutex::new(state), end, cleaner: Mutex::new(()), files }
    }

    /// The log's first offset and its readable end.
    pub(crate) fn watermarks(&self) -> Watermarks {
        self.changing(|state| {
            state.write_out(&self.id);
            Watermarks { low: state.low(), high: state.readable_end() }
        })
    }

    /// Does something that may give readers more to see: publishes the new end and wakes those that wait for it.
    fn changing<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let waiters = self.publish(&mut state);
        drop(state);
        signal::wake(waiters);
        result
    }

    /// Publishes the readable end; returns the readers to wake once the lock is dropped, if it moved.
    fn publish(&self, state: &mut MutexGuard<'_, State>) -> Vec<Weak<Signal>> {
        let end = state.readable_end();
        let moved = self.end.swap(end, Ordering::AcqRel) != end;
        if moved { state.take_waiters() } else { Vec::new() }
    }

    /// [`Watermarks::high`], without the lock.
    pub(crate) fn end(&self) -> Offset {
        self.end.load(Ordering::Acquire)
    }

    /// Lets readers see nothing of what is appended from now on.
    pub(crate) fn hide_appends(&self) {
        self.changing(|state| {
            state.write_out(&self.id);
            state.hidden_from = Some(state.readable_end());
        });
    }

    /// Lets readers see everything again, and wakes those that waited.
    pub(crate) fn reveal(&self) {
        self.changing(|state| {
            state.hidden_from = None;
            state.write_out(&self.id);
        });
    }

    /// Expires and compacts what is due at `now`.
    pub(crate) fn maintain(&self, now: Timestamp) {
        self.changing(|state| state.write_out(&self.id));
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
