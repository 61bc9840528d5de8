//! Global tables: read whole before any task runs, then kept up to date by a thread of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nowfold_core::failure::{Failure, Stage, TaskFailure, Verdict};
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_core::topology::Topology;

use super::broker::{Broker, PartitionReader};
use super::error::RuntimeError;
use super::signal::Signal;
use super::topics::Topics;

const BATCH: usize = 1_000;

/// The partitions of all global tables being read.
#[derive(Debug)]
pub(crate) struct Globals {
    topology: Topology,
    readers: Vec<GlobalReader>,
    signal: Arc<Signal>,
    buffer: Vec<LogRecord>,
}

#[derive(Debug)]
struct GlobalReader {
    partition: TopicPartition,
    reader: Box<dyn PartitionReader>,
    /// The end that the partition had at the start.
    until: Offset,
    /// Rows that were read and wait for a registry that does not answer.
    waiting: VecDeque<LogRecord>,
}

impl Globals {
    /// Opens every partition at its start.
    pub(crate) fn open(broker: &dyn Broker, topology: &Topology, topics: &Topics) -> Result<Self, RuntimeError> {
        let signal = Arc::new(Signal::default());
        let mut readers = Vec::new();
        for (topic, _) in topology.global_topics() {
            for partition in 0..topics.partitions(topic) {
                let partition = TopicPartition::new(topic.clone(), partition);
                let log = broker.watermarks(&partition)?;
                let reader = broker.reader(&partition, log.low, signal.waker())?;
                readers.push(GlobalReader { partition, reader, until: log.high, waiting: VecDeque::new() });
            }
        }
        Ok(Self { topology: topology.clone(), readers, signal, buffer: Vec::new() })
    }

    /// Reads every partition to the end that it had when it was opened.
    pub(crate) fn load(&mut self) -> Result<(), RuntimeError> {
        let is_open = |source: &GlobalReader| source.reader.position() < source.until || !source.waiting.is_empty();
        while self.readers.iter().any(is_open) {
            if self.step()? == 0 {
                self.signal.wait(Duration::from_millis(100));
            }
        }
        Ok(())
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
                moved += match source.reader.poll(BATCH, &mut self.buffer) {
                    Err(error) if error.is_retriable() => 0,
                    polled => polled?,
                };
                source.waiting.extend(self.buffer.drain(..));
            }
            while let Some(record) = source.waiting.front() {
                if !apply(&self.topology, &source.partition, record)? {
                    break;
                }
                source.waiting.pop_front();
            }
        }
        Ok(moved)
    }
}

/// Applies one row. A row that cannot be read is skipped with a warning, unless the decode handler says to fail: the
/// table's topic keeps it, and a dead letter would be written again at every start.
/// False when the row cannot be read now but may be later.
fn apply(topology: &Topology, source: &TopicPartition, record: &LogRecord) -> Result<bool, RuntimeError> {
    let Err(error) = topology.apply_global(source, record) else { return Ok(true) };
    if error.is_retriable() {
        tracing::warn!(%source, offset = record.offset, %error, "a row of a global table waits");
        return Ok(false);
    }
    let (cause, node) = (error.to_string(), source.topic.as_str());
    let failure = Failure { stage: Stage::Decode, node, source, record, cause: &cause };
    if topology.handlers().decide(&failure, Verdict::Skip) == Verdict::Fail {
        let (node, source_partition) = (node.to_owned(), source.clone());
        return Err(TaskFailure { stage: Stage::Decode, node, source_partition, offset: record.offset, cause }.into());
    }
    tracing::warn!(%source, offset = record.offset, cause, "a row of a global table cannot be read and is skipped");
    metrics::counter!("nowfold_records_dropped_total", "reason" => "global_decode").increment(1);
    Ok(true)
}
