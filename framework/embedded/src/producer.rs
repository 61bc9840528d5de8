//! The port [`Producer`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nowfold_core::names::{Partition as PartitionNumber, TopicName, TopicPartition};
use nowfold_core::record::OutputRecord;
use nowfold_core::time::millis;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure, Producer};

use crate::error::unknown_partition;
use crate::log::Inner;
use crate::partition::{Appender, Partition, TransactionKey};
use crate::topic::Topic;

/// A producer. It has no queue: `send` appends to the partition, and a failure that a retry may cure waits for `flush`.
#[derive(Debug)]
pub(crate) struct LogProducer {
    log: Arc<Inner>,
    targets: HashMap<TopicName, Target>,
    failures: Vec<DeliveryFailure>,
    appender: Appender,
}

/// A topic that records went to, and where the next record without a key goes.
#[derive(Debug)]
struct Target {
    topic: Arc<Topic>,
    next_unkeyed: PartitionNumber,
}

impl LogProducer {
    pub(crate) fn new(log: Arc<Inner>) -> Self {
        let appender = Appender {
            producer: log.n_producers.fetch_add(1, Ordering::Relaxed),
            check_interval_ms: millis(log.options.check_interval),
            transaction: None,
        };
        Self { log, targets: HashMap::new(), failures: Vec::new(), appender }
    }

    /// Its number within the log.
    pub(crate) fn number(&self) -> u64 {
        self.appender.producer
    }

    /// A producer whose records are part of this transaction.
    pub(crate) fn within(mut self, transaction: TransactionKey) -> Self {
        self.appender.transaction = Some(transaction);
        self
    }

    fn append(&mut self, record: &mut OutputRecord) -> Result<(), BrokerError> {
        let partition = self.choose(record)?;
        self.append_to(&partition, record)
    }

    /// Appends to the partition that was chosen for the record.
    pub(crate) fn append_to(&self, partition: &Partition, record: &mut OutputRecord) -> Result<(), BrokerError> {
        self.log.faults.append()?;
        partition.append(record, self.appender, self.log.clock.now())
    }

    /// A failure for the next flush.
    pub(crate) fn fail_later(&mut self, failure: DeliveryFailure) {
        self.failures.push(failure);
    }

    /// Failures of a transaction that has ended are nobody's any more.
    pub(crate) fn forget_failures(&mut self) {
        self.failures.clear();
    }

    /// The partition that a record goes to.
    pub(crate) fn choose(&mut self, record: &OutputRecord) -> Result<Arc<Partition>, BrokerError> {
        if !self.targets.contains_key(&record.topic) {
            let topic = self.log.topics.require(&record.topic)?;
            self.targets.insert(record.topic.clone(), Target { topic, next_unkeyed: 0 });
        }
        let target = self.targets.get_mut(&record.topic);
        let Some(Target { topic, next_unkeyed }) = target else { unreachable!("the topic was just inserted") };
        let number = match (record.partition, &record.key) {
            (Some(number), _) => number,
            (None, Some(key)) => topic.partition_of_key(key),
            (None, None) => {
                let number = *next_unkeyed;
                *next_unkeyed = (number + 1) % topic.n_partitions();
                number
            }
        };
        let wanted = || TopicPartition { topic: record.topic.clone(), partition: number };
        let partition = topic.partition(number);
        partition.cloned().ok_or_else(|| unknown_partition(&wanted(), topic.n_partitions()))
    }
}

impl Producer for LogProducer {
    fn send(&mut self, mut record: OutputRecord) -> Result<(), DeliveryFailure> {
        match self.append(&mut record) {
            Ok(()) => Ok(()),
            Err(error) if error.is_retriable() => {
                self.failures.push(DeliveryFailure { record, error });
                Ok(())
            }
            Err(error) => Err(DeliveryFailure { record, error }),
        }
    }

    fn flush(&mut self, _timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        for partition in self.targets.values().flat_map(|target| &target.topic.partitions) {
            self.failures.extend(partition.flush(self.appender.producer)?);
        }
        Ok(std::mem::take(&mut self.failures))
    }
}

impl Drop for LogProducer {
    /// Hands over what was sent and not flushed.
    fn drop(&mut self) {
        match self.flush(Duration::ZERO) {
            Ok(failures) if failures.is_empty() => {}
            Ok(failures) => tracing::warn!(records = failures.len(), "records failed that nobody flushed"),
            Err(error) => tracing::warn!(%error, "records of a dropped producer may not be stored"),
        }
    }
}
