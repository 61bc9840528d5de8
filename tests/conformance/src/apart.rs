//! A broker's corner for one case: its topics and groups have a prefix, and its time has an origin of its own.
//!
//! Cases begin at 0 ms. librdkafka takes a timestamp of 0 for "now", and a broker soon deletes what is fifty years old, so
//! the log has every timestamp later by the same amount. The application sees neither.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::record::{LogRecord, OutputRecord};
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::{
    Broker, BrokerError, Committed, DeliveryFailure, PartitionReader, Producer, TopicInfo, TopicSpec, Waker, Watermarks,
};
use nowfold_runtime::membership::{Membership, MembershipEvent, OffsetCommit};
use parking_lot::Mutex;

/// A broker seen from one case.
#[derive(Debug)]
pub(crate) struct Apart {
    inner: Arc<dyn Broker>,
    place: Arc<Place>,
    created: Mutex<Vec<TopicName>>,
}

#[derive(Debug)]
struct Place {
    prefix: String,
    /// What the log's timestamps are later by, in ms.
    origin_ms: i64,
}

impl Place {
    fn outside(&self, topic: &TopicName) -> TopicName {
        format!("{}{topic}", self.prefix).into()
    }

    fn inside(&self, topic: &TopicName) -> TopicName {
        topic.as_str().strip_prefix(&self.prefix).unwrap_or(topic.as_str()).into()
    }

    fn partition_outside(&self, at: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.outside(&at.topic), partition: at.partition }
    }

    fn partitions_inside(&self, all: Vec<TopicPartition>) -> Vec<TopicPartition> {
        let inside = |at: TopicPartition| TopicPartition { topic: self.inside(&at.topic), partition: at.partition };
        all.into_iter().map(inside).collect()
    }

    fn record_outside(&self, record: OutputRecord) -> OutputRecord {
        let ms = record.timestamp.as_millis().saturating_add(self.origin_ms);
        OutputRecord { topic: self.outside(&record.topic), timestamp: Timestamp::from_millis(ms), ..record }
    }

    fn failure_inside(&self, DeliveryFailure { record, error }: DeliveryFailure) -> DeliveryFailure {
        let ms = record.timestamp.as_millis().saturating_sub(self.origin_ms);
        let topic = self.inside(&record.topic);
        DeliveryFailure { record: OutputRecord { topic, timestamp: Timestamp::from_millis(ms), ..record }, error }
    }
}

impl Apart {
    /// A corner of `inner` in which names begin with `prefix` and 0 ms is `origin_ms`.
    pub(crate) fn new(inner: Arc<dyn Broker>, prefix: String, origin_ms: i64) -> Self {
        Self { inner, place: Arc::new(Place { prefix, origin_ms }), created: Mutex::default() }
    }

    /// The topics that were created here, as the broker knows them.
    pub(crate) fn created(&self) -> Vec<TopicName> {
        self.created.lock().clone()
    }
}

impl Broker for Apart {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        let outside: Vec<_> = names.iter().map(|name| self.place.outside(name)).collect();
        let found = self.inner.topics(&outside, timeout)?;
        let inside = |info: TopicInfo| TopicInfo { name: self.place.inside(&info.name), ..info };
        Ok(found.into_iter().map(|info| info.map(inside)).collect())
    }

    /// Some cases are far in the future, which brokers refuse by default.
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        let name = self.place.outside(&spec.name);
        let mut config: BTreeMap<_, _> = spec.config.clone();
        config.insert("message.timestamp.after.max.ms".to_owned(), i64::MAX.to_string());
        self.created.lock().push(name.clone());
        self.inner.create_topic(&TopicSpec { name, config, partitions: spec.partitions })
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        let outside = |(at, offset): &(TopicPartition, Offset)| (self.place.partition_outside(at), *offset);
        self.inner.delete_records(&before.iter().map(outside).collect::<Vec<_>>())
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.inner.watermarks(&self.place.partition_outside(partition))
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.inner.log_end(&self.place.partition_outside(partition))
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        let outside: Vec<_> = partitions.iter().map(|at| self.place.partition_outside(at)).collect();
        self.inner.committed(&format!("{}{group}", self.place.prefix), &outside)
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        let inner = self.inner.reader(&self.place.partition_outside(partition), offset, waker)?;
        Ok(Box::new(ApartReader { inner, origin_ms: self.place.origin_ms }))
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        Ok(Box::new(ApartProducer { inner: self.inner.producer()?, place: self.place.clone() }))
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        let outside: Vec<_> = topics.iter().map(|name| self.place.outside(name)).collect();
        let inner = self.inner.join(&format!("{}{group}", self.place.prefix), &outside)?;
        Ok(Box::new(ApartMember { inner, place: self.place.clone() }))
    }
}

#[derive(Debug)]
struct ApartReader {
    inner: Box<dyn PartitionReader>,
    origin_ms: i64,
}

impl PartitionReader for ApartReader {
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        let n_before = into.len();
        let polled = self.inner.poll(max, into)?;
        for record in into.iter_mut().skip(n_before) {
            let ms = record.timestamp.as_millis().saturating_sub(self.origin_ms);
            record.timestamp = Timestamp::from_millis(ms);
        }
        Ok(polled)
    }

    fn position(&self) -> Offset {
        self.inner.position()
    }

    fn known_end(&self) -> Option<Offset> {
        self.inner.known_end()
    }

    fn known_age(&self) -> Duration {
        self.inner.known_age()
    }
}

#[derive(Debug)]
struct ApartProducer {
    inner: Box<dyn Producer>,
    place: Arc<Place>,
}

impl Producer for ApartProducer {
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        let sent = self.inner.send(self.place.record_outside(record));
        sent.map_err(|failure| self.place.failure_inside(failure))
    }

    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        let failures = self.inner.flush(timeout)?;
        Ok(failures.into_iter().map(|failure| self.place.failure_inside(failure)).collect())
    }
}

#[derive(Debug)]
struct ApartMember {
    inner: Box<dyn Membership>,
    place: Arc<Place>,
}

impl Membership for ApartMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        let place = &self.place;
        Ok(self.inner.poll(timeout)?.map(|event| match event {
            MembershipEvent::Assigned(all) => MembershipEvent::Assigned(place.partitions_inside(all)),
            MembershipEvent::Revoked(all) => MembershipEvent::Revoked(place.partitions_inside(all)),
            MembershipEvent::Lost(all) => MembershipEvent::Lost(place.partitions_inside(all)),
        }))
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        self.inner.release()
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let outside = |offset: &OffsetCommit| OffsetCommit {
            partition: self.place.partition_outside(&offset.partition),
            offset: offset.offset,
            metadata: offset.metadata.clone(),
        };
        let offsets: Vec<_> = offsets.iter().map(outside).collect();
        self.inner.commit(&offsets)
    }

    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.inner.leave(timeout)
    }
}
