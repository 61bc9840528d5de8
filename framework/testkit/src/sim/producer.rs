//! A producer with a queue, as Kafka's client has one.

use std::time::Duration;

use nowfold_core::record::OutputRecord;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure, Producer};

use super::broker::{Link, unavailable};
use super::queue::Queue;

/// The producer of a simulated process. What it holds when the process dies was never sent.
#[derive(Debug)]
pub(crate) struct SimProducer {
    link: Link,
    inner: Box<dyn Producer>,
    queue: Queue,
}

impl SimProducer {
    pub(crate) fn new(link: Link, inner: Box<dyn Producer>) -> Self {
        Self { link, inner, queue: Queue::default() }
    }

    fn deliver(&mut self, most: usize) -> Result<(), BrokerError> {
        let inner = &mut self.inner;
        self.queue.deliver(&self.link, most, &mut |record| inner.send(record).err());
        let failures = inner.flush(Duration::ZERO)?;
        self.queue.failures.extend(failures);
        Ok(())
    }
}

impl Producer for SimProducer {
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        if self.queue.is_full() {
            if !self.link.reaches("make room").unwrap_or(false) {
                return Err(DeliveryFailure { record, error: unavailable("queue a record", "the queue is full") });
            }
            if let Err(error) = self.deliver(8) {
                return Err(DeliveryFailure { record, error });
            }
        }
        self.queue.push(&self.link, record)?;
        // The client sends in the background.
        if self.link.world.one_in(3) && self.link.reaches("send in the background").unwrap_or(false) {
            let most = usize::try_from(self.link.world.below(4)).unwrap_or(0);
            if let Err(error) = self.deliver(most) {
                tracing::debug!(%error, "in the background");
            }
        }
        Ok(())
    }

    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        let give_up = self.link.world.elapsed() + timeout;
        while !self.link.reaches("flush")? {
            if self.link.world.elapsed() >= give_up {
                return Err(unavailable("flush", "records are still on their way"));
            }
            self.link.world.sleep(Duration::from_millis(20));
        }
        while !self.queue.is_empty() {
            self.deliver(8)?;
            // The next batch may never get there.
            if !self.queue.is_empty() && !self.link.reaches("flush more")? {
                self.link.world.sleep(Duration::from_millis(5));
            }
        }
        Ok(std::mem::take(&mut self.queue.failures))
    }
}
