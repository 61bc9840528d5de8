//! A broker whose members tests can meddle with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold::core::names::{Offset, TopicName, TopicPartition};
use nowfold::runtime::broker::{
    Broker, BrokerError, Committed, PartitionReader, Producer, TopicInfo, TopicSpec, TransactionalProducer,
    TransactionalSpec, Waker, Watermarks,
};
use nowfold::runtime::membership::Membership;

type Wrap = dyn Fn(Box<dyn Membership>) -> Box<dyn Membership> + Send + Sync;

/// A broker that wraps each member as it joins.
pub(crate) struct Meddler {
    inner: Arc<dyn Broker>,
    wrap: Box<Wrap>,
}

impl Meddler {
    pub(crate) fn new(
        inner: Arc<dyn Broker>,
        wrap: impl Fn(Box<dyn Membership>) -> Box<dyn Membership> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { inner, wrap: Box::new(wrap) })
    }
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Broker for Meddler {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        self.inner.topics(names, timeout)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        self.inner.create_topic(spec)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        self.inner.delete_records(before)
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.inner.watermarks(partition)
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.inner.committed(group, partitions)
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        self.inner.reader(partition, offset, waker)
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        self.inner.producer()
    }

    fn transactional_producer(&self, spec: &TransactionalSpec) -> Result<Box<dyn TransactionalProducer>, BrokerError> {
        self.inner.transactional_producer(spec)
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.inner.log_end(partition)
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        Ok((self.wrap)(self.inner.join(group, topics)?))
    }
}
