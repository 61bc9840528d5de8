//! The data consumer: every reader of a process, each with a queue of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_runtime::broker::{BrokerError, Waker};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::batch::BatchQueue;
use crate::client::{self, Context};
use crate::config::KafkaConfig;
use crate::error;
use crate::pump::{self, Bell};
use crate::report::{Reading, Report};

/// The service thread wakes at least this often.
const IDLE: Duration = Duration::from_secs(1);

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
    /// Nobody waits for its end: it may take its time.
    given_up: AtomicBool,
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
        Ok(Arc::new(Self { service, thread: Some(thread), given_up: AtomicBool::new(false) }))
    }

    /// Lets the client end in the background, once its last reader is gone.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
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
        let mut reports = self.reading().reports();
        if reports.get(partition.topic.as_str(), partition.partition).is_some() {
            return Ok(None);
        }
        let queue = self.split(partition, waker)?;
        self.assign(partition, offset)?;
        let report = Report::new(waker);
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
        let mut reports = self.reading().reports();
        self.unassign(partition);
        while queue.wakes.poll(Duration::ZERO).is_some() {}
        reports.remove(partition);
    }

    /// Fetches again from `offset`, after the client gave up on the partition.
    pub(crate) fn restart(&self, partition: &TopicPartition, offset: Offset) -> Result<(), BrokerError> {
        let _reports = self.reading().reports();
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
        if self.given_up.load(Ordering::Acquire) {
            let service = Arc::clone(&self.service);
            // Without a thread, the client ends with this one.
            _ = std::thread::Builder::new().name("kafka-close".into()).spawn(move || drop((thread.join(), service)));
            return;
        }
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
