//! A broker for tests, names that are new to it, and waiting with a bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::record::{Headers, LogRecord, OutputRecord};
use nowfold_core::time::Timestamp;
use nowfold_kafka::{GroupProtocol, Kafka, KafkaConfig};
use nowfold_runtime::broker::{Broker, PartitionReader, Producer, TopicSpec, Waker};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The address of the test broker.
pub(crate) fn address() -> Option<String> {
    let address = std::env::var("NOWFOLD_TEST_KAFKA").ok().filter(|address| !address.is_empty());
    if address.is_none() {
        eprintln!("\n*** SKIPPED: set NOWFOLD_TEST_KAFKA=host:port to run this test against a real Kafka ***\n");
    }
    address
}

pub(crate) fn config() -> Option<KafkaConfig> {
    // `RUST_LOG=nowfold_kafka=debug,librdkafka=debug` shows what the clients do.
    _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    address().map(KafkaConfig::new)
}

pub(crate) fn connect() -> Option<Kafka> {
    config().map(|config| Kafka::connect(config).unwrap())
}

pub(crate) fn connect_with(protocol: GroupProtocol, change: impl FnOnce(&mut KafkaConfig)) -> Option<Kafka> {
    let mut config = config()?;
    config.group_protocol = protocol;
    change(&mut config);
    Some(Kafka::connect(config).unwrap())
}

/// A name that no earlier run used.
pub(crate) fn fresh(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}-{:x}-{}", since.as_millis(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn topic(kafka: &Kafka, name: &str, partitions: i32) -> TopicName {
    let config = BTreeMap::from([("retention.ms".into(), "-1".into())]);
    let spec = TopicSpec { name: fresh(name).into(), partitions: Some(partitions), config };
    kafka.create_topic(&spec).unwrap();
    spec.name
}

pub(crate) fn record(topic: &TopicName, partition: i32, value: impl Into<Bytes>) -> OutputRecord {
    OutputRecord {
        topic: topic.clone(),
        partition: Some(partition),
        key: Some(Bytes::from_static(b"member-111")),
        value: Some(value.into()),
        timestamp: Timestamp::from_millis(1_700_000_000_123),
        headers: Headers::new(),
    }
}

pub(crate) fn send_all(producer: &mut dyn Producer, records: impl IntoIterator<Item = OutputRecord>) {
    for record in records {
        producer.send(record).unwrap();
    }
    assert!(producer.flush(PATIENCE).unwrap().is_empty());
}

/// Stores `0..n` in a partition.
pub(crate) fn fill(kafka: &Kafka, topic: &TopicName, partition: i32, n: usize) {
    send_all(&mut *kafka.producer().unwrap(), (0..n).map(|i| record(topic, partition, i.to_string())));
}

pub(crate) fn reader(kafka: &Kafka, topic: &TopicName, partition: i32, offset: Offset) -> Box<dyn PartitionReader> {
    let waker: Waker = Arc::new(|| {});
    kafka.reader(&TopicPartition::new(topic.as_str(), partition), offset, waker).unwrap()
}

#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = step() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[track_caller]
pub(crate) fn read(reader: &mut dyn PartitionReader, n: usize) -> Vec<LogRecord> {
    let mut records = Vec::new();
    eventually("reading the records", || {
        reader.poll(n - records.len(), &mut records).unwrap();
        (records.len() == n).then_some(())
    });
    records
}

pub(crate) fn values(records: &[LogRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into()).collect()
}
