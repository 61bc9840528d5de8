//! How a worker's records reach the broker: one by one, or in transactions.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::record::OutputRecord;

use super::broker::{Broker, BrokerError, DeliveryFailure, Producer, TransactionalProducer, TransactionalSpec};
use super::host;
use super::membership::{Generation, OffsetCommit};

/// A worker's way to the broker.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Records are stored as they come: at-least-once.
    Plain(Box<dyn Producer>),
    /// Records are part of the open transaction: exactly-once.
    Transactions(Transactor),
}

/// One transactional id, and the transaction that is open under it.
#[derive(Debug)]
pub(crate) struct Transactor {
    broker: Arc<dyn Broker>,
    spec: TransactionalSpec,
    /// `None` after a failure that ended it: the id is opened anew, which decides what was open.
    producer: Option<Box<dyn TransactionalProducer>>,
    is_open: bool,
    /// Why the open transaction can only be aborted.
    spoiled: Option<String>,
}

impl Channel {
    /// Queues a record.
    #[expect(clippy::result_large_err, reason = "the record comes back to its sender; refusals are rare")]
    pub(crate) fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        match self {
            Self::Plain(producer) => producer.send(record),
            Self::Transactions(transactor) => match transactor.begun() {
                Ok(producer) => producer.send(record),
                Err(error) => Err(DeliveryFailure { record, error }),
            },
        }
    }

    /// Waits until all is stored; what failed comes back.
    pub(crate) fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        match self {
            Self::Plain(producer) => producer.flush(timeout),
            Self::Transactions(transactor) => {
                transactor.producer.as_mut().map_or_else(|| Ok(Vec::new()), |producer| producer.flush(timeout))
            }
        }
    }

    pub(crate) fn transactor(&mut self) -> Option<&mut Transactor> {
        match self {
            Self::Plain(_) => None,
            Self::Transactions(transactor) => Some(transactor),
        }
    }
}

impl Transactor {
    /// Opens the id.
    pub(crate) fn open(broker: Arc<dyn Broker>, spec: TransactionalSpec) -> Result<Self, BrokerError> {
        let producer = Some(broker.transactional_producer(&spec)?);
        Ok(Self { broker, spec, producer, is_open: false, spoiled: None })
    }

    /// The producer, with a transaction open.
    fn begun(&mut self) -> Result<&mut Box<dyn TransactionalProducer>, BrokerError> {
        let mut producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.broker.transactional_producer(&self.spec)?,
        };
        if !self.is_open {
            // A producer that cannot begin is dropped; the next try opens the id anew.
            producer.begin()?;
            self.is_open = true;
        }
        Ok(self.producer.insert(producer))
    }

    /// Whether records or offsets wait for a commit.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The transaction can only be aborted.
    pub(crate) fn spoil(&mut self, cause: impl ToString) {
        self.spoiled.get_or_insert_with(|| cause.to_string());
    }

    /// Why it can only be aborted, if so.
    pub(crate) fn spoiled(&self) -> Option<&str> {
        self.spoiled.as_deref()
    }

    /// Commits what was sent, together with the offsets that it follows from, within about `timeout`.
    ///
    /// # Errors
    /// After any error the transaction is over or to be aborted: [`abort`](Self::abort) sees to that. After
    /// [`BrokerError::Unavailable`] it may have been committed.
    pub(crate) fn commit(
        &mut self,
        generation: &Generation,
        offsets: &[OffsetCommit],
        timeout: Duration,
    ) -> Result<(), BrokerError> {
        let deadline = host::now() + timeout;
        let producer = self.begun()?;
        producer.send_offsets(generation, offsets, timeout)?;
        loop {
            let left = deadline.saturating_duration_since(host::now());
            match producer.commit(left) {
                Ok(()) => break,
                // The outcome is not known. The same call may bring it.
                Err(error) if error.is_retriable() && !left.is_zero() => {}
                Err(error) => {
                    if error.is_retriable() {
                        self.forget();
                    }
                    return Err(error);
                }
            }
        }
        self.is_open = false;
        Ok(())
    }

    /// Ends the transaction without a commit. Where the broker does not take that, the id is opened anew, now or before the
    /// next one, which ends this one; and the broker ends it when its time is over.
    ///
    /// # Errors
    /// When the broker refuses the id for good.
    pub(crate) fn abort(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        self.spoiled = None;
        if let Some(producer) = &mut self.producer
            && self.is_open
            && let Err(error) = producer.abort(timeout)
        {
            tracing::warn!(%error, "a transaction is not aborted; its producer is opened anew");
            self.forget();
        }
        self.is_open = false;
        if self.producer.is_none() {
            match self.broker.transactional_producer(&self.spec) {
                Ok(producer) => self.producer = Some(producer),
                Err(error @ BrokerError::Fatal { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "a producer of transactions is not open yet"),
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        (self.producer, self.is_open) = (None, false);
    }
}
