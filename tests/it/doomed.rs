//! A broker whose user dies at a given operation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use nowfold::core::names::{Offset, TopicName, TopicPartition};
use nowfold::core::record::{LogRecord, OutputRecord};
use nowfold::runtime::broker::{
    Broker, BrokerError, Committed, DeliveryFailure, PartitionReader, Producer, TopicInfo, TopicSpec,
    TransactionalProducer, TransactionalSpec, Waker, Watermarks,
};
use nowfold::runtime::membership::{Generation, Membership, MembershipEvent, OffsetCommit};

/// When the user dies, and how.
pub(crate) struct Fate {
    /// Operations until then.
    left: AtomicI64,
    /// Whether the last operation is still carried out.
    after: bool,
    dead: AtomicBool,
    kill: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fate({:?} left)", self.left)
    }
}

impl Fate {
    /// Dies at operation number `n`, just before it or just `after` it; `kill` may end the process.
    pub(crate) fn new(n: i64, after: bool, kill: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let (left, dead) = (AtomicI64::new(n), AtomicBool::new(false));
        Arc::new(Self { left, after, dead, kill: Box::new(kill) })
    }

    /// One operation: nothing reaches the broker from the last one on.
    fn meet<T>(&self, operation: impl FnOnce() -> Result<T, BrokerError>) -> Result<T, BrokerError> {
        self.alive()?;
        if self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return operation();
        }
        if self.after {
            let _ = operation();
        }
        self.dead.store(true, Ordering::SeqCst);
        (self.kill)();
        self.alive()?;
        unreachable!("the dead are not alive")
    }

    fn alive(&self) -> Result<(), BrokerError> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(BrokerError::Fatal { operation: "do anything".into(), cause: "this user is dead".into() });
        }
        Ok(())
    }
}

/// A broker whose transactions, members and reads follow a [`Fate`].
#[derive(Debug)]
pub(crate) struct Doomed {
    inner: Arc<dyn Broker>,
    fate: Arc<Fate>,
}

impl Doomed {
    pub(crate) fn new(inner: Arc<dyn Broker>, fate: &Arc<Fate>) -> Arc<Self> {
        Arc::new(Self { inner, fate: fate.clone() })
    }
}

#[derive(Debug)]
struct DoomedMember {
    inner: Option<Box<dyn Membership>>,
    fate: Arc<Fate>,
}

#[derive(Debug)]
struct DoomedReader {
    inner: Box<dyn PartitionReader>,
    fate: Arc<Fate>,
}

#[derive(Debug)]
struct DoomedProducer {
    inner: Box<dyn TransactionalProducer>,
    fate: Arc<Fate>,
}

impl Broker for Doomed {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn log_id(&self) -> Result<String, BrokerError> {
        self.inner.log_id()
    }

    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        self.inner.topics(names, timeout)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        self.inner.create_topic(spec)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        self.fate.alive()?;
        self.inner.delete_records(before)
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.fate.alive()?;
        self.inner.watermarks(partition)
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.fate.alive()?;
        self.inner.log_end(partition)
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.fate.alive()?;
        self.inner.committed(group, partitions)
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        self.fate.alive()?;
        let inner = self.inner.reader(partition, offset, waker)?;
        Ok(Box::new(DoomedReader { inner, fate: self.fate.clone() }))
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        self.inner.producer()
    }

    fn transactional_producer(&self, spec: &TransactionalSpec) -> Result<Box<dyn TransactionalProducer>, BrokerError> {
        let inner = self.fate.meet(|| self.inner.transactional_producer(spec))?;
        Ok(Box::new(DoomedProducer { inner, fate: self.fate.clone() }))
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        let inner = Some(self.inner.join(group, topics)?);
        Ok(Box::new(DoomedMember { inner, fate: self.fate.clone() }))
    }
}

impl DoomedMember {
    fn inner(&mut self) -> &mut dyn Membership {
        self.inner.as_deref_mut().unwrap()
    }
}

impl Membership for DoomedMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        self.fate.alive()?;
        self.inner().poll(timeout)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        let fate = self.fate.clone();
        fate.meet(|| self.inner().release())
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let fate = self.fate.clone();
        fate.meet(|| self.inner().commit(offsets))
    }

    fn generation(&self) -> Result<Generation, BrokerError> {
        self.fate.meet(|| self.inner.as_ref().unwrap().generation())
    }

    /// The dead do not leave.
    fn leave(mut self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.fate.alive()?;
        self.inner.take().unwrap().leave(timeout)
    }
}

impl PartitionReader for DoomedReader {
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        self.fate.alive()?;
        self.inner.poll(max, into)
    }

    fn position(&self) -> Offset {
        self.inner.position()
    }

    fn known_end(&self) -> Option<Offset> {
        self.inner.known_end()
    }
}

impl Producer for DoomedProducer {
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        let (inner, mut failure) = (&mut self.inner, None);
        let again = record.clone();
        let met = self.fate.meet(|| {
            failure = inner.send(record).err();
            Ok(())
        });
        match (failure, met) {
            (Some(failure), Ok(())) => Err(failure),
            (_, Err(error)) => Err(DeliveryFailure { record: again, error }),
            (None, Ok(())) => Ok(()),
        }
    }

    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        let inner = &mut self.inner;
        self.fate.meet(|| inner.flush(timeout))
    }
}

impl TransactionalProducer for DoomedProducer {
    fn begin(&mut self) -> Result<(), BrokerError> {
        let inner = &mut self.inner;
        self.fate.meet(|| inner.begin())
    }

    fn send_offsets(
        &mut self,
        generation: &Generation,
        offsets: &[OffsetCommit],
        timeout: Duration,
    ) -> Result<(), BrokerError> {
        let inner = &mut self.inner;
        self.fate.meet(|| inner.send_offsets(generation, offsets, timeout))
    }

    fn commit(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        let inner = &mut self.inner;
        self.fate.meet(|| inner.commit(timeout))
    }

    fn abort(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        let inner = &mut self.inner;
        self.fate.meet(|| inner.abort(timeout))
    }
}
