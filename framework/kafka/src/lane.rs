//! The data consumer: every reader of a process, each with a queue of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, Partition, TopicName, TopicPartition};
use nowfold_runtime::broker::{BrokerError, Waker};
use parking_lot::Mutex;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use serde::Deserialize;

use crate::client::{self, Context, Role};
use crate::config::KafkaConfig;
use crate::error;
use crate::owned::Kind;
use crate::pump::{self, Bell};

/// Between two looks at the positions of readers that reached an end.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// The service thread wakes at least this often.
const IDLE: Duration = Duration::from_secs(1);
/// Not known yet.
const UNKNOWN: Offset = -1;

/// What a reader shares with the service thread.
pub(crate) struct Place {
    /// The next offset that a poll can return, as far as it is known.
    position: AtomicI64,
    /// The newest end of the log that was heard of.
    end: AtomicI64,
    waker: Waker,
}

impl Place {
    pub(crate) fn position(&self) -> Offset {
        self.position.load(Ordering::Acquire)
    }

    /// Moves the position forward; whether it moved.
    pub(crate) fn advance(&self, to: Offset) -> bool {
        self.position.fetch_max(to, Ordering::AcqRel) < to
    }

    pub(crate) fn end(&self) -> Option<Offset> {
        let end = self.end.load(Ordering::Acquire);
        (end != UNKNOWN).then(|| end.max(self.position()))
    }

    pub(crate) fn set_end(&self, end: Offset) {
        self.end.store(end, Ordering::Release);
    }
}

/// Open readers by topic and partition.
#[derive(Default)]
struct Places(BTreeMap<TopicName, BTreeMap<Partition, Arc<Place>>>);

impl Places {
    fn get(&self, topic: &str, partition: Partition) -> Option<&Arc<Place>> {
        self.0.get(topic)?.get(&partition)
    }

    fn insert(&mut self, partition: &TopicPartition, place: Arc<Place>) {
        self.0.entry(partition.topic.clone()).or_default().insert(partition.partition, place);
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

/// The role of a data consumer. Its places are locked while partitions are added or dropped, so that nobody applies a
/// position of a dropped reader to its successor.
#[derive(Default)]
pub(crate) struct Reading {
    places: Mutex<Places>,
}

impl Role for Reading {
    const NAME: &'static str = "reader";
    const KIND: Kind = Kind::Consumer;

    fn on_statistics(&self, json: &[u8]) {
        match serde_json::from_slice::<Statistics>(json) {
            Ok(statistics) => self.take_ends(&statistics),
            Err(error) => tracing::warn!(target: "nowfold_kafka", %error, "unreadable statistics"),
        }
    }
}

impl Reading {
    fn take_ends(&self, statistics: &Statistics) {
        let places = self.places.lock();
        for (topic, of_topic) in &statistics.topics {
            for partition in of_topic.partitions.values().filter(|partition| partition.ls_offset >= 0) {
                if let Some(place) = places.get(topic, partition.partition) {
                    place.set_end(partition.ls_offset);
                }
            }
        }
    }
}

impl ConsumerContext for Context<Reading> {}

/// The part of librdkafka's statistics that is used (its `STATISTICS.md`).
#[derive(Deserialize)]
struct Statistics {
    topics: BTreeMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    partitions: BTreeMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    partition: Partition,
    /// Last stable offset of the last fetch; negative before the first.
    ls_offset: Offset,
}

pub(crate) type DataConsumer = BaseConsumer<Context<Reading>>;
pub(crate) type Queue = PartitionQueue<Context<Reading>>;

/// One data consumer and the thread that serves it.
pub(crate) struct Lane {
    service: Arc<Service>,
    thread: Option<JoinHandle<()>>,
}

struct Service {
    consumer: Arc<DataConsumer>,
    bell: Arc<Bell>,
    /// Some reader reached an end since the last look at the positions.
    ends_reached: AtomicBool,
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
        let (ends_reached, stopping) = (AtomicBool::new(false), AtomicBool::new(false));
        let service = Arc::new(Service { consumer: Arc::new(consumer), bell, ends_reached, stopping });
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
    ) -> Result<Option<(Queue, Arc<Place>)>, BrokerError> {
        let mut places = self.reading().places.lock();
        if places.get(partition.topic.as_str(), partition.partition).is_some() {
            return Ok(None);
        }
        let queue = self.split(partition, waker)?;
        self.assign(partition, offset)?;
        let (position, end) = (AtomicI64::new(offset), AtomicI64::new(UNKNOWN));
        let place = Arc::new(Place { position, end, waker: Arc::clone(waker) });
        places.insert(partition, Arc::clone(&place));
        Ok(Some((queue, place)))
    }

    /// The partition's own queue, before anything is fetched into it.
    fn split(&self, partition: &TopicPartition, waker: &Waker) -> Result<Queue, BrokerError> {
        let queue = self.service.consumer.split_partition_queue(partition.topic.as_str(), partition.partition);
        let mut queue = queue.ok_or_else(|| BrokerError::Fatal {
            operation: format!("open a reader of {partition}"),
            cause: "the client has no queue for it".into(),
        })?;
        let waker = Arc::clone(waker);
        queue.set_nonempty_callback(move || waker());
        Ok(queue)
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
        let mut places = self.reading().places.lock();
        self.unassign(partition);
        while queue.poll(Duration::ZERO).is_some() {}
        places.remove(partition);
    }

    /// Fetches again from `offset`, after the client gave up on the partition.
    pub(crate) fn restart(&self, partition: &TopicPartition, offset: Offset) -> Result<(), BrokerError> {
        let _places = self.reading().places.lock();
        self.unassign(partition);
        self.assign(partition, offset)
    }

    /// Asks for the true position of a reader that came to an end of its partition.
    pub(crate) fn reached_an_end(&self) {
        if !self.service.ends_reached.swap(true, Ordering::AcqRel) {
            self.service.bell.ring();
        }
    }

    fn reading(&self) -> &Reading {
        self.service.reading()
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
    fn reading(&self) -> &Reading {
        &self.consumer.context().role
    }

    fn run(&self) {
        let mut next_look = Instant::now();
        while !self.stopping.load(Ordering::Acquire) {
            let looking = self.ends_reached.load(Ordering::Acquire);
            self.bell.wait(if looking { next_look.saturating_duration_since(Instant::now()) } else { IDLE });
            pump::drain(&*self.consumer, |error| tracing::debug!(target: "nowfold_kafka", %error, "reader"));
            if Instant::now() >= next_look && self.ends_reached.swap(false, Ordering::AcqRel) {
                self.look_at_positions();
                next_look = Instant::now() + BETWEEN_LOOKS;
            }
        }
    }

    /// Takes positions from the client, which counts control records as passed where a reader cannot see them, and
    /// wakes the readers that moved.
    fn look_at_positions(&self) {
        let places = self.reading().places.lock();
        let positions = match self.consumer.position() {
            Ok(positions) => positions,
            Err(error) => return tracing::warn!(target: "nowfold_kafka", %error, "cannot read positions"),
        };
        let mut moved = Vec::new();
        for element in positions.elements() {
            let KafkaOffset::Offset(offset) = element.offset() else { continue };
            let place = places.get(element.topic(), element.partition());
            moved.extend(place.filter(|place| place.advance(offset)).cloned());
        }
        drop(places);
        moved.iter().for_each(|place| (place.waker)());
    }
}
