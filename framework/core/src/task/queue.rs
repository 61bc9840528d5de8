//! The records that wait at one source partition of a task.

use std::collections::VecDeque;

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
    /// The offset after the last record that was taken from the queue or passed by the reader.
    pub(super) next_offset: Option<Offset>,
    /// The newest end of the partition that is known.
    pub(super) known_end: Option<Offset>,
    /// Records before this offset only rebuild a store.
    pub(super) replay_until: Option<Offset>,
    /// Whether `next_offset` moved since the last commit.
    pub(super) dirty: bool,
}

impl SourceQueue {
    pub(super) fn new(partition: TopicPartition, start: StartPolicy, node: usize) -> Self {
        Self {
            partition,
            start,
            node,
            records: VecDeque::new(),
            next_offset: None,
            known_end: None,
            replay_until: None,
            dirty: false,
        }
    }

    pub(super) fn head_time(&self) -> Option<Timestamp> {
        self.records.front().map(|record| record.timestamp)
    }

    /// When the first waiting record was appended, if its topic says.
    pub(super) fn head_append_time(&self) -> Option<Timestamp> {
        let head = self.records.front().filter(|record| record.timestamp_type == TimestampType::LogAppendTime);
        head.map(|record| record.timestamp)
    }

    /// Whether the partition is known to hold records that have not been handed to the queue.
    pub(super) fn may_receive(&self, position: Option<Offset>) -> bool {
        match (self.known_end, position.or(self.next_offset)) {
            (Some(end), Some(next)) => next < end,
            _ => true,
        }
    }

    /// Whether everything that only rebuilds a store has been processed.
    pub(super) fn is_restored(&self) -> bool {
        self.replay_until.is_none_or(|until| self.next_offset.is_some_and(|next| next >= until))
    }
}
