//! Clocks, topics and records for the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::record::{Headers, LogRecord, OutputRecord};
use nowfold_core::time::{Clock, Timestamp};
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::{Broker, BrokerError, DeliveryFailure, PartitionReader, TopicSpec};

/// A clock that a test moves by hand.
#[derive(Debug, Default)]
pub(crate) struct HandClock {
    now: AtomicI64,
    n_reads: AtomicUsize,
}

impl HandClock {
    pub(crate) fn at(ms: i64) -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(ms), n_reads: AtomicUsize::new(0) })
    }

    pub(crate) fn set(&self, ms: i64) {
        self.now.store(ms, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// Waits until others have read the clock `n` times from now on.
    pub(crate) fn wait_for_reads(&self, n: usize) {
        let (start, before) = (Instant::now(), self.n_reads.load(Ordering::SeqCst));
        while self.n_reads.load(Ordering::SeqCst) < before + n {
            assert!(start.elapsed() < Duration::from_secs(60), "nobody reads the clock");
            std::thread::yield_now();
        }
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.n_reads.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }
}

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(since.as_millis().try_into().unwrap())
    }
}

/// A log in memory, and its clock at 1,000,000 ms.
pub(crate) fn log() -> (EmbeddedLog, Arc<HandClock>) {
    let clock = HandClock::at(1_000_000);
    (EmbeddedLog::new(clock.clone()), clock)
}

pub(crate) fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Creates topic `name` with these settings.
pub(crate) fn create(log: &EmbeddedLog, name: &str, partitions: i32, config: &[(&str, &str)]) -> TopicName {
    let config = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let spec = TopicSpec { name: name.into(), partitions: Some(partitions), config };
    log.create_topic(&spec).unwrap();
    spec.name
}

pub(crate) fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic, number)
}

/// A record for partition 0; an empty value is a tombstone.
pub(crate) fn record(topic: &str, key: &str, value: &str, timestamp: i64) -> OutputRecord {
    OutputRecord {
        topic: topic.into(),
        partition: Some(0),
        key: Some(Bytes::from(key.to_owned())),
        value: (!value.is_empty()).then(|| Bytes::from(value.to_owned())),
        timestamp: ms(timestamp),
        headers: Headers::new(),
    }
}

/// Appends one record; the error is that of `send` or of `flush`.
pub(crate) fn append(log: &EmbeddedLog, record: OutputRecord) -> Result<(), BrokerError> {
    let mut producer = log.producer().unwrap();
    producer.send(record).map_err(|failure| failure.error)?;
    match producer.flush(Duration::ZERO).unwrap().pop() {
        Some(DeliveryFailure { error, .. }) => Err(error),
        None => Ok(()),
    }
}

pub(crate) fn reader(log: &EmbeddedLog, partition: &TopicPartition, offset: Offset) -> Box<dyn PartitionReader> {
    log.reader(partition, offset, Arc::new(|| {})).unwrap()
}

/// Offset, key and value (`-` for a tombstone) of each record, in words.
pub(crate) fn words(records: &[LogRecord]) -> Vec<String> {
    let text = |bytes: &Option<Bytes>| bytes.as_ref().map_or("-".into(), |b| String::from_utf8(b.to_vec()).unwrap());
    records.iter().map(|r| format!("{} {}={}", r.offset, text(&r.key), text(&r.value))).collect()
}

/// All records of partition 0 of `topic`, in words.
pub(crate) fn content(log: &EmbeddedLog, topic: &str) -> Vec<String> {
    words(&log.records(&partition(topic, 0)).unwrap())
}
