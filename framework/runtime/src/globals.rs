//! Global tables: read whole before any task runs, then kept up to date by a thread of their own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::failure::{Failure, TaskFailure, Verdict};
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_core::topology::{GlobalError, Topology};
use parking_lot::Mutex;

use super::broker::{Broker, PartitionReader};
use super::error::RuntimeError;
use super::host;
use super::pace::{Backoff, Throttle};
use super::signal::Signal;
use super::topics::Topics;

const BATCH: usize = 1_000;

/// How often loading says how far it is, and a waiting row that it waits.
const SAYING: Duration = Duration::from_secs(5);

/// The waits between two tries to read a row whose schema the registry does not give out.
const AGAIN: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// The partitions of all global tables being read.
#[derive(Debug)]
pub(crate) struct Globals {
    topology: Topology,
    readers: Vec<GlobalReader>,
    signal: Arc<Signal>,
    buffer: Vec<LogRecord>,
    waiting_said: Throttle,
    applied: Arc<Applied>,
}

/// By partition of a global table, the offset before which all rows are in the table.
pub(crate) type Applied = Mutex<BTreeMap<TopicPartition, Offset>>;

#[derive(Debug)]
struct GlobalReader {
    partition: TopicPartition,
    reader: Box<dyn PartitionReader>,
    /// Where the partition began, and the end that it had, at the start.
    from: Offset,
    until: Offset,
    /// Rows that were read and wait for a registry that does not answer.
    waiting: VecDeque<LogRecord>,
    /// When the first of them is tried again.
    retry_at: Option<Instant>,
    again: Backoff,
    /// What was last in the way.
    trouble: Option<String>,
}

impl GlobalReader {
    fn is_loading(&self) -> bool {
        self.reader.position() < self.until || !self.waiting.is_empty()
    }

    /// The offset before which all rows are in the table.
    fn applied(&self) -> Offset {
        self.waiting.front().map_or_else(|| self.reader.position(), |first| first.offset)
    }

    /// Records applied, and to apply until the table is whole.
    fn progress(&self) -> (u64, u64) {
        let count = |n: Offset| u64::try_from(n).unwrap_or(0);
        let waiting = Offset::try_from(self.waiting.len()).unwrap_or(0);
        let total = count(self.until - self.from);
        (count(self.reader.position() - self.from - waiting).min(total), total)
    }

    /// The waiting row cannot be read now.
    fn postpone(&mut self, cause: &GlobalError) {
        self.trouble = Some(cause.to_string());
        self.retry_at = Some(host::now() + self.again.next());
    }

    fn is_postponed(&self) -> bool {
        self.retry_at.is_some_and(|at| host::now() < at)
    }

    fn poll(&mut self, buffer: &mut Vec<LogRecord>) -> Result<usize, RuntimeError> {
        match self.reader.poll(BATCH, buffer) {
            Err(error) if error.is_retriable() => {
                self.trouble = Some(error.to_string());
                Ok(0)
            }
            polled => Ok(polled?),
        }
    }
}

impl Globals {
    /// Opens every partition at its start.
    pub(crate) fn open(broker: &dyn Broker, topology: &Topology, topics: &Topics) -> Result<Self, RuntimeError> {
        topology.begin_globals().map_err(|error| RuntimeError::Stopped { reason: error.to_string() })?;
        let signal = Arc::new(Signal::default());
        let mut readers = Vec::new();
        for (topic, _) in topology.global_topics() {
            for partition in 0..topics.partitions(topic) {
                let partition = TopicPartition::new(topic.clone(), partition);
                let log = broker.watermarks(&partition)?;
                let reader = broker.reader(&partition, log.low, signal.waker())?;
                let (waiting, retry_at, trouble) = (VecDeque::new(), None, None);
                let (from, until) = (log.low, log.high);
                readers.push(GlobalReader { partition, reader, from, until, waiting, retry_at, again: AGAIN, trouble });
            }
        }
        let (buffer, waiting_said) = (Vec::new(), Throttle::new(SAYING));
        let applied = Arc::default();
        Ok(Self { topology: topology.clone(), readers, signal, buffer, waiting_said, applied })
    }

    /// How far the tables are, kept up to date.
    pub(crate) fn applied(&self) -> Arc<Applied> {
        self.applied.clone()
    }

    /// Reads every partition to the end that it had when it was opened, saying how far it is every 5 s.
    ///
    /// # Errors
    /// [`RuntimeError::Stalled`] when nothing has moved for `stall`, naming the partition and what is in its way.
    pub(crate) fn load(&mut self, stall: Duration) -> Result<(), RuntimeError> {
        let (mut moved_at, mut said) = (host::now(), Throttle::new(SAYING));
        // Short loads are not worth a line.
        said.is_due();
        while self.readers.iter().any(GlobalReader::is_loading) {
            let before = self.progress();
            self.step()?;
            if self.progress() != before {
                moved_at = host::now();
            } else if host::since(moved_at) >= stall {
                return Err(self.stalled(host::since(moved_at)));
            } else {
                self.signal.wait(Duration::from_millis(100));
            }
            if said.is_due() {
                let (done, total) = self.progress();
                tracing::info!(done, total, "loading global tables");
            }
        }
        Ok(())
    }

    fn progress(&self) -> (u64, u64) {
        self.readers.iter().map(GlobalReader::progress).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    }

    fn stalled(&self, waited: Duration) -> RuntimeError {
        let stuck = self.readers.iter().find(|reader| reader.is_loading());
        let what = stuck.map_or_else(String::new, |reader| {
            let (done, total) = reader.progress();
            format!("loading global table {} ({done} of {total} records)", reader.partition)
        });
        let cause = stuck.and_then(|reader| reader.trouble.clone());
        let cause = cause.unwrap_or_else(|| "its topic gives no more records".to_owned());
        RuntimeError::Stalled { what, waited_s: waited.as_secs(), cause }
    }

    /// Keeps the tables up to date until `stop`. The thread's body.
    pub(crate) fn follow(mut self, stop: &AtomicBool) -> Result<(), RuntimeError> {
        while !stop.load(Ordering::Relaxed) {
            if self.step()? == 0 {
                self.signal.wait(Duration::from_millis(200));
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<usize, RuntimeError> {
        let mut moved = 0;
        for source in &mut self.readers {
            if source.waiting.is_empty() {
                moved += source.poll(&mut self.buffer)?;
                source.waiting.extend(self.buffer.drain(..));
            }
            if source.is_postponed() {
                continue;
            }
            while let Some(record) = source.waiting.front() {
                if let Some(cause) = apply(&self.topology, &source.partition, record)? {
                    if self.waiting_said.is_due() {
                        let (at, offset) = (&source.partition, record.offset);
                        tracing::warn!(source = %at, offset, %cause, "a row of a global table waits");
                    }
                    source.postpone(&cause);
                    break;
                }
                source.waiting.pop_front();
                (source.retry_at, source.trouble) = (None, None);
                source.again.reset();
            }
        }
        let applied = self.readers.iter().map(|source| (source.partition.clone(), source.applied()));
        *self.applied.lock() = applied.collect();
        Ok(moved)
    }
}

/// Applies one row. A row that cannot be read is skipped with a warning, unless the decode handler says to fail: the
/// table's topic keeps it, and a dead letter would be written again at every start.
/// A cause is returned when the row cannot be read now but may be later.
fn apply(
    topology: &Topology,
    source: &TopicPartition,
    record: &LogRecord,
) -> Result<Option<GlobalError>, RuntimeError> {
    let Err(error) = topology.apply_global(source, record) else { return Ok(None) };
    if error.is_retriable() {
        return Ok(Some(error));
    }
    let (cause, node) = (error.to_string(), source.topic.as_str());
    let failure = Failure { stage: error.stage, node, source, record, cause: &cause, attempt: 1 };
    if !matches!(topology.handlers().decide(&failure, Verdict::Skip), Verdict::Skip | Verdict::DeadLetter) {
        let (node, source_partition) = (node.to_owned(), source.clone());
        return Err(TaskFailure { stage: error.stage, node, source_partition, offset: record.offset, cause }.into());
    }
    tracing::warn!(%source, offset = record.offset, cause, "a row of a global table cannot be read and is skipped");
    metrics::counter!("nowfold_records_dropped_total", "reason" => "global_decode").increment(1);
    Ok(None)
}
