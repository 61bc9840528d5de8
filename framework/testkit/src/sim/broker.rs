//! The broker as a simulated process sees it: the embedded log behind a network that fails, and a process that dies.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::{
    Broker, BrokerError, Committed, PartitionReader, Producer, TopicInfo, TopicSpec, TransactionalProducer,
    TransactionalSpec, Waker, Watermarks,
};
use nowfold_runtime::membership::Membership;

use super::membership::SimMember;
use super::process::Fate;
use super::producer::SimProducer;
use super::transactional::SimTransactions;
use super::world::World;

/// How long a caller waits for a broker that is away before it gives up.
const GIVES_UP: Duration = Duration::from_millis(200);

/// The way of one process to the log.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) world: Arc<World>,
    pub(crate) log: EmbeddedLog,
    pub(crate) process: usize,
}

impl Link {
    /// Does something at the broker, as far as the call gets there, and hands back the answer, as far as that arrives.
    pub(crate) fn call<T>(
        &self,
        what: &str,
        effect: impl FnOnce(&EmbeddedLog) -> Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        let fate = self.world.call(what);
        let answer = match fate {
            Fate::Dead => return Err(dead(what)),
            Fate::RequestLost => return Err(unavailable(what, "the request was lost")),
            Fate::Away => {
                self.world.sleep(GIVES_UP);
                return Err(unavailable(what, "the broker is away"));
            }
            Fate::Done | Fate::Late(_) | Fate::AnswerLost => effect(&self.log),
        };
        self.world.yield_now();
        match answer {
            Ok(_) if fate == Fate::AnswerLost => Err(unavailable(what, "the answer was lost")),
            answer => answer,
        }
    }

    /// Whether something that is repeated until it works, such as a fetch, works this time.
    pub(crate) fn reaches(&self, what: &str) -> Result<bool, BrokerError> {
        match self.world.call(what) {
            Fate::Dead => Err(dead(what)),
            Fate::Done | Fate::Late(_) => Ok(true),
            Fate::RequestLost | Fate::AnswerLost | Fate::Away => Ok(false),
        }
    }

    /// Whether the process is dead.
    pub(crate) fn is_dead(&self) -> bool {
        self.world.with(|inner| inner.is_dead(self.process))
    }

    pub(crate) fn fault(&self, wanted: impl Fn(&super::Faults) -> u64) -> bool {
        let n = self.world.with(|inner| inner.processes.get(self.process).map_or(0, |it| wanted(&it.faults)));
        self.world.one_in(n)
    }
}

pub(crate) fn unavailable(what: &str, cause: &str) -> BrokerError {
    BrokerError::Unavailable { operation: what.to_owned(), cause: cause.to_owned() }
}

pub(crate) fn dead(what: &str) -> BrokerError {
    BrokerError::Fatal { operation: what.to_owned(), cause: "this process is dead".to_owned() }
}

impl Broker for Link {
    fn describe(&self) -> String {
        "the simulated broker".to_owned()
    }

    fn log_id(&self) -> Result<String, BrokerError> {
        self.call("the name of the log", Broker::log_id)
    }

    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        self.call("topics", |log| log.topics(names, timeout))
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        self.call("create a topic", |log| log.create_topic(spec))
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        self.call("delete records", |log| log.delete_records(before))
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.call("watermarks", |log| log.watermarks(partition))
    }

    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.call("the end of a log", |log| log.log_end(partition))
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.call("committed offsets", |log| log.committed(group, partitions))
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        let inner = self.call("open a reader", |log| log.reader(partition, offset, waker))?;
        Ok(Box::new(SimReader { link: self.clone(), inner, known: None }))
    }

    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError> {
        let inner = self.call("open a producer", Broker::producer)?;
        Ok(Box::new(SimProducer::new(self.clone(), inner)))
    }

    fn transactional_producer(&self, spec: &TransactionalSpec) -> Result<Box<dyn TransactionalProducer>, BrokerError> {
        let inner = self.call("open a transactional producer", |log| log.transactional_producer(spec))?;
        Ok(Box::new(SimTransactions::new(self.clone(), inner, spec)))
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        let inner = self.call("join a group", |log| log.join(group, topics))?;
        Ok(Box::new(SimMember::new(self.clone(), inner)))
    }
}

/// A reader whose fetches bring as much as they like, and nothing while the broker is away.
#[derive(Debug)]
struct SimReader {
    link: Link,
    inner: Box<dyn PartitionReader>,
    /// The end of the log as last heard, and when.
    known: Option<(Offset, Duration)>,
}

impl PartitionReader for SimReader {
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        if !self.link.reaches("fetch")? || self.link.fault(|faults| faults.empty_fetch) {
            return Ok(0);
        }
        let most = self.link.world.below(u64::try_from(max.min(64)).unwrap_or(64).max(1)) + 1;
        let n = self.inner.poll(usize::try_from(most).unwrap_or(1), into)?;
        self.known = self.inner.known_end().map(|end| (end, self.link.world.elapsed()));
        Ok(n)
    }

    fn position(&self) -> Offset {
        self.inner.position()
    }

    fn known_end(&self) -> Option<Offset> {
        self.known.map(|(end, _)| end)
    }

    fn known_age(&self) -> Duration {
        self.known.map_or(Duration::ZERO, |(_, at)| self.link.world.elapsed().saturating_sub(at))
    }
}
