//! Kafka through rdkafka itself: the loop that everything is compared with, and topics to be deleted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::executor::block_on;
use nowfold::core::names::TopicName;
use nowfold::runtime::broker::Broker;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a raw loop sets beside the address, as the lines show it.
pub(crate) const SETTINGS: [(&str, &str); 3] =
    [("enable.auto.commit", "false"), ("queued.min.messages", "100000"), ("fetch.queue.backoff.ms", "10")];

/// A consumer that reads a topic from its beginning to the ends that it had at the start.
pub(crate) struct RawReader {
    consumer: BaseConsumer,
    beginnings: TopicPartitionList,
    n_records: u64,
}

impl RawReader {
    pub(crate) fn open(bootstrap: &str, topic: &str) -> Result<Self> {
        let mut config = client(bootstrap);
        config.set("group.id", "nowfold-bench-raw");
        SETTINGS.iter().for_each(|(key, value)| _ = config.set(*key, *value));
        let consumer: BaseConsumer = config.create()?;
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let found = metadata.topics().first().context("the cluster does not know the topic")?;
        let (mut beginnings, mut n_records) = (TopicPartitionList::new(), 0);
        for partition in found.partitions() {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
            beginnings.add_partition_offset(topic, partition.id(), Offset::Offset(low))?;
            n_records += u64::try_from(high - low).unwrap_or(0);
        }
        ensure!(n_records > 0, "topic {topic} holds no records");
        Ok(Self { consumer, beginnings, n_records })
    }

    /// Hands every record to `visit` once, and returns how many there were.
    pub(crate) fn read(&self, mut visit: impl FnMut(&BorrowedMessage<'_>) -> Result<()>) -> Result<u64> {
        self.consumer.assign(&self.beginnings)?;
        for seen in 0..self.n_records {
            let Some(message) = self.consumer.poll(PATIENCE) else { bail!("no record for {PATIENCE:?} after {seen}") };
            visit(&message?)?;
        }
        Ok(self.n_records)
    }
}

/// Sums every byte, so that none can be left unread.
pub(crate) fn touch(bytes: Option<&[u8]>) -> u64 {
    bytes.unwrap_or_default().iter().map(|byte| u64::from(*byte)).sum()
}

/// Produces copies of records as fast as the broker takes them.
pub(crate) struct RawWriter {
    producer: BaseProducer,
    n_sent: u64,
}

impl RawWriter {
    pub(crate) fn open(bootstrap: &str) -> Result<Self> {
        let mut config = client(bootstrap);
        config.set("enable.idempotence", "true").set("linger.ms", "10").set("batch.num.messages", "10000");
        config.set("queue.buffering.max.messages", "500000").set("partitioner", "murmur2_random");
        Ok(Self { producer: config.create()?, n_sent: 0 })
    }

    pub(crate) fn send(&mut self, topic: &str, message: &BorrowedMessage<'_>) -> Result<()> {
        let (key, payload) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).key(key).payload(payload);
        while let Err((error, back)) = self.producer.send(record) {
            ensure!(error == KafkaError::MessageProduction(Code::QueueFull), "cannot produce to {topic}: {error}");
            record = back;
            self.producer.poll(Duration::from_millis(1));
        }
        self.n_sent += 1;
        if self.n_sent.is_multiple_of(1_024) {
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }

    /// Waits until all are stored.
    pub(crate) fn finish(self) -> Result<()> {
        let started = Instant::now();
        while self.producer.in_flight_count() > 0 {
            ensure!(started.elapsed() < PATIENCE, "records are still in flight after {PATIENCE:?}");
            self.producer.poll(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Deletes a topic of the benches and waits until it is gone.
pub(crate) fn delete_topic(bootstrap: &str, broker: &dyn Broker, topic: &str) -> Result<()> {
    ensure!(topic.starts_with("nowfold-bench"), "{topic} is not a topic of the benches");
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create()?;
    for answer in block_on(admin.delete_topics(&[topic], &AdminOptions::new().operation_timeout(Some(PATIENCE))))? {
        match answer {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => bail!("cannot delete {topic}: {code}"),
        }
    }
    let (started, names) = (Instant::now(), [TopicName::from(topic)]);
    while broker.topics(&names, PATIENCE)?.iter().any(Option::is_some) {
        ensure!(started.elapsed() < PATIENCE, "{topic} is still there {PATIENCE:?} after it was deleted");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}
