//! A broker that takes no records for a while, behind a client that queues without bound: what the runtime has taken in and
//! not let go of can be weighed from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use nowfold::core::names::{Offset, TopicName, TopicPartition};
use nowfold::core::record::{LogRecord, OutputRecord};
use nowfold::runtime::broker::{
    Broker, BrokerError, Committed, DeliveryFailure, PartitionReader, Producer, TopicInfo, TopicSpec,
    TransactionalProducer, TransactionalSpec, Waker, Watermarks,
};
use nowfold::runtime::membership::Membership;

/// What is weighed, in bytes of values.
#[derive(Debug, Default)]
pub(crate) struct Scale {
    is_away: AtomicBool,
    /// Read and not [done with](Self::done), and queued.
    held: AtomicI64,
    most: AtomicI64,
}

impl Scale {
    fn add(&self, n: usize) {
        let n = i64::try_from(n).unwrap();
        let held = self.held.fetch_add(n, Ordering::SeqCst) + n;
        self.most.fetch_max(held, Ordering::SeqCst);
    }

    /// A record that was read is let go of.
    pub(crate) fn done(&self, n: usize) {
        self.held.fetch_sub(i64::try_from(n).unwrap(), Ordering::SeqCst);
    }

    /// The most that was held at once.
    pub(crate) fn most(&self) -> i64 {
        self.most.load(Ordering::SeqCst)
    }

    /// Whether records that are sent stay in the client's queue.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Remote {
    inner: Arc<dyn Broker>,
    scale: Arc<Scale>,
}

impl Remote {
    pub(crate) fn new(inner: Arc<dyn Broker>, scale: &Arc<Scale>) -> Arc<Self> {
        Arc::new(Self { inner, scale: scale.clone() })
    }
}

#[derive(Debug)]
struct Reader {
    inner: Box<dyn PartitionReader>,
    scale: Arc<Scale>,
}

impl PartitionReader for Reader {
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        let before = into.len();
        let n = self.inner.poll(max, into)?;
        into.iter().skip(before).for_each(|record| self.scale.add(record.value.as_ref().map_or(0, bytes::Bytes::len)));
        Ok(n)
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
struct Queueing {
    inner: Box<dyn Producer>,
    scale: Arc<Scale>,
    queue: Vec<OutputRecord>,
}

impl Producer for Queueing {
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        self.scale.add(record.value.as_ref().map_or(0, bytes::Bytes::len));
        self.queue.push(record);
        Ok(())
    }

    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        if self.scale.is_away.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(5));
            let cause = "it is away".to_owned();
            return Err(BrokerError::Unavailable { operation: "flush".to_owned(), cause });
        }
        for record in self.queue.drain(..) {
            self.scale.done(record.value.as_ref().map_or(0, bytes::Bytes::len));
            self.inner.send(record).unwrap();
        }
        self.inner.flush(timeout)
    }
}

impl Broker for Remote {
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
        let inner = self.inner.reader(partition, offset, waker)?;
        Ok(Box::new(Reader { inner, scale: self.scale.clone() }))
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        let inner = self.inner.producer()?;
        Ok(Box::new(Queueing { inner, scale: self.scale.clone(), queue: Vec::new() }))
    }

    fn transactional_producer(&self, spec: &TransactionalSpec) -> Result<Box<dyn TransactionalProducer>, BrokerError> {
        self.inner.transactional_producer(spec)
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.inner.log_end(partition)
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        self.inner.join(group, topics)
    }
}
