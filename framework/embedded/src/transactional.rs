//! The port [`TransactionalProducer`].

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::record::OutputRecord;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure, Producer, TransactionalProducer, TransactionalSpec};
use nowfold_runtime::membership::{Generation, OffsetCommit};

use crate::error::unavailable;
use crate::group::MemberGeneration;
use crate::log::Inner;
use crate::producer::LogProducer;
use crate::transactions::Session;

/// A producer of transactions. A session may pass to another one; then this one is fenced.
#[derive(Debug)]
pub(crate) struct LogTransactions {
    log: Arc<Inner>,
    producer: LogProducer,
    session: Arc<Session>,
    spec: TransactionalSpec,
    epoch: u64,
    /// A commit was done and its answer lost: asked again, it succeeds.
    unanswered: bool,
}

impl LogTransactions {
    pub(crate) fn open(log: Arc<Inner>, spec: &TransactionalSpec) -> Result<Self, BrokerError> {
        if log.topics.is_durable() {
            return Err(BrokerError::Fatal {
                operation: format!("open transactional producer {:?} on {}", spec.id, log.name),
                cause: "a log with a data directory has no transactions: use one in memory, or Kafka".into(),
            });
        }
        let producer = LogProducer::new(Arc::clone(&log));
        let (session, epoch) = log.transactions.open(&spec.id, producer.number(), &log.groups.context);
        let producer = producer.within(session.key());
        Ok(Self { log, producer, session, spec: spec.clone(), epoch, unanswered: false })
    }
}

impl Producer for LogTransactions {
    fn send(&mut self, mut record: OutputRecord) -> Result<(), DeliveryFailure> {
        let producer = &mut self.producer;
        let sent = self.session.within(self.epoch, &self.log.groups.context, |open| {
            let partition = producer.choose(&record)?;
            open.join(&partition);
            let appended = producer.append_to(&partition, &mut record);
            if let Err(error) = &appended
                && error.is_retriable()
            {
                open.spoil(error);
            }
            appended
        });
        match sent {
            Ok(()) => Ok(()),
            Err(error) if error.is_retriable() => {
                self.producer.fail_later(DeliveryFailure { record, error });
                Ok(())
            }
            Err(error) => Err(DeliveryFailure { record, error }),
        }
    }

    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        self.producer.flush(timeout)
    }
}

impl TransactionalProducer for LogTransactions {
    fn begin(&mut self) -> Result<(), BrokerError> {
        self.unanswered = false;
        self.session.begin(self.epoch, &self.spec, self.log.clock.now())
    }

    fn send_offsets(
        &mut self,
        generation: &Generation,
        offsets: &[OffsetCommit],
        _timeout: Duration,
    ) -> Result<(), BrokerError> {
        let context = &self.log.groups.context;
        let operation = || format!("add offsets to a transaction of {:?}", self.spec.id);
        let Some(member) = generation.token::<MemberGeneration>() else {
            let cause = "the generation is not of this log".into();
            return Err(BrokerError::Fatal { operation: operation(), cause });
        };
        self.session.within(self.epoch, context, |open| {
            let added = member.check(offsets, context).and_then(|()| self.log.faults.commit());
            match added {
                Ok(()) => open.add_offsets(generation.group(), offsets, context),
                Err(ref error) => open.spoil(error),
            }
            added
        })
    }

    fn commit(&mut self, _timeout: Duration) -> Result<(), BrokerError> {
        if std::mem::take(&mut self.unanswered) {
            return Ok(());
        }
        self.session.commit(self.epoch, &self.log.groups.context)?;
        self.producer.forget_failures();
        self.unanswered = self.log.faults.loses_answer();
        if self.unanswered {
            return Err(unavailable(format!("committing a transaction of {:?}", self.spec.id), "the answer was lost"));
        }
        Ok(())
    }

    fn abort(&mut self, _timeout: Duration) -> Result<(), BrokerError> {
        self.producer.forget_failures();
        self.session.abort(self.epoch, &self.log.groups.context)
    }
}
