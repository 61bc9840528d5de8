//! Transactions of one transactional id.

use std::fmt;
use std::time::{Duration, Instant};

use nowfold_core::record::OutputRecord;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure, Producer, TransactionalProducer, TransactionalSpec};
use nowfold_runtime::membership::{Generation, OffsetCommit};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::broker::Kafka;
use crate::client;
use crate::committer;
use crate::error;
use crate::producer::KafkaProducer;

/// The least that librdkafka takes for `transaction.timeout.ms`.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);

/// A producer of transactions.
pub(crate) struct KafkaTransactions {
    producer: KafkaProducer,
    id: String,
    open: bool,
}

impl KafkaTransactions {
    /// Opens the producer, and waits until the broker has ended what an older one of the same id had open.
    pub(crate) fn open(kafka: Kafka, spec: &TransactionalSpec) -> Result<Self, BrokerError> {
        let timeout = client::millis(spec.timeout.max(LEAST_TIMEOUT));
        let settings = [
            ("transactional.id", spec.id.clone()),
            ("transaction.timeout.ms", timeout.clone()),
            // A record that is under way for longer than its transaction can only be aborted.
            ("delivery.timeout.ms", timeout),
        ];
        let limit = kafka.config().request_timeout;
        let producer = KafkaProducer::open_with(kafka, &settings)?;
        let transactions = Self { producer, id: spec.id.clone(), open: false };
        transactions.init(limit)?;
        Ok(transactions)
    }

    fn init(&self, limit: Duration) -> Result<(), BrokerError> {
        let start = Instant::now();
        loop {
            let left = limit.saturating_sub(start.elapsed());
            let Err(error) = self.producer.client().init_transactions(client::timeout(left)) else { return Ok(()) };
            let error = self.explain("open", None, &error);
            if !error.is_retriable() || left.is_zero() {
                return Err(error);
            }
        }
    }

    /// What an error means. librdkafka says whether it is fatal, whether the transaction is spoiled, and whether the same
    /// call may succeed later.
    fn explain(&self, what: &str, group: Option<&str>, error: &KafkaError) -> BrokerError {
        let (id, cause) = (self.id.clone(), error.to_string());
        let operation = format!("{what} transactions of producer {id:?}");
        let code = error::code(error).unwrap_or(Code::Unknown);
        match (error, group) {
            (_, Some(group)) if is_of_the_group(code) => BrokerError::Fenced { group: group.to_owned(), cause },
            _ if is_denied(code) => BrokerError::Fatal { operation, cause },
            _ if is_of_the_producer(code) => BrokerError::ProducerFenced { id, cause },
            (KafkaError::Transaction(inner), _) if inner.is_fatal() => BrokerError::ProducerFenced { id, cause },
            (KafkaError::Transaction(inner), _) if inner.txn_requires_abort() => BrokerError::MustAbort { id, cause },
            (KafkaError::Transaction(inner), _) if inner.is_retriable() => {
                BrokerError::Unavailable { operation, cause }
            }
            _ => error::failed(operation, error),
        }
    }

    /// Waits until nothing is in flight, and forgets failures: they are in the transaction's outcome.
    fn settle(&mut self, what: &str, timeout: Duration) -> Result<(), BrokerError> {
        self.producer.flush(timeout).map(drop).map_err(|error| match error {
            BrokerError::Unavailable { cause, .. } => {
                BrokerError::Unavailable { operation: format!("{what} a transaction of producer {:?}", self.id), cause }
            }
            other => other,
        })
    }
}

/// A member's generation is over.
fn is_of_the_group(code: Code) -> bool {
    error::is_fenced(code) && code != Code::Fenced || code == Code::StaleMemberEpoch
}

/// Another producer has the id, or the coordinator has given this one up.
fn is_of_the_producer(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::InvalidTransactionalState
            | Code::ProducerFenced
    )
}

fn is_denied(code: Code) -> bool {
    matches!(code, Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed)
}

impl Producer for KafkaTransactions {
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        self.producer.send(record)
    }

    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        self.producer.flush(timeout)
    }
}

impl TransactionalProducer for KafkaTransactions {
    fn begin(&mut self) -> Result<(), BrokerError> {
        let begun = self.producer.client().begin_transaction();
        begun.map_err(|error| self.explain("begin", None, &error))?;
        self.open = true;
        Ok(())
    }

    fn send_offsets(
        &mut self,
        generation: &Generation,
        offsets: &[OffsetCommit],
        timeout: Duration,
    ) -> Result<(), BrokerError> {
        let Some(metadata) = generation.token::<ConsumerGroupMetadata>() else {
            let operation = format!("add offsets to a transaction of producer {:?}", self.id);
            return Err(BrokerError::Fatal { operation, cause: "the generation is not of Kafka".into() });
        };
        let list = committer::list(offsets)?;
        let sent = self.producer.client().send_offsets_to_transaction(&list, metadata, client::timeout(timeout));
        sent.map_err(|error| self.explain("add offsets to", Some(generation.group()), &error))
    }

    /// Waits until nothing is in flight before it asks the client, whose own waiting goes in steps of 100 ms.
    fn commit(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        let start = Instant::now();
        self.settle("commit", timeout)?;
        let left = timeout.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        let committed = self.producer.client().commit_transaction(client::timeout(left));
        committed.map_err(|error| self.explain("commit", None, &error))?;
        self.open = false;
        Ok(())
    }

    fn abort(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        if !self.open {
            return Ok(());
        }
        let start = Instant::now();
        self.settle("abort", timeout)?;
        let left = timeout.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        let aborted = self.producer.client().abort_transaction(client::timeout(left));
        aborted.map_err(|error| self.explain("abort", None, &error))?;
        self.open = false;
        Ok(())
    }
}

impl fmt::Debug for KafkaTransactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaTransactions").field("id", &self.id).field("open", &self.open).finish_non_exhaustive()
    }
}
