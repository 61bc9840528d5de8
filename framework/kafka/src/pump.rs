//! Serving a client's event queue (logs, errors, statistics, rebalances) without busy waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;

/// Wakes one waiting thread; a ring before the wait counts.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rung.lock() = true;
        self.changed.notify_one();
    }

    /// Waits for a ring, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) {
        let until = Instant::now() + timeout;
        let mut rung = self.rung.lock();
        while !*rung && !self.changed.wait_until(&mut rung, until).timed_out() {}
        *rung = false;
    }
}

/// Counts the events that a client's context has been given.
#[derive(Debug, Default)]
pub(crate) struct Served(AtomicU64);

impl Served {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A context whose events are counted.
pub(crate) trait Counted {
    fn served(&self) -> &Served;
}

/// Makes `bell` ring whenever the consumer's queue gets something to serve, and now: it may have got something already.
pub(crate) fn ring_on_events<C: ConsumerContext>(consumer: &mut BaseConsumer<C>, bell: &Arc<Bell>) {
    let ringing = Arc::clone(bell);
    consumer.set_nonempty_callback(move || ringing.ring());
    bell.ring();
}

/// Serves all that waits in the consumer's queue.
///
/// A poll that returns nothing may have served an event (rdkafka does not tell), and the queue's callback comes only
/// when an empty queue fills: so poll until neither a message nor an event came.
pub(crate) fn drain<C: ConsumerContext + Counted>(consumer: &BaseConsumer<C>, mut on_error: impl FnMut(KafkaError)) {
    loop {
        let before = consumer.context().served().seen();
        match consumer.poll(Duration::ZERO) {
            Some(Err(error)) => on_error(error),
            Some(Ok(_)) => tracing::error!(target: "nowfold_kafka", "a record arrived outside every reader"),
            None if consumer.context().served().seen() == before => return,
            None => {}
        }
    }
}
