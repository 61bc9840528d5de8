//! One source partition of an open task: its reader, and how far behind it is.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge};
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::query::Lag;
use nowfold_core::record::LogRecord;
use nowfold_core::task::{SourceStatus, Task};
use nowfold_core::time::Timestamp;
use nowfold_core::topology::{SourceTopic, StartPolicy};

use super::broker::{Broker, BrokerError, PartitionReader, Waker, Watermarks, append_time};
use super::budget::Budget;
use super::error::RuntimeError;
use super::host;
use super::local::{Copied, LocalLog};
use super::status::Restored;

/// A source partition being read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) partition: TopicPartition,
    pub(crate) start: StartPolicy,
    group: String,
    reader: Box<dyn PartitionReader>,
    /// First offset and end when the task was opened.
    pub(crate) opened_at: Watermarks,
    /// Append time of the first record read, when the log's start had moved on before that.
    pub(crate) log_start: Option<Timestamp>,
    /// Where reading began.
    begun_at: Offset,
    /// Where what only rebuilds a store began, for counts.
    counted_from: Offset,
    /// Whether this is a copy of a source that another process works on.
    follows: bool,
    /// The copy of an event log on this process's disk.
    copy: Option<Copied>,
    /// Records that were read only to rebuild a store.
    pub(crate) restored_records: Restored,
    behind_since: Option<Timestamp>,
    /// How large the largest records were that were read lately.
    largest: Option<usize>,
    /// The next offset as last committed, with all effects of the records before it stored.
    committed: Offset,
    /// Whether the topic is an internal repartition topic.
    pub(crate) is_repartition: bool,
    records_in: Counter,
    lag_records: Gauge,
}

/// What this process's disk has of a source.
#[derive(Debug, Default)]
pub(crate) struct LocalSource {
    /// A copy of an event log.
    pub(crate) log: Option<Box<dyn LocalLog>>,
    /// How far the stores on disk are in it.
    pub(crate) position: Option<Offset>,
}

/// How long nothing may be heard of the log while it counts as within reach.
pub(crate) const IN_REACH: Duration = Duration::from_secs(2);

/// Where reading begins, and up to where it only rebuilds a store.
#[derive(Clone, Copy)]
struct Beginning {
    position: Offset,
    replay_until: Option<Offset>,
}

impl Source {
    /// Opens the reader where the source's policy says, and tells the task.
    pub(crate) fn open(
        broker: &Arc<dyn Broker>,
        group: &str,
        topic: &SourceTopic,
        local: LocalSource,
        task: &mut Task,
        waker: Waker,
    ) -> Result<Self, RuntimeError> {
        let partition = TopicPartition { topic: topic.topic.clone(), partition: task.id().partition };
        let committed = broker.committed(group, std::slice::from_ref(&partition))?.pop().flatten();
        if let Some(committed) = &committed {
            task.recall(&committed.metadata);
        }
        let committed = committed.map(|committed| committed.offset);
        let opened_at = bounds(broker.as_ref(), group, &partition, committed)?;
        let mut beginning = beginning(topic.start, opened_at, committed, local.position);
        let copy = local.log.map(|log| Copied::fit(log, &partition, opened_at)).transpose()?;
        let reader = match &copy {
            None => broker.reader(&partition, beginning.position, waker)?,
            Some(copy) => {
                beginning.position = copy.start();
                copy.reader(broker.clone(), waker)
            }
        };
        task.begin(&partition, beginning.position, beginning.replay_until);
        // What lies behind the committed offset had no effects yet: its dead letters, say, must not be lost.
        task.effects_from(&partition, committed.unwrap_or(opened_at.low));
        let labels = [("topic", partition.topic.to_string()), ("partition", partition.partition.to_string())];
        Ok(Self {
            start: topic.start,
            group: group.to_owned(),
            reader,
            opened_at,
            log_start: None,
            begun_at: beginning.position,
            counted_from: beginning.position,
            follows: false,
            copy,
            restored_records: Restored::default(),
            behind_since: None,
            largest: None,
            committed: beginning.position,
            is_repartition: topic.is_repartition,
            records_in: metrics::counter!("nowfold_records_in_total", &labels),
            lag_records: metrics::gauge!("nowfold_lag_records", &labels),
            partition,
        })
    }

    /// Moves up to `batch` records from the reader to the task, or as many as fit the budget, where as many do not wait yet.
    pub(crate) fn poll(
        &mut self,
        task: &mut Task,
        status: &SourceStatus,
        (batch, budget): (usize, &Budget),
        buffer: &mut Vec<LogRecord>,
    ) -> Result<usize, RuntimeError> {
        let mut n = 0;
        let room = if status.buffered < batch { budget.room_for(batch, status.buffered, self.largest) } else { 0 };
        if room > 0 {
            n = self.reader.poll(room, buffer).map_err(|error| out_of_range(&self.group, error))?;
            let largest = buffer.iter().map(LogRecord::memory_bytes).max();
            // One large record shall not make all that follow count as large for ever.
            self.largest = largest.max(self.largest.map(|largest| largest - largest / 8));
            // The copy is known to be read only by a poll that finds nothing more in it.
            let from_copy = self.copy.as_ref().is_some_and(Copied::is_replaying);
            if !status.restored || from_copy {
                self.restored_records.count(from_copy, n);
            }
            if self.begun_at > 0 && self.log_start.is_none() {
                self.log_start = buffer.first().map(|first| append_time(first).unwrap_or(first.timestamp));
            }
            if !self.follows {
                self.records_in.increment(n as u64);
            }
            task.add(&self.partition, buffer.drain(..));
        }
        task.observe(&self.partition, self.reader.position(), self.reader.known_end());
        task.out_of_reach(&self.partition, self.reader.known_age() > IN_REACH);
        Ok(n)
    }

    /// How far behind the source is, after processing up to `status`.
    pub(crate) fn lag(&mut self, status: &SourceStatus, now: Timestamp) -> Lag {
        let (Some(end), Some(next)) = (self.reader.known_end(), status.next_offset) else { return Lag::Unknown };
        if !self.follows {
            #[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to 2^53 records")]
            self.lag_records.set((end - next).max(0) as f64);
        }
        if next >= end && status.buffered == 0 {
            self.behind_since = None;
            return Lag::None;
        }
        Lag::Since(status.head_append_time.unwrap_or_else(|| *self.behind_since.get_or_insert(now)))
    }

    /// How long ago the end of the log was last known to be true.
    pub(crate) fn known_age(&self) -> Duration {
        self.reader.known_age()
    }

    /// What reads it.
    pub(crate) fn reader(&self) -> &dyn PartitionReader {
        self.reader.as_ref()
    }

    /// Records that had gathered before the task was opened, of which the effects are not stored yet.
    pub(crate) fn backlog(&self) -> u64 {
        u64::try_from(self.opened_at.high - self.committed).unwrap_or(0)
    }

    /// The effects of all records before the present position are stored.
    pub(crate) fn committed(&mut self, status: &SourceStatus, broker: &dyn Broker) {
        self.flush(broker);
        self.committed = status.next_offset.unwrap_or(self.committed);
    }

    /// Writes to the disk what is gathered for it.
    pub(crate) fn flush(&self, broker: &dyn Broker) {
        if let Some(copy) = &self.copy {
            copy.flush(broker);
        }
    }

    /// Goes on as a copy, without end.
    pub(crate) fn follow(&mut self, task: &mut Task) {
        let next = task.sources().into_iter().find(|status| status.partition == self.partition);
        self.follows = true;
        task.follow(&self.partition, next.and_then(|status| status.next_offset).unwrap_or(self.begun_at));
    }

    /// The copy becomes the source: from here on it is as one that was opened at its position. False when the log does
    /// not hold that position any more: the copy is of no use then.
    ///
    /// # Errors
    /// When the broker does not answer; nothing has changed then.
    pub(crate) fn take_over(&mut self, broker: &dyn Broker, task: &mut Task) -> Result<bool, RuntimeError> {
        let committed = broker.committed(&self.group, std::slice::from_ref(&self.partition))?.pop().flatten();
        let committed = committed.map(|committed| committed.offset);
        let log = bounds(broker, &self.group, &self.partition, committed)?;
        let next = task.sources().into_iter().find(|status| status.partition == self.partition);
        let position = next.and_then(|status| status.next_offset).unwrap_or(self.begun_at);
        if !(log.low..=log.high).contains(&position) {
            return Ok(false);
        }
        let effects_from = committed.unwrap_or(log.low);
        task.take_over(&self.partition, log.high, effects_from);
        (self.opened_at, self.counted_from, self.follows) = (log, position, false);
        (self.committed, self.restored_records) = (effects_from.min(position), Restored::default());
        Ok(true)
    }

    /// The partition, and the offset before which everything is done.
    pub(crate) fn completed(&self) -> (TopicPartition, Offset) {
        (self.partition.clone(), self.committed)
    }

    /// Up to where an internal topic is done with: its next record to process, as committed.
    pub(crate) fn done_with(&self) -> Option<(TopicPartition, Offset)> {
        let purges = self.is_repartition && self.start == StartPolicy::Committed;
        (purges && self.committed > self.opened_at.low).then(|| (self.partition.clone(), self.committed))
    }

    /// Records read and to be read to rebuild a store.
    pub(crate) fn restored(&self, status: &SourceStatus) -> (u64, u64) {
        let until = status.replay_until.unwrap_or(self.counted_from);
        let next = status.next_offset.unwrap_or(self.counted_from).min(until);
        let count = |to: Offset| u64::try_from(to - self.counted_from).unwrap_or(0);
        (count(next), count(until))
    }
}

impl Drop for Source {
    /// A partition that others own now has no lag here.
    fn drop(&mut self) {
        self.lag_records.set(0.0);
    }
}

/// How often the bounds are asked for, and how long apart, before a log that ends too early is believed: a broker that
/// has just started may not know its end yet.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The bounds of the log, which must reach up to what the group has committed.
fn bounds(
    broker: &dyn Broker,
    group: &str,
    partition: &TopicPartition,
    committed: Option<Offset>,
) -> Result<Watermarks, RuntimeError> {
    let mut log = broker.watermarks(partition)?;
    let Some(position) = committed else { return Ok(log) };
    for _ in 1..LOOKS {
        if position <= log.high {
            return Ok(log);
        }
        host::sleep(BETWEEN_LOOKS);
        log = broker.watermarks(partition)?;
    }
    if position <= log.high {
        return Ok(log);
    }
    let (app, partition) = (group.to_owned(), partition.clone());
    Err(RuntimeError::TopicRecreated { app, partition, position, end: log.high })
}

/// One past the last record of a partition; a log that ends before `position` is believed only after some looks.
pub(crate) fn end_beyond(
    broker: &dyn Broker,
    partition: &TopicPartition,
    position: Offset,
) -> Result<Offset, BrokerError> {
    let mut end = broker.log_end(partition)?;
    for _ in 1..LOOKS {
        if position <= end {
            break;
        }
        host::sleep(BETWEEN_LOOKS);
        end = broker.log_end(partition)?;
    }
    Ok(end)
}

/// A position that its log does not hold, in words that say why and what to do.
fn out_of_range(group: &str, error: BrokerError) -> RuntimeError {
    let BrokerError::OffsetOutOfRange { partition, offset: position, low, high } = error else { return error.into() };
    let app = group.to_owned();
    if position > high {
        RuntimeError::TopicRecreated { app, partition, position, end: high }
    } else {
        RuntimeError::RecordsDeleted { app, partition, position, start: low }
    }
}

/// `local` is how far the stores on disk are.
fn beginning(start: StartPolicy, log: Watermarks, committed: Option<Offset>, local: Option<Offset>) -> Beginning {
    let local = local.filter(|offset| (log.low..=log.high).contains(offset));
    match start {
        StartPolicy::Committed => Beginning { position: committed.or(local).unwrap_or(log.low), replay_until: None },
        StartPolicy::Table => {
            let replay_until = committed.map(|offset| offset.min(log.high));
            Beginning { position: local.unwrap_or(log.low), replay_until }
        }
        StartPolicy::EventLog => Beginning { position: log.low, replay_until: Some(log.high) },
    }
}

/// How long a task waits before it tries a blocked record again.
pub(crate) const BLOCKED_BACKOFF: Duration = Duration::from_millis(500);
