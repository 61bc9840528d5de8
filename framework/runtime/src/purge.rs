//! Purging of repartition topics: what has been processed there is of no use to anybody.
//!
//! A worker says after its commits how far the repartition topics of its tasks are done with; a thread of its own tells the
//! broker, so that no worker waits for the answer. Topics of others are never purged, nor are those of
//! [`through`](nowfold_core::dsl::KStream::through).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, TopicPartition};

use super::broker::Broker;
use super::host;
use super::mailbox::{Receiver, Sender};
use super::pace::Throttle;
use super::runner::Runner;

/// How far partitions are done with: their records before these offsets.
pub(crate) type Done = Vec<(TopicPartition, Offset)>;

/// A worker's side: what it has asked for, and when it may ask again.
#[derive(Debug)]
pub(crate) struct Purge {
    interval: Option<Duration>,
    last: Instant,
    asked: BTreeMap<TopicPartition, Offset>,
    purger: Sender<Done>,
}

impl Purge {
    /// Purges at most once per `interval`; never without one.
    pub(crate) fn new(interval: Option<Duration>, purger: Sender<Done>) -> Self {
        Self { interval, last: host::now(), asked: BTreeMap::new(), purger }
    }

    /// The offsets of these tasks have just been committed.
    pub(crate) fn committed(&mut self, runners: &[Runner]) {
        if self.interval.is_none_or(|interval| host::since(self.last) < interval) {
            return;
        }
        self.last = host::now();
        let done = runners.iter().flat_map(Runner::done_with);
        let news = |(at, offset): &(TopicPartition, Offset)| self.asked.get(at).is_none_or(|asked| asked < offset);
        let done: Done = done.filter(news).collect();
        if done.is_empty() {
            return;
        }
        self.asked.extend(done.iter().cloned());
        let _ = self.purger.send(done);
    }
}

/// The body of the thread that tells the broker. It ends with the last worker.
pub(crate) fn purge(broker: &Arc<dyn Broker>, wanted: &Receiver<Done>) {
    let mut said = Throttle::new(Duration::from_secs(600));
    while let Ok(done) = wanted.recv() {
        match broker.delete_records(&done) {
            Ok(()) => tracing::debug!(partitions = done.len(), "repartition topics are purged"),
            Err(error) if said.is_due() => {
                tracing::warn!(%error, "repartition topics are not purged; their next commits try again");
            }
            Err(_) => {}
        }
    }
}
