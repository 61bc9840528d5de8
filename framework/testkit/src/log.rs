//! The driver's logs: topics, partitions and records in memory.

use std::collections::BTreeMap;
use std::fmt;

use nowfold_core::names::{Offset, Partition, TopicName, TopicPartition};
use nowfold_core::partition::partition_for_key;
use nowfold_core::record::{LogRecord, OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;

use crate::output::Stored;

/// Every topic of a driver.
#[derive(Debug, Default)]
pub(crate) struct Log {
    topics: BTreeMap<TopicName, Topic>,
}

/// One topic.
#[derive(Debug)]
struct Topic {
    timestamps: TimestampType,
    partitions: Vec<PartitionLog>,
    /// Every record in the order of appending, over all partitions.
    arrivals: Vec<(Partition, usize)>,
    /// How many of them output handles have drained.
    drained: usize,
    n_unkeyed: i32,
}

/// One partition. Records before `start` are kept for outputs, but readers do not see them.
#[derive(Debug, Default)]
struct PartitionLog {
    start: Offset,
    records: Vec<LogRecord>,
}

impl PartitionLog {
    fn end(&self) -> Offset {
        offset(self.records.len())
    }
}

impl Log {
    /// Creates a topic; an existing one stays as it is.
    pub(crate) fn create(&mut self, topic: &TopicName, n_partitions: i32, timestamps: TimestampType) {
        let partitions = || (0..n_partitions).map(|_| PartitionLog::default()).collect();
        self.topics.entry(topic.clone()).or_insert_with(|| Topic {
            timestamps,
            partitions: partitions(),
            arrivals: Vec::new(),
            drained: 0,
            n_unkeyed: 0,
        });
    }

    /// Number of partitions; `None` for an unknown topic.
    pub(crate) fn n_partitions(&self, topic: &TopicName) -> Option<i32> {
        self.topics.get(topic).map(|topic| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
    }

    /// Appends a record as a broker would at `now`.
    #[track_caller]
    pub(crate) fn append(&mut self, record: OutputRecord, now: Timestamp) {
        let name = record.topic.clone();
        let topic = self.topics.get_mut(&name).unwrap_or_else(|| unknown(&name));
        topic.append(record, now);
    }

    /// The first offset that readers see, and the one after the last.
    pub(crate) fn watermarks(&self, at: &TopicPartition) -> (Offset, Offset) {
        self.partition(at).map_or((0, 0), |log| (log.start, log.end()))
    }

    /// The records from `from` on.
    pub(crate) fn read(&self, at: &TopicPartition, from: Offset) -> &[LogRecord] {
        let Some(log) = self.partition(at) else { return &[] };
        let first = usize::try_from(from.max(log.start)).unwrap_or(0);
        log.records.get(first..).unwrap_or(&[])
    }

    /// Makes readers begin at `start`, as retention does.
    pub(crate) fn truncate(&mut self, at: &TopicPartition, start: Offset) {
        let topic = self.topics.get_mut(&at.topic).unwrap_or_else(|| unknown(&at.topic));
        let log = usize::try_from(at.partition).ok().and_then(|index| topic.partitions.get_mut(index));
        if let Some(log) = log {
            log.start = start.clamp(log.start, log.end());
        }
    }

    /// Every record of a topic, in the order of appending.
    pub(crate) fn all(&self, topic: &TopicName) -> Vec<Stored> {
        self.topics.get(topic).map(|topic| topic.since(0)).unwrap_or_default()
    }

    /// The records that were not drained yet, in the order of appending.
    pub(crate) fn drain(&mut self, topic: &TopicName) -> Vec<Stored> {
        let Some(topic) = self.topics.get_mut(topic) else { return Vec::new() };
        let fresh = topic.since(topic.drained);
        topic.drained = topic.arrivals.len();
        fresh
    }

    fn partition(&self, at: &TopicPartition) -> Option<&PartitionLog> {
        self.topics.get(&at.topic)?.partitions.get(usize::try_from(at.partition).ok()?)
    }
}

impl Topic {
    fn append(&mut self, record: OutputRecord, now: Timestamp) {
        let partition = record.partition.unwrap_or_else(|| self.partition_of(&record));
        let log = usize::try_from(partition).ok().and_then(|index| self.partitions.get_mut(index));
        let log = log.unwrap_or_else(|| panic!("topic {} has no partition {partition}", record.topic));
        self.arrivals.push((partition, log.records.len()));
        log.records.push(LogRecord {
            offset: log.end(),
            key: record.key,
            value: record.value,
            timestamp: if self.timestamps == TimestampType::LogAppendTime { now } else { record.timestamp },
            timestamp_type: self.timestamps,
            headers: record.headers,
        });
    }

    /// Kafka's default partitioner; records without a key go round.
    fn partition_of(&mut self, record: &OutputRecord) -> Partition {
        let n = i32::try_from(self.partitions.len()).unwrap_or(i32::MAX);
        match &record.key {
            Some(key) => partition_for_key(key, n),
            None => {
                self.n_unkeyed = self.n_unkeyed.wrapping_add(1);
                (self.n_unkeyed - 1).rem_euclid(n)
            }
        }
    }

    fn since(&self, first: usize) -> Vec<Stored> {
        let fresh = self.arrivals.iter().skip(first);
        let stored = fresh.filter_map(|&(partition, index)| {
            let log = self.partitions.get(usize::try_from(partition).ok()?)?;
            Some(Stored { partition, record: log.records.get(index)?.clone() })
        });
        stored.collect()
    }
}

fn offset(n: usize) -> Offset {
    Offset::try_from(n).unwrap_or(Offset::MAX)
}

#[track_caller]
fn unknown<T>(topic: &impl fmt::Display) -> T {
    panic!("the topology neither reads nor writes topic {topic}; name it in TestDriver::partitions to create it")
}
