//! The data consumer: every reader of a process, each with a queue of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, Partition, TopicName, TopicPartition};
use nowfold_runtime::broker::{BrokerError, Waker};
use parking_lot::Mutex;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use serde::Deserialize;

use crate::batch::BatchQueue;
use crate::client::{self, Context, Role};
use crate::config::KafkaConfig;
use crate::error;
use crate::owned::Kind;
use crate::pump::{self, Bell};

/// The service thread wakes at least this often.
const IDLE: Duration = Duration::from_secs(1);
/// A broker that sent something this recently is there: an idle fetch is answered every half second.
const SILENCE: Duration = Duration::from_secs(1);
/// Not known yet.
const UNKNOWN: Offset = -1;

/// What the client's statistics tell about a partition; a reader shares it with the service thread.
pub(crate) struct Report {
    /// The end of the log, as the fetching last heard of it.
    end: AtomicI64,
    /// When the broker last told of it: milliseconds since `opened`.
    heard: AtomicU64,
    opened: Instant,
    /// The cluster's metadata does not show the partition.
    unknown: AtomicBool,
    waker: Waker,
}

impl Report {
    pub(crate) fn end(&self) -> Option<Offset> {
        let end = self.end.load(Ordering::Acquire);
        (end != UNKNOWN).then_some(end)
    }

    pub(crate) fn set_end(&self, end: Offset) {
        self.end.store(end, Ordering::Release);
    }

    /// The broker has just been heard of.
    pub(crate) fn hear(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Release);
    }

    /// How long ago the broker was last heard of.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Acquire)))
    }

    /// Whether the partition was missing since the last time this was asked.
    pub(crate) fn take_unknown(&self) -> bool {
        self.unknown.swap(false, Ordering::AcqRel)
    }

    fn update(&self, statistics: &PartitionStatistics) {
        if statistics.ls_offset >= 0 {
            self.set_end(statistics.ls_offset);
        }
        self.unknown.store(statistics.unknown, Ordering::Release);
    }
}

/// Open readers by topic and partition.
#[derive(Default)]
struct Reports(BTreeMap<TopicName, BTreeMap<Partition, Arc<Report>>>);

impl Reports {
    fn get(&self, topic: &str, partition: Partition) -> Option<&Arc<Report>> {
        self.0.get(topic)?.get(&partition)
    }

    fn insert(&mut self, partition: &TopicPartition, report: Arc<Report>) {
        self.0.entry(partition.topic.clone()).or_default().insert(partition.partition, report);
    }

    fn remove(&mut self, partition: &TopicPartition) {
        if let Some(of_topic) = self.0.get_mut(&partition.topic) {
            of_topic.remove(&partition.partition);
            if of_topic.is_empty() {
                self.0.remove(&partition.topic);
            }
        }
    }
}

/// The role of a data consumer.
#[derive(Default)]
pub(crate) struct Reading {
    reports: Mutex<Reports>,
}

impl Role for Reading {
    const NAME: &'static str = "reader";
    const KIND: Kind = Kind::Consumer;

    fn on_statistics(&self, json: &[u8]) {
        match serde_json::from_slice::<Statistics>(json) {
            Ok(statistics) => self.report(&statistics),
            Err(error) => tracing::warn!(target: "nowfold_kafka", %error, "unreadable statistics"),
        }
    }
}

impl Reading {
    /// Passes statistics on to the readers, and wakes those whose partition is missing: they have nothing else to wake
    /// them.
    fn report(&self, statistics: &Statistics) {
        let mut missing = Vec::new();
        let reports = self.reports.lock();
        let there: Vec<_> = statistics.brokers.values().filter(|broker| broker.is_there()).map(|it| it.nodeid).collect();
        for (topic, of_topic) in &statistics.topics {
            for partition in of_topic.partitions.values() {
                let Some(report) = reports.get(topic, partition.partition) else { continue };
                report.update(partition);
                if there.contains(&partition.broker) {
                    report.hear();
                }
                missing.extend(partition.unknown.then(|| Arc::clone(report)));
            }
        }
        drop(reports);
        missing.iter().for_each(|report| (report.waker)());
    }
}

impl ConsumerContext for Context<Reading> {}

/// The part of librdkafka's statistics that is used (its `STATISTICS.md`).
#[derive(Deserialize)]
struct Statistics {
    brokers: BTreeMap<String, BrokerStatistics>,
    topics: BTreeMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct BrokerStatistics {
    nodeid: i32,
    /// `UP` while connected.
    state: String,
    /// Microseconds since it last sent something; negative before.
    rxidle: i64,
}

impl BrokerStatistics {
    fn is_there(&self) -> bool {
        let silence = u64::try_from(self.rxidle).map(Duration::from_micros);
        self.state == "UP" && silence.is_ok_and(|silence| silence < SILENCE)
    }
}

#[derive(Deserialize)]
struct TopicStatistics {
    partitions: BTreeMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    partition: Partition,
    /// The broker that it is fetched from; negative when there is none.
    broker: i32,
    /// Last stable offset of the last fetch; negative before the first.
    ls_offset: Offset,
    /// Not seen in the topic's metadata.
    unknown: bool,
}

pub(crate) type DataConsumer = BaseConsumer<Context<Reading>>;

/// A partition's own queue: `wakes` keeps it apart and calls the waker, `records` empties it.
pub(crate) struct Queue {
    pub(crate) records: BatchQueue,
    wakes: PartitionQueue<Context<Reading>>,
}

/// One data consumer and the thread that serves it.
pub(crate) struct Lane {
    service: Arc<Service>,
    thread: Option<JoinHandle<()>>,
}

struct Service {
    consumer: Arc<DataConsumer>,
    bell: Arc<Bell>,
    stopping: AtomicBool,
}

impl Lane {
    pub(crate) fn open(config: &KafkaConfig) -> Result<Arc<Self>, BrokerError> {
        // librdkafka wants a group before it assigns anything. Nobody joins or commits to this one.
        let mut settings = client::consumer_settings("nowfold-reader");
        settings.push(("enable.partition.eof", "true".into()));
        settings.push(("statistics.interval.ms", "1000".into()));
        let mut consumer: DataConsumer = client::create(config, &settings, Reading::default())?;
        let bell = Arc::new(Bell::default());
        pump::ring_on_events(&mut consumer, &bell);
        let service = Arc::new(Service { consumer: Arc::new(consumer), bell, stopping: AtomicBool::new(false) });
        let serving = Arc::clone(&service);
        let thread = std::thread::Builder::new().name("kafka-reader".into()).spawn(move || serving.run());
        let thread = thread.map_err(|error| BrokerError::Fatal {
            operation: "start the thread that serves the Kafka reader".into(),
            cause: error.to_string(),
        })?;
        Ok(Arc::new(Self { service, thread: Some(thread) }))
    }

    pub(crate) fn consumer(&self) -> &DataConsumer {
        &self.service.consumer
    }

    /// Starts fetching `partition` at `offset`; `None` when this consumer already reads that partition.
    pub(crate) fn start(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: &Waker,
    ) -> Result<Option<(Queue, Arc<Report>)>, BrokerError> {
        let mut reports = self.reading().reports.lock();
        if reports.get(partition.topic.as_str(), partition.partition).is_some() {
            return Ok(None);
        }
        let queue = self.split(partition, waker)?;
        self.assign(partition, offset)?;
        let (end, unknown) = (AtomicI64::new(UNKNOWN), AtomicBool::new(false));
        let (heard, opened) = (AtomicU64::new(0), Instant::now());
        let report = Arc::new(Report { end, heard, opened, unknown, waker: Arc::clone(waker) });
        reports.insert(partition, Arc::clone(&report));
        Ok(Some((queue, report)))
    }

    /// The partition's own queue, before anything is fetched into it.
    fn split(&self, partition: &TopicPartition, waker: &Waker) -> Result<Queue, BrokerError> {
        let consumer = &self.service.consumer;
        let wakes = consumer.split_partition_queue(partition.topic.as_str(), partition.partition);
        let records = BatchQueue::open(consumer, partition);
        let (Some(mut wakes), Some(records)) = (wakes, records) else {
            return Err(BrokerError::Fatal {
                operation: format!("open a reader of {partition}"),
                cause: "the client has no queue for it".into(),
            });
        };
        let waker = Arc::clone(waker);
        wakes.set_nonempty_callback(move || waker());
        Ok(Queue { records, wakes })
    }

    fn assign(&self, partition: &TopicPartition, offset: Offset) -> Result<(), BrokerError> {
        let opening = || format!("open a reader of {partition} at {offset}");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(partition.topic.as_str(), partition.partition, KafkaOffset::Offset(offset))
            .and_then(|()| self.consumer().incremental_assign(&list))
            .map_err(|error| error::failed(opening(), &error))
    }

    fn unassign(&self, partition: &TopicPartition) {
        let mut list = TopicPartitionList::new();
        list.add_partition(partition.topic.as_str(), partition.partition);
        if let Err(error) = self.consumer().incremental_unassign(&list) {
            tracing::warn!(target: "nowfold_kafka", %partition, %error, "cannot stop reading");
        }
    }

    /// Stops fetching. What is still queued is out of date from here on: a poll throws it away, which frees it now
    /// instead of at the partition's next reader.
    pub(crate) fn stop(&self, partition: &TopicPartition, queue: &Queue) {
        let mut reports = self.reading().reports.lock();
        self.unassign(partition);
        while queue.wakes.poll(Duration::ZERO).is_some() {}
        reports.remove(partition);
    }

    /// Fetches again from `offset`, after the client gave up on the partition.
    pub(crate) fn restart(&self, partition: &TopicPartition, offset: Offset) -> Result<(), BrokerError> {
        let _reports = self.reading().reports.lock();
        self.unassign(partition);
        self.assign(partition, offset)
    }

    fn reading(&self) -> &Reading {
        &self.service.consumer.context().role
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.service.stopping.store(true, Ordering::Release);
        self.service.bell.ring();
        let Some(thread) = self.thread.take() else { return };
        // The thread itself may drop the last handle, through a waker that owns one.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!(target: "nowfold_kafka", "the thread that serves the Kafka reader panicked");
        }
    }
}

impl Service {
    fn run(&self) {
        while !self.stopping.load(Ordering::Acquire) {
            self.bell.wait(IDLE);
            pump::drain(&*self.consumer, |error| tracing::debug!(target: "nowfold_kafka", %error, "reader"));
        }
    }
}
