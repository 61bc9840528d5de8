//! What the cases share: topics, records, readers that collect, members that are driven.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nowfold_core::names::{Offset, Partition, TopicName, TopicPartition};
use nowfold_core::record::{Headers, LogRecord, OutputRecord};
use nowfold_core::time::Timestamp;

use super::PATIENCE;
use crate::broker::{Broker, BrokerError, PartitionReader, Producer, TopicSpec, Waker};
use crate::membership::{Membership, MembershipEvent};

/// An event time of November 2023, well before any broker's clock.
pub(super) const EVENT_TIME: Timestamp = Timestamp::from_millis(1_700_000_000_123);

#[track_caller]
pub(super) fn ok<T, E: Debug>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} failed: {error:?}"),
    }
}

#[track_caller]
pub(super) fn some<T>(value: Option<T>, what: &str) -> T {
    match value {
        Some(value) => value,
        None => panic!("{what} is missing"),
    }
}

/// Calls `step` until it gives a value; fails after [`PATIENCE`].
#[track_caller]
pub(super) fn eventually<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = step() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Creates a topic that keeps records of any event time.
#[track_caller]
pub(super) fn create(broker: &dyn Broker, name: &str, partitions: i32, config: &[(&str, &str)]) -> TopicName {
    let config = [("retention.ms", "-1")].iter().chain(config).map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let spec = TopicSpec { name: name.into(), partitions: Some(partitions), config };
    ok(broker.create_topic(&spec), "creating a topic");
    spec.name
}

pub(super) fn text(text: impl Into<String>) -> Option<Bytes> {
    Some(Bytes::from(text.into()))
}

/// A record without headers at [`EVENT_TIME`].
pub(super) fn record(topic: &TopicName, partition: Option<Partition>, key: &str, value: &str) -> OutputRecord {
    OutputRecord {
        topic: topic.clone(),
        partition,
        key: text(key),
        value: text(value),
        timestamp: EVENT_TIME,
        headers: Headers::new(),
    }
}

#[track_caller]
pub(super) fn producer(broker: &dyn Broker) -> Box<dyn Producer> {
    ok(broker.producer(), "opening a producer")
}

/// Sends records and waits until all are stored.
#[track_caller]
pub(super) fn send_all(producer: &mut dyn Producer, records: impl IntoIterator<Item = OutputRecord>) {
    for record in records {
        ok(producer.send(record), "sending a record");
    }
    let failures = ok(producer.flush(PATIENCE), "flushing the producer");
    assert!(failures.is_empty(), "every record is stored: {failures:?}");
}

/// Stores the values `0..n` in partition 0.
#[track_caller]
pub(super) fn fill(broker: &dyn Broker, topic: &TopicName, n: usize) {
    send_all(&mut *producer(broker), (0..n).map(|i| record(topic, Some(0), "k", &i.to_string())));
}

/// The error that a record meets, at once or when flushed.
#[track_caller]
pub(super) fn refusal(producer: &mut dyn Producer, record: OutputRecord) -> BrokerError {
    if let Err(failure) = producer.send(record.clone()) {
        assert_eq!(failure.record, record, "the failure carries the record");
        return failure.error;
    }
    let failures = ok(producer.flush(PATIENCE), "flushing the producer");
    let failure = some(failures.into_iter().next(), "the failure of a refused record");
    assert_eq!(failure.record, record, "the failure carries the record");
    failure.error
}

pub(super) fn no_waker() -> Waker {
    Arc::new(|| {})
}

#[track_caller]
pub(super) fn reader(broker: &dyn Broker, partition: &TopicPartition, offset: Offset) -> Box<dyn PartitionReader> {
    ok(broker.reader(partition, offset, no_waker()), "opening a reader")
}

/// Polls until `n` records have come, and returns them.
#[track_caller]
pub(super) fn read(reader: &mut dyn PartitionReader, n: usize) -> Vec<LogRecord> {
    let mut records = Vec::new();
    eventually("reading the records", || {
        let before = records.len();
        let wanted = n - before;
        let count = ok(reader.poll(wanted, &mut records), "polling a reader");
        assert_eq!(records.len(), before + count, "poll returns how many records it appended");
        assert!(count <= wanted, "poll appends at most as many records as asked for");
        (records.len() == n).then_some(())
    });
    records
}

/// Everything that partition `partition` of `topic` holds, from its low watermark.
#[track_caller]
pub(super) fn read_partition(broker: &dyn Broker, topic: &TopicName, partition: Partition) -> Vec<LogRecord> {
    let partition = TopicPartition::new(topic.as_str(), partition);
    let marks = ok(broker.watermarks(&partition), "asking for watermarks");
    let n = ok(usize::try_from(marks.high - marks.low), "counting records");
    read(&mut *reader(broker, &partition, marks.low), n)
}

pub(super) fn values(records: &[LogRecord]) -> Vec<String> {
    records.iter().map(|r| String::from_utf8_lossy(r.value.as_deref().unwrap_or(b"null")).into_owned()).collect()
}

/// The partitions `0..n` of `topic`.
pub(super) fn partitions(topic: &TopicName, n: i32) -> BTreeSet<TopicPartition> {
    (0..n).map(|p| TopicPartition { topic: topic.clone(), partition: p }).collect()
}

/// A member with the ownership that its events add up to.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) membership: Box<dyn Membership>,
    pub(super) owned: BTreeSet<TopicPartition>,
    /// Partitions of a `Revoked` that is not yet released.
    pub(super) held: Option<BTreeSet<TopicPartition>>,
    /// How often each partition was assigned.
    pub(super) assigned: BTreeMap<TopicPartition, usize>,
    pub(super) lost: BTreeSet<TopicPartition>,
}

impl Member {
    #[track_caller]
    pub(super) fn join(broker: &dyn Broker, group: &str, topics: &[TopicName]) -> Self {
        let membership = ok(broker.join(group, topics), "joining a group");
        Self { membership, owned: BTreeSet::new(), held: None, assigned: BTreeMap::new(), lost: BTreeSet::new() }
    }

    /// One short poll; a `Revoked` is held until [`Self::release`].
    #[track_caller]
    pub(super) fn poll(&mut self) {
        match ok(self.membership.poll(Duration::from_millis(20)), "polling the membership") {
            Some(MembershipEvent::Assigned(partitions)) => self.on_assigned(partitions),
            Some(MembershipEvent::Revoked(partitions)) => self.on_revoked(partitions),
            Some(MembershipEvent::Lost(partitions)) => self.on_lost(partitions),
            None => {}
        }
    }

    /// One short poll; a `Revoked` is released at once.
    #[track_caller]
    pub(super) fn drive(&mut self) {
        self.poll();
        if self.held.is_some() {
            self.release();
        }
    }

    #[track_caller]
    pub(super) fn release(&mut self) {
        ok(self.membership.release(), "releasing partitions");
        for partition in self.held.take().unwrap_or_default() {
            self.owned.remove(&partition);
        }
    }

    #[track_caller]
    fn on_assigned(&mut self, partitions: Vec<TopicPartition>) {
        self.assert_nothing_held();
        for partition in partitions {
            *self.assigned.entry(partition.clone()).or_default() += 1;
            assert!(self.owned.insert(partition.clone()), "{partition} was ours already when it was assigned");
        }
    }

    #[track_caller]
    fn on_revoked(&mut self, partitions: Vec<TopicPartition>) {
        self.assert_nothing_held();
        let partitions = BTreeSet::from_iter(partitions);
        assert!(partitions.is_subset(&self.owned), "{partitions:?} were revoked but only {:?} ours", self.owned);
        self.held = Some(partitions);
    }

    #[track_caller]
    fn on_lost(&mut self, partitions: Vec<TopicPartition>) {
        self.assert_nothing_held();
        self.owned.retain(|owned| !partitions.contains(owned));
        self.lost.extend(partitions);
        self.held = Some(BTreeSet::new());
    }

    #[track_caller]
    fn assert_nothing_held(&self) {
        assert!(self.held.is_none(), "no event arrives before the last one is released");
    }

    #[track_caller]
    pub(super) fn leave(self) {
        ok(self.membership.leave(PATIENCE), "leaving the group");
    }
}

/// Drives all members until they own `all` between them, each partition once, and each at least `least` of them.
#[track_caller]
pub(super) fn settle(members: &mut [&mut Member], all: &BTreeSet<TopicPartition>, least: usize) {
    eventually("the members own every partition", || {
        members.iter_mut().for_each(|member| member.drive());
        assert_disjoint(members);
        let owned: BTreeSet<_> = members.iter().flat_map(|member| member.owned.iter().cloned()).collect();
        (owned == *all && members.iter().all(|member| member.owned.len() >= least)).then_some(())
    });
}

/// No partition has two owners.
#[track_caller]
pub(super) fn assert_disjoint(members: &[&mut Member]) {
    let mut seen = BTreeSet::new();
    for partition in members.iter().flat_map(|member| &member.owned) {
        assert!(seen.insert(partition), "{partition} has two owners");
    }
}
