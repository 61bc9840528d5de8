//! The port [`Broker`].

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_runtime::broker::{
    Broker, BrokerError, Committed, PartitionReader, Producer, TopicInfo, TopicSpec, Waker, Watermarks,
};
use nowfold_runtime::membership::Membership;

use crate::EmbeddedLog;
use crate::producer::LogProducer;
use crate::reader::Reader;

impl Broker for EmbeddedLog {
    fn describe(&self) -> String {
        self.inner.name.clone()
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

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        Ok(self.inner.topics.partition(partition)?.watermarks())
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        Ok(self.inner.groups.context.offsets.committed(group, partitions))
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        Ok(Box::new(Reader::new(self.inner.topics.partition(partition)?, offset, waker)))
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        Ok(Box::new(LogProducer::new(Arc::clone(&self.inner))))
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        Ok(Box::new(self.inner.groups.join(group, topics)))
    }
}
