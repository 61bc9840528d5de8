//! The broker port on a Kafka cluster.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_runtime::broker::{
    Broker, BrokerError, Committed, PartitionReader, Producer, TopicInfo, TopicSpec, TransactionalProducer,
    TransactionalSpec, Waker, Watermarks,
};
use nowfold_runtime::membership::Membership;
use parking_lot::Mutex;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::admin::{self, EndConsumer};
use crate::client;
use crate::config::KafkaConfig;
use crate::lane::Lane;
use crate::membership::KafkaMembership;
use crate::producer::KafkaProducer;
use crate::reader::KafkaReader;
use crate::topics::{self, Topics};
use crate::transactional::KafkaTransactions;

/// A Kafka cluster. Clones share its connections.
#[derive(Clone)]
pub struct Kafka {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    topics: Topics,
    /// Data consumers. The first reads everything but what is read twice at a time.
    lanes: Mutex<Vec<Arc<Lane>>>,
    first: Arc<Lane>,
    /// Asks for the ends of logs, once somebody wants to know.
    ends: Mutex<Option<Arc<EndConsumer>>>,
}

impl Kafka {
    /// Connects to the cluster, and returns once a broker has answered.
    ///
    /// # Errors
    /// [`BrokerError::Fatal`] for a setting that is refused; [`BrokerError::Unavailable`] when no broker answers within
    /// [`KafkaConfig::connect_timeout`].
    pub fn connect(config: KafkaConfig) -> Result<Self, BrokerError> {
        config.check()?;
        let first = Lane::open(&config)?;
        let lanes = Mutex::new(vec![Arc::clone(&first)]);
        let kafka =
            Self { inner: Arc::new(Inner { config, topics: Topics::default(), lanes, first, ends: Mutex::default() }) };
        kafka.wait_for_a_broker()?;
        Ok(kafka)
    }

    pub(crate) fn config(&self) -> &KafkaConfig {
        &self.inner.config
    }

    pub(crate) fn unknown_topic(&self, topic: &TopicName) -> BrokerError {
        BrokerError::UnknownTopic { topic: topic.clone(), broker: self.describe() }
    }

    /// How many partitions a topic has, from a short-lived cache.
    ///
    /// # Errors
    /// [`BrokerError::UnknownTopic`], or when the broker does not answer.
    pub(crate) fn partition_count(&self, topic: &TopicName) -> Result<i32, BrokerError> {
        let timeout = self.config().request_timeout;
        let count = self.inner.topics.partition_count(self.inner.first.consumer(), topic, timeout)?;
        count.ok_or_else(|| self.unknown_topic(topic))
    }

    fn check_partition(&self, partition: &TopicPartition) -> Result<(), BrokerError> {
        let count = self.partition_count(&partition.topic)?;
        if (0..count).contains(&partition.partition) { Ok(()) } else { self.check_partition_anew(partition) }
    }

    /// Asks the cluster, whatever is remembered of the topic.
    pub(crate) fn check_partition_anew(&self, partition: &TopicPartition) -> Result<(), BrokerError> {
        self.inner.topics.forget(&partition.topic);
        let count = self.partition_count(&partition.topic)?;
        if (0..count).contains(&partition.partition) {
            return Ok(());
        }
        Err(BrokerError::Fatal {
            operation: format!("use {partition}"),
            cause: format!("topic {:?} has {count} partitions", partition.topic),
        })
    }

    fn end_consumer(&self) -> Result<Arc<EndConsumer>, BrokerError> {
        let mut ends = self.inner.ends.lock();
        if let Some(consumer) = &*ends {
            return Ok(Arc::clone(consumer));
        }
        let consumer = Arc::new(admin::end_consumer(self.config())?);
        *ends = Some(Arc::clone(&consumer));
        Ok(consumer)
    }

    fn wait_for_a_broker(&self) -> Result<(), BrokerError> {
        let (start, limit) = (Instant::now(), self.config().connect_timeout);
        let consumer = self.inner.first.consumer();
        loop {
            let left = limit.saturating_sub(start.elapsed());
            // Whether this topic exists or may be seen does not matter: the answer does.
            let slice = client::timeout(left.min(Duration::from_millis(250)));
            if consumer.fetch_metadata(Some("nowfold-connect"), slice).is_ok() {
                return Ok(());
            }
            let last = consumer.context().last_error();
            let hopeless = matches!(last, Some((Code::Authentication | Code::SSL | Code::SaslAuthenticationFailed, _)));
            if hopeless || left.is_zero() {
                return Err(self.not_connected(start.elapsed(), last.map(|(_, reason)| reason)));
            }
        }
    }

    fn not_connected(&self, waited: Duration, reason: Option<String>) -> BrokerError {
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        BrokerError::Unavailable {
            operation: format!("connect to {}", self.describe()),
            cause: format!(
                "no broker answered within {:.1} s{reason}; check the address, and that the broker runs and advertises it",
                waited.as_secs_f64()
            ),
        }
    }
}

impl Broker for Kafka {
    fn describe(&self) -> String {
        format!("Kafka at {}", self.config().bootstrap)
    }

    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        admin::topics(self.config(), self.inner.first.consumer(), names, timeout)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        admin::create_topic(self.config(), self.inner.first.consumer(), spec)?;
        self.inner.topics.forget(&spec.name);
        Ok(())
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.check_partition(partition)?;
        let marks = topics::watermarks(self.inner.first.consumer(), partition, self.config().request_timeout)?;
        marks.ok_or_else(|| {
            self.inner.topics.forget(&partition.topic);
            self.unknown_topic(&partition.topic)
        })
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.check_partition(partition)?;
        let marks = topics::watermarks(&*self.end_consumer()?, partition, self.config().request_timeout)?;
        marks.map(|marks| marks.high).ok_or_else(|| self.unknown_topic(&partition.topic))
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        admin::committed(self.config(), group, partitions)
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        self.check_partition(partition)?;
        let mut lanes = self.inner.lanes.lock();
        for lane in &*lanes {
            if let Some(started) = lane.start(partition, offset, &waker)? {
                let lane = Arc::clone(lane);
                return Ok(Box::new(KafkaReader::new(self.clone(), lane, partition.clone(), offset, started)));
            }
        }
        tracing::debug!(target: "nowfold_kafka", %partition, "opening a further data consumer: the partition is being read");
        lanes.push(Lane::open(self.config())?);
        drop(lanes);
        self.reader(partition, offset, waker)
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        Ok(Box::new(KafkaProducer::open(self.clone())?))
    }

    fn transactional_producer(&self, spec: &TransactionalSpec) -> Result<Box<dyn TransactionalProducer>, BrokerError> {
        Ok(Box::new(KafkaTransactions::open(self.clone(), spec)?))
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        for topic in topics {
            self.partition_count(topic)?;
        }
        Ok(Box::new(KafkaMembership::join(self.config(), group, topics)?))
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kafka").field(&self.config().bootstrap).finish()
    }
}
