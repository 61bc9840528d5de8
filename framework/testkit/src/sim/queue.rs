//! Records on their way from a process to the broker: in order within a partition, in any order between partitions, and
//! gone when the process dies.

use std::collections::{BTreeMap, VecDeque};

use nowfold_core::names::{Partition, TopicName};
use nowfold_core::partition::partition_for_key;
use nowfold_core::record::OutputRecord;
use nowfold_runtime::broker::Broker as _;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure};

use super::broker::{Link, unavailable};

/// Where a record goes.
type Place = (TopicName, i32);

/// A record as it goes to its place, and the partition that its sender asked for.
#[derive(Debug)]
struct Waiting {
    record: OutputRecord,
    wanted: Option<Partition>,
}

/// The records that a producer holds.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<Place, VecDeque<Waiting>>,
    pub(crate) failures: Vec<DeliveryFailure>,
    partitions: BTreeMap<TopicName, i32>,
    next_unkeyed: i32,
}

/// Records that a producer holds at most: beyond that it takes none until some are sent.
const FULL: usize = 24;

/// Hands one record to the log; gives it back when it is not taken.
pub(crate) type Deliver<'a> = &'a mut dyn FnMut(OutputRecord) -> Option<DeliveryFailure>;

impl Queue {
    /// Takes a record, or gives it back when its topic does not exist.
    #[expect(clippy::result_large_err, reason = "the record comes back to its sender, as the port has it")]
    pub(crate) fn push(&mut self, link: &Link, mut record: OutputRecord) -> Result<(), DeliveryFailure> {
        let n = match self.count(link, &record.topic) {
            Ok(n) => n,
            Err(error) => return Err(DeliveryFailure { record, error }),
        };
        let partition = record.partition.unwrap_or_else(|| match &record.key {
            Some(key) => partition_for_key(key, n),
            None => {
                self.next_unkeyed += 1;
                self.next_unkeyed % n
            }
        });
        let wanted = record.partition.replace(partition);
        self.waiting.entry((record.topic.clone(), partition)).or_default().push_back(Waiting { record, wanted });
        Ok(())
    }

    fn count(&mut self, link: &Link, topic: &TopicName) -> Result<i32, BrokerError> {
        if let Some(n) = self.partitions.get(topic) {
            return Ok(*n);
        }
        let found = link.log.topics(std::slice::from_ref(topic), std::time::Duration::ZERO)?.pop().flatten();
        let unknown = || BrokerError::UnknownTopic { topic: topic.clone(), broker: link.describe() };
        let n = found.ok_or_else(unknown)?.partitions;
        self.partitions.insert(topic.clone(), n);
        Ok(n)
    }

    /// Whether it takes no more now.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.values().map(VecDeque::len).sum::<usize>() >= FULL
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.failures.clear();
    }

    /// Delivers up to `most` records, the first of partitions that are chosen at random.
    pub(crate) fn deliver(&mut self, link: &Link, most: usize, deliver: Deliver<'_>) {
        for _ in 0..most {
            let Some(Waiting { record, wanted }) = self.pop(link) else { return };
            let fails = link.fault(|faults| faults.record_failed);
            let sent = OutputRecord { partition: wanted, ..record.clone() };
            if fails && link.world.one_in(2) {
                self.fail(sent, "it never arrived");
            } else if let Some(failure) = deliver(record) {
                self.failures.push(failure);
            } else if fails {
                self.fail(sent, "nobody said that it was stored");
            }
        }
    }

    fn fail(&mut self, record: OutputRecord, cause: &str) {
        self.failures.push(DeliveryFailure { record, error: unavailable("store a record", cause) });
    }

    fn pop(&mut self, link: &Link) -> Option<Waiting> {
        let n = u64::try_from(self.waiting.len()).ok().filter(|n| *n > 0)?;
        let index = usize::try_from(link.world.below(n)).unwrap_or(0);
        let place = self.waiting.keys().nth(index)?.clone();
        let queue = self.waiting.get_mut(&place)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&place);
        }
        first
    }
}
