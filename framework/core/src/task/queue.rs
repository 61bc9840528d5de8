//! The records that wait at one source partition of a task.

use std::collections::VecDeque;
use std::time::Duration;

use super::waits::Waits;
use crate::names::{Offset, TopicPartition};
use crate::record::{LogRecord, TimestampType};
use crate::time::Timestamp;
use crate::topology::StartPolicy;

/// One source partition: its waiting records and how far it is.
#[derive(Debug)]
pub(super) struct SourceQueue {
    pub(super) partition: TopicPartition,
    pub(super) start: StartPolicy,
    pub(super) node: usize,
    pub(super) records: VecDeque<LogRecord>,
    /// Of those.
    n_bytes: usize,
    /// The offset after the last record that was taken from the queue or passed by the reader.
    pub(super) next_offset: Option<Offset>,
    /// The newest end of the partition that is known.
    pub(super) known_end: Option<Offset>,
    /// Up to here the source rebuilds a store, which is restored then.
    pub(super) replay_until: Option<Offset>,
    /// Records before this offset have no effects but on stores.
    pub(super) silent_until: Option<Offset>,
    /// Whether the source is read without end, only to rebuild stores.
    pub(super) is_followed: bool,
    /// Among sources whose heads have equal timestamps the smallest turn goes first.
    pub(super) turn: u64,
    /// Whether `next_offset` moved since the last commit.
    pub(super) dirty: bool,
    /// Whether the first record waits to be tried again.
    pub(super) waits: Waits,
    /// Whether the source tells the timestamps of its records.
    pub(super) tells: bool,
    /// The one that it told for the first record.
    pub(super) told: Option<Timestamp>,
    /// Until when an empty source is waited for, once it is known to be empty.
    pub(super) waits_until: Option<Timestamp>,
    /// Wall-clock time when the last record was processed; that of the start before the first.
    pub(super) heard_at: Timestamp,
    /// Whether nothing is heard of the log.
    pub(super) is_out_of_reach: bool,
}

impl SourceQueue {
    pub(super) fn new(partition: TopicPartition, start: StartPolicy, node: usize, tells: bool) -> Self {
        Self {
            partition,
            start,
            node,
            records: VecDeque::new(),
            n_bytes: 0,
            next_offset: None,
            known_end: None,
            replay_until: None,
            silent_until: None,
            is_followed: false,
            turn: 0,
            dirty: false,
            waits: Waits::default(),
            tells,
            told: None,
            waits_until: None,
            heard_at: Timestamp::MIN,
            is_out_of_reach: false,
        }
    }

    /// Whether the record at `offset` has no effects but on stores.
    pub(super) fn is_silent(&self, offset: Offset) -> bool {
        self.silent_until.is_some_and(|until| offset < until)
    }

    /// Takes the first record.
    pub(super) fn pop(&mut self) -> Option<LogRecord> {
        self.told = None;
        let first = self.records.pop_front()?;
        self.n_bytes = self.n_bytes.saturating_sub(first.memory_bytes());
        Some(first)
    }

    /// Adds records at the end.
    pub(super) fn extend(&mut self, records: impl IntoIterator<Item = LogRecord>) {
        let bytes = &mut self.n_bytes;
        self.records.extend(records.into_iter().inspect(|record| *bytes += record.memory_bytes()));
    }

    /// Puts the first record back that was taken.
    pub(super) fn put_back(&mut self, record: LogRecord) {
        self.n_bytes += record.memory_bytes();
        self.records.push_front(record);
    }

    /// About how much memory the waiting records take.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// The first record's timestamp, as its source tells it.
    pub(super) fn head_time(&self) -> Option<Timestamp> {
        let head = self.records.front()?;
        Some(self.told.unwrap_or(head.timestamp))
    }

    /// When the first waiting record was appended, if its topic says.
    pub(super) fn head_append_time(&self) -> Option<Timestamp> {
        let head = self.records.front().filter(|record| record.timestamp_type == TimestampType::LogAppendTime);
        head.map(|record| record.timestamp)
    }

    /// Whether a choice need not wait for this source at wall-clock time `now`: it has records, or has been known to be
    /// empty for at least `wait`.
    pub(super) fn is_ready(&mut self, now: Timestamp, wait: Duration) -> bool {
        if !self.records.is_empty() || self.may_receive() {
            self.waits_until = None;
            return !self.records.is_empty();
        }
        now >= *self.waits_until.get_or_insert(now.plus(wait))
    }

    /// Since when the source has had nothing; `None` while it has, or the log holds more or is not known not to.
    /// A log that is out of reach is not known.
    pub(super) fn idle_since(&self) -> Option<Timestamp> {
        (self.records.is_empty() && !self.may_receive() && !self.is_out_of_reach).then_some(self.heard_at)
    }

    fn may_receive(&self) -> bool {
        match (self.known_end, self.next_offset) {
            (Some(end), Some(next)) => next < end,
            _ => true,
        }
    }

    /// Whether everything that only rebuilds a store has been processed.
    pub(super) fn is_restored(&self) -> bool {
        self.replay_until.is_none_or(|until| self.next_offset.is_some_and(|next| next >= until))
    }
}
