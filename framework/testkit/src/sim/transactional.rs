//! A producer of transactions over a network that fails.

use std::time::Duration;

use nowfold_core::record::OutputRecord;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure, Producer, TransactionalProducer, TransactionalSpec};
use nowfold_runtime::membership::{Generation, OffsetCommit};

use super::broker::{Link, unavailable};
use super::queue::Queue;

/// The transactional producer of a simulated process.
#[derive(Debug)]
pub(crate) struct SimTransactions {
    link: Link,
    inner: Box<dyn TransactionalProducer>,
    queue: Queue,
    id: String,
    /// Why the open transaction can only be aborted.
    spoiled: Option<String>,
    /// The transaction was committed, and the answer lost.
    unanswered: bool,
}

impl SimTransactions {
    pub(crate) fn new(link: Link, inner: Box<dyn TransactionalProducer>, spec: &TransactionalSpec) -> Self {
        Self { link, inner, queue: Queue::default(), id: spec.id.clone(), spoiled: None, unanswered: false }
    }

    fn deliver(&mut self, most: usize) {
        let n_failures = self.queue.failures.len();
        let inner = &mut self.inner;
        self.queue.deliver(&self.link, most, &mut |record| inner.send(record).err());
        if let Some(failure) = self.queue.failures.get(n_failures) {
            self.spoiled.get_or_insert_with(|| failure.error.to_string());
        }
    }

    fn must_not_be_spoiled(&self) -> Result<(), BrokerError> {
        let must_abort = |cause: &String| BrokerError::MustAbort { id: self.id.clone(), cause: cause.clone() };
        self.spoiled.as_ref().map_or(Ok(()), |cause| Err(must_abort(cause)))
    }
}

impl Producer for SimTransactions {
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        if self.queue.is_full() {
            if !self.link.reaches("make room").unwrap_or(false) {
                return Err(DeliveryFailure { record, error: unavailable("queue a record", "the queue is full") });
            }
            self.deliver(8);
        }
        self.queue.push(&self.link, record)?;
        if self.link.world.one_in(3) && self.link.reaches("send in the background").unwrap_or(false) {
            let most = usize::try_from(self.link.world.below(4)).unwrap_or(0);
            self.deliver(most);
        }
        Ok(())
    }

    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        let give_up = self.link.world.elapsed() + timeout;
        while !self.link.reaches("flush a transaction")? {
            if self.link.world.elapsed() >= give_up {
                return Err(unavailable("flush", "records are still on their way"));
            }
            self.link.world.sleep(Duration::from_millis(20));
        }
        while !self.queue.is_empty() {
            self.deliver(8);
            if !self.queue.is_empty() && !self.link.reaches("flush more of a transaction")? {
                self.link.world.sleep(Duration::from_millis(5));
            }
        }
        Ok(std::mem::take(&mut self.queue.failures))
    }
}

impl TransactionalProducer for SimTransactions {
    fn begin(&mut self) -> Result<(), BrokerError> {
        (self.spoiled, self.unanswered) = (None, false);
        self.inner.begin()
    }

    fn send_offsets(
        &mut self,
        generation: &Generation,
        offsets: &[OffsetCommit],
        timeout: Duration,
    ) -> Result<(), BrokerError> {
        let (link, inner) = (&self.link, &mut self.inner);
        let sent = link.call("add offsets to a transaction", |_| inner.send_offsets(generation, offsets, timeout));
        if let Err(error) = &sent {
            self.spoiled.get_or_insert_with(|| error.to_string());
        }
        sent
    }

    /// As Kafka's client does, it first sends what it still holds.
    fn commit(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        if std::mem::take(&mut self.unanswered) {
            return Ok(());
        }
        self.deliver(usize::MAX);
        self.must_not_be_spoiled()?;
        let (link, inner) = (&self.link, &mut self.inner);
        let mut is_done = false;
        let answer = link.call("commit a transaction", |_| {
            inner.commit(timeout)?;
            is_done = true;
            Ok(())
        });
        self.unanswered = is_done && answer.is_err();
        answer
    }

    fn abort(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        self.queue.clear();
        let (link, inner) = (&self.link, &mut self.inner);
        link.call("abort a transaction", |_| inner.abort(timeout))?;
        self.spoiled = None;
        Ok(())
    }
}
