//! The port [`Broker`].

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_runtime::broker::{
    Broker, BrokerError, Committed, PartitionReader, Producer, TopicInfo, TopicSpec, TransactionalProducer,
    TransactionalSpec, Waker, Watermarks,
};
use nowfold_runtime::membership::Membership;

use crate::EmbeddedLog;
use crate::producer::LogProducer;
use crate::reader::Reader;
use crate::transactional::LogTransactions;

impl Broker for EmbeddedLog {
    fn describe(&self) -> String {
        self.inner.name.clone()
    }

    fn log_id(&self) -> Result<String, BrokerError> {
        Ok(self.inner.id.clone())
    }

    fn topics(&self, names: &[TopicName], _timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        Ok(names.iter().map(|name| self.inner.topics.get(name).map(|topic| topic.info())).collect())
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        if self.inner.topics.create(spec, self.inner.options.default_partitions)? {
            self.inner.groups.topic_created(&spec.name);
        }
        Ok(())
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        let delete = |(at, offset): &(TopicPartition, Offset)| self.inner.topics.partition(at)?.delete_before(*offset);
        before.iter().try_for_each(delete)
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.inner.expire_transactions();
        Ok(self.inner.topics.partition(partition)?.watermarks())
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.inner.expire_transactions();
        Ok(self.inner.topics.partition(partition)?.log_end())
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.inner.expire_transactions();
        self.inner.groups.context.offsets.committed(group, partitions)
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        let log = Arc::clone(&self.inner);
        Ok(Box::new(Reader::new(log, self.inner.topics.partition(partition)?, offset, waker)))
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        Ok(Box::new(LogProducer::new(Arc::clone(&self.inner))))
    }

    fn transactional_producer(&self, spec: &TransactionalSpec) -> Result<Box<dyn TransactionalProducer>, BrokerError> {
        Ok(Box::new(LogTransactions::open(Arc::clone(&self.inner), spec)?))
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        Ok(Box::new(self.inner.groups.join(group, topics)))
    }
}
