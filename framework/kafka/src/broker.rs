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
use crate::lane::{DataConsumer, Lane};
use crate::membership::KafkaMembership;
use crate::producer::KafkaProducer;
use crate::reader::KafkaReader;
use crate::topics::{self, Topics};
use crate::transactional::KafkaTransactions;

/// Between two tries to replace a client that hears nothing of the cluster.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(5);
/// How long a new client may take to find it.
const LISTEN: Duration = Duration::from_secs(1);

/// A Kafka cluster. Clones share its connections.
#[derive(Clone)]
pub struct Kafka {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    topics: Topics,
    /// Data consumers. The first also asks for topics, and reads everything but what is read twice at a time.
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// When a data consumer was last tried in the place of another.
    renewed: Mutex<Option<Instant>>,
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
        let lanes = Mutex::new(vec![Lane::open(&config)?]);
        let kafka = Self {
            inner: Arc::new(Inner {
                config,
                topics: Topics::default(),
                lanes,
                renewed: Mutex::default(),
                ends: Mutex::default(),
            }),
        };
        kafka.wait_for_a_broker()?;
        Ok(kafka)
    }

    /// Deletes topics with all that is in them. One that does not exist is passed over. Close what reads them before.
    ///
    /// # Errors
    /// When the broker refuses one, or does not answer.
    pub fn delete_topics(&self, names: &[TopicName]) -> Result<(), BrokerError> {
        admin::delete_topics(self.config(), names)?;
        names.iter().for_each(|name| self.inner.topics.forget(name));
        Ok(())
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
        let count = self.ask(|consumer| self.inner.topics.partition_count(consumer, topic, timeout))?;
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

    /// The data consumer that also asks.
    pub(crate) fn first(&self) -> Result<Arc<Lane>, BrokerError> {
        let mut lanes = self.inner.lanes.lock();
        if let Some(lane) = lanes.first() {
            return Ok(Arc::clone(lane));
        }
        let lane = Lane::open(self.config())?;
        lanes.push(Arc::clone(&lane));
        Ok(lane)
    }

    /// Asks through the first data consumer; through a new one, when that has lost the cluster and a new one finds it.
    fn ask<T>(&self, question: impl Fn(&DataConsumer) -> Result<T, BrokerError>) -> Result<T, BrokerError> {
        let lane = self.first()?;
        match question(lane.consumer()) {
            Err(error) if error.is_retriable() => match self.renew(&lane) {
                Some(lane) => question(lane.consumer()),
                None => Err(error),
            },
            answer => answer,
        }
    }

    /// A data consumer in the place of one that hears nothing of the cluster, if a new one does. librdkafka forgets all
    /// brokers for good when a broker that has just started names none (its issue 5301). Tried once in a while.
    pub(crate) fn renew(&self, deaf: &Arc<Lane>) -> Option<Arc<Lane>> {
        let first = self.first().ok()?;
        if !Arc::ptr_eq(&first, deaf) {
            return Some(first);
        }
        let mut renewed = self.inner.renewed.try_lock()?;
        if renewed.is_some_and(|at| at.elapsed() < BETWEEN_RENEWALS) {
            return None;
        }
        let lane = Lane::open(self.config()).ok()?;
        let found = lane.consumer().fetch_metadata(Some("nowfold-connect"), client::timeout(LISTEN));
        *renewed = Some(Instant::now());
        if found.is_err() {
            lane.give_up();
            return None;
        }
        tracing::warn!(target: "nowfold_kafka", "a client has lost the cluster; another one takes its place");
        deaf.give_up();
        let mut lanes = self.inner.lanes.lock();
        lanes.retain(|lane| !Arc::ptr_eq(lane, deaf));
        lanes.insert(0, Arc::clone(&lane));
        *self.inner.ends.lock() = None;
        Some(lane)
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
        let lane = self.first()?;
        let consumer = lane.consumer();
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

    /// The cluster's id.
    fn log_id(&self) -> Result<String, BrokerError> {
        let timeout = client::timeout(self.config().request_timeout);
        let asked = |consumer: &DataConsumer| match consumer.client().fetch_cluster_id(timeout) {
            Some(id) => Ok(format!("Kafka cluster {id}")),
            None => Err(BrokerError::Unavailable {
                operation: format!("ask {} for the cluster's id", self.describe()),
                cause: "no answer in time".to_owned(),
            }),
        };
        self.ask(asked)
    }

    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        self.ask(|consumer| admin::topics(self.config(), consumer, names, timeout))
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        self.ask(|consumer| admin::create_topic(self.config(), consumer, spec))?;
        self.inner.topics.forget(&spec.name);
        Ok(())
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        admin::delete_records(self.config(), before)
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.check_partition(partition)?;
        let marks = self.ask(|consumer| topics::watermarks(consumer, partition, self.config().request_timeout))?;
        marks.ok_or_else(|| {
            self.inner.topics.forget(&partition.topic);
            self.unknown_topic(&partition.topic)
        })
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.check_partition(partition)?;
        let marks = topics::watermarks(&*self.end_consumer()?, partition, self.config().request_timeout);
        if marks.is_err() {
            // The next one may find a cluster that this one has lost.
            *self.inner.ends.lock() = None;
        }
        let marks = marks?;
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
                return Ok(Box::new(KafkaReader::new(self.clone(), lane, partition.clone(), offset, started, waker)));
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
