//! The port to a log: what the runtime needs from Kafka, or from anything that behaves like it.
//!
//! Adapters implement [`Broker`], [`PartitionReader`] and [`Producer`]; `framework/embedded` and `framework/kafka` pass
//! the same contract suite (`tests/`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::record::{LogRecord, OutputRecord};
use nowfold_core::time::Timestamp;

use super::membership::{Generation, OffsetCommit};

/// Why a broker operation failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The topic does not exist.
    #[error("topic {topic:?} does not exist on {broker}; create it, or let the producer's owner create it")]
    UnknownTopic {
        /// The topic.
        topic: TopicName,
        /// The broker asked.
        broker: String,
    },
    /// The wanted offset is not in the log any more, or not yet.
    #[error("offset {offset} of {partition} is out of range: the log holds {low}..{high}")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The wanted offset.
        offset: Offset,
        /// The log's first offset.
        low: Offset,
        /// One past the log's last offset.
        high: Offset,
    },
    /// This member's generation is over: its tasks belong to others now. Drop uncommitted work and rejoin.
    #[error("this process was fenced from group {group:?}: {cause}")]
    Fenced {
        /// The group.
        group: String,
        /// What the broker said.
        cause: String,
    },
    /// A newer producer has this one's transactional id, or its transaction took longer than it may: nothing that it has
    /// not committed will ever be read. Drop it and open another.
    #[error("producer {id:?} was fenced: {cause}")]
    ProducerFenced {
        /// The transactional id.
        id: String,
        /// What the broker said.
        cause: String,
    },
    /// The open transaction can only be aborted.
    #[error("the transaction of producer {id:?} must be aborted: {cause}")]
    MustAbort {
        /// The transactional id.
        id: String,
        /// Why.
        cause: String,
    },
    /// A record was refused for good (too large, invalid).
    #[error("record for {topic:?} was refused: {cause}")]
    Refused {
        /// The topic.
        topic: TopicName,
        /// What the broker said.
        cause: String,
    },
    /// The broker did not answer in time or the connection broke; trying again may help.
    #[error("{operation}: {cause}")]
    Unavailable {
        /// What was tried.
        operation: String,
        /// What went wrong.
        cause: String,
    },
    /// Anything else, not worth a retry.
    #[error("{operation}: {cause}")]
    Fatal {
        /// What was tried.
        operation: String,
        /// What went wrong.
        cause: String,
    },
}

impl BrokerError {
    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: TopicName,
    /// Number of partitions; `None`: the broker's default.
    pub partitions: Option<i32>,
    /// Topic configuration under Kafka's names, such as `cleanup.policy`.
    pub config: BTreeMap<String, String>,
}

/// A topic as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: TopicName,
    /// Number of partitions.
    pub partitions: i32,
    /// Effective configuration under Kafka's names (`cleanup.policy`, `retention.ms`, `message.timestamp.type`, ...).
    pub config: BTreeMap<String, String>,
}

/// First offset in the log, and one past the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The log's first offset; above 0 once retention has dropped records.
    pub low: Offset,
    /// One past the last readable record.
    pub high: Offset,
}

/// A committed position of a group: the next offset to process, with a short text beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to process.
    pub offset: Offset,
    /// The text stored with it (at most 4,096 bytes on Kafka).
    pub metadata: String,
}

/// Called when a reader that returned nothing has records again. May be called from any thread, also needlessly.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A log of topics: Kafka, or the embedded log.
pub trait Broker: Send + Sync + fmt::Debug {
    /// One phrase for people: `Kafka at 127.0.0.1:9092`, `embedded log`.
    fn describe(&self) -> String;

    /// What tells this log from every other, and stays the same while the log lives, such as the id of a Kafka cluster:
    /// what a process keeps on its disk is of one log. Empty, the default, where the log has no such name.
    ///
    /// # Errors
    /// When the broker does not answer.
    fn log_id(&self) -> Result<String, BrokerError> {
        Ok(String::new())
    }

    /// Topics by name; a missing one is `None`, in the order asked.
    ///
    /// # Errors
    /// When the broker does not answer within `timeout`.
    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError>;

    /// Creates a topic and returns once it can be written and read. An existing topic of that name is left alone: Ok.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError>;

    /// Deletes records: each partition's log begins at its offset from then on, and keeps what stands there. An offset
    /// before the log's start changes nothing. Positions before a log's start are then out of range for readers.
    ///
    /// # Errors
    /// When an offset lies beyond the end of its log, a partition does not exist or the broker does not answer; others of
    /// the call may have been carried out. The default, for a log that cannot: always.
    fn delete_records(&self, _before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        let operation = format!("delete records on {}", self.describe());
        Err(BrokerError::Fatal { operation, cause: "it cannot delete single records".to_owned() })
    }

    /// First offset and end of a partition.
    ///
    /// # Errors
    /// When the partition does not exist or the broker does not answer.
    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError>;

    /// The group's committed positions, in the order asked; `None` where there is none.
    ///
    /// # Errors
    /// When the broker does not answer.
    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError>;

    /// Opens a reader at `offset`. `waker` is called when a reader that was found empty has records.
    ///
    /// # Errors
    /// [`BrokerError::UnknownTopic`]. An offset that is out of range is reported by the first [`PartitionReader::poll`].
    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError>;

    /// Opens a producer. Its records keep their order within a partition; none is lost or doubled by its own retries.
    ///
    /// # Errors
    /// When the client cannot be created.
    fn producer(&self) -> Result<Box<dyn Producer>, BrokerError>;

    /// Opens a producer of transactions. An older producer of the same id is fenced, and what it has not committed is
    /// aborted, before this returns: so the outcome of a commit that got no answer is decided by then.
    ///
    /// # Errors
    /// When the client cannot be created or the broker does not answer; the default, for a log without transactions.
    fn transactional_producer(&self, _spec: &TransactionalSpec) -> Result<Box<dyn TransactionalProducer>, BrokerError> {
        Err(no_transactions(&self.describe()))
    }

    /// One past the last record of a partition, those of open transactions included: [`Watermarks::high`] reaches it
    /// when they have ended.
    ///
    /// # Errors
    /// As [`Self::watermarks`].
    fn log_end(&self, partition: &TopicPartition) -> Result<Offset, BrokerError> {
        self.watermarks(partition).map(|log| log.high)
    }

    /// Joins `group`, subscribed to `topics`.
    ///
    /// # Errors
    /// When the client cannot be created.
    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn super::membership::Membership>, BrokerError>;
}

/// Reads one partition from an explicit position. Dropping it stops the fetching.
pub trait PartitionReader: Send + fmt::Debug {
    /// Appends up to `max` records to `into`, in offset order, and returns how many. Never waits: 0 means "none here yet",
    /// and the waker will be called when that changes.
    ///
    /// # Errors
    /// [`BrokerError::OffsetOutOfRange`] when the log no longer holds the position.
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError>;

    /// The next offset that `poll` can return, past control records and compacted gaps once they are known.
    fn position(&self) -> Offset;

    /// The newest end of the log that the fetching has heard of, without asking the broker; `None` before it knows.
    fn known_end(&self) -> Option<Offset>;

    /// How long ago [`known_end`](Self::known_end) was last known to be true: how long nothing has been heard of the
    /// broker. Always 0 for a log that cannot be out of reach, which is the default.
    fn known_age(&self) -> Duration {
        Duration::ZERO
    }
}

/// A record that was not stored, and why.
#[derive(Debug)]
pub struct DeliveryFailure {
    /// The record.
    pub record: OutputRecord,
    /// Why.
    pub error: BrokerError,
}

/// Appends records. Not shared between threads.
pub trait Producer: Send + fmt::Debug {
    /// Queues a record; waits only while the local queue is full.
    ///
    /// # Errors
    /// When the record can never be sent (unknown topic, too large) or the queue stays full.
    #[expect(clippy::result_large_err, reason = "the record comes back to its sender; refusals are rare")]
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure>;

    /// Waits until every queued record is stored, and returns those that were not.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when records are still in flight after `timeout`.
    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError>;
}

/// Who opens transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionalSpec {
    /// The transactional id: one producer at a time has it.
    pub id: String,
    /// How long a transaction may be open before the broker aborts it.
    pub timeout: Duration,
}

/// A producer whose records and offsets become readable together, or not at all.
///
/// ```text
///   idle ── begin ─▶ open ── send*, flush, send_offsets ──▶ open ── commit ─▶ idle
///                     └────────────────── abort ─────────────────▶ idle
/// ```
///
/// Records are sent in an open transaction only. A record that could not be stored spoils its transaction:
/// [`commit`](Self::commit) then says [`BrokerError::MustAbort`]. Dropping the producer ends nothing: the broker aborts
/// the transaction when its time is over, or when the id is opened again.
pub trait TransactionalProducer: Producer {
    /// Opens a transaction.
    ///
    /// # Errors
    /// [`BrokerError::ProducerFenced`]; [`BrokerError::Fatal`] when one is open already.
    fn begin(&mut self) -> Result<(), BrokerError>;

    /// Makes offsets part of the open transaction, under a member's generation that was taken just before.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] when that generation is over. After any error the transaction is to be aborted.
    fn send_offsets(
        &mut self,
        generation: &Generation,
        offsets: &[OffsetCommit],
        timeout: Duration,
    ) -> Result<(), BrokerError>;

    /// Commits. Waits until the outcome is known.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`]: the outcome is not known; the same call may bring it, and opening the id anew decides
    /// it. [`BrokerError::MustAbort`]: nothing is committed, call [`abort`](Self::abort).
    /// [`BrokerError::ProducerFenced`]: nothing is committed.
    fn commit(&mut self, timeout: Duration) -> Result<(), BrokerError>;

    /// Aborts: nothing of the transaction is ever read. Without an open transaction nothing happens.
    ///
    /// # Errors
    /// When the broker does not answer in time, or the producer was fenced: drop it, and open its id anew.
    fn abort(&mut self, timeout: Duration) -> Result<(), BrokerError>;
}

fn no_transactions(broker: &str) -> BrokerError {
    BrokerError::Fatal {
        operation: format!("open a transactional producer on {broker}"),
        cause: "it has no transactions".into(),
    }
}

/// When a record was appended, as far as its topic says: the record's timestamp under `LogAppendTime`, else `None`.
pub fn append_time(record: &LogRecord) -> Option<Timestamp> {
    (record.timestamp_type == nowfold_core::record::TimestampType::LogAppendTime).then_some(record.timestamp)
}
