//! What tasks produce, on its way to the broker, and what becomes of records that are refused.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use metrics::Counter;
use nowfold_core::failure::{Failure, Stage, TaskFailure, Verdict};
use nowfold_core::names::TopicPartition;
use nowfold_core::record::{LogRecord, OutputRecord, TimestampType};
use nowfold_core::topology::Topology;

use super::broker::{DeliveryFailure, Producer};
use super::error::RuntimeError;
use super::runner::Runner;

/// A worker's producer and counters.
pub(crate) struct Outbox {
    producer: Box<dyn Producer>,
    topology: Topology,
    records_out: HashMap<String, Counter>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("producer", &self.producer).finish_non_exhaustive()
    }
}

impl Outbox {
    pub(crate) fn new(producer: Box<dyn Producer>, topology: Topology) -> Self {
        Self { producer, topology, records_out: HashMap::new() }
    }

    /// Queues the effects of a task in the order in which they arose.
    pub(crate) fn put(&mut self, runner: &mut Runner) -> Result<(), RuntimeError> {
        let mut effects = runner.take_effects();
        for (reason, n) in effects.take_counts() {
            metrics::counter!("nowfold_records_dropped_total", "reason" => reason).increment(n);
        }
        let partition = runner.id().partition;
        let changelog = effects.changelog.into_iter().filter_map(|write| {
            let topic = runner.changelog_topic(&write.store)?;
            let (key, value, timestamp) = (Some(write.key), write.value, nowfold_core::time::Timestamp::from_millis(0));
            let headers = nowfold_core::record::Headers::new();
            Some(OutputRecord { topic, partition: Some(partition), key, value, timestamp, headers })
        });
        let records = changelog.chain(effects.outputs).chain(effects.dead_letters);
        let verdict = runner.default_verdict();
        for record in records.collect::<Vec<_>>() {
            self.send(record, verdict)?;
        }
        Ok(())
    }

    /// Queues one record; one that is refused at once is judged at once.
    pub(crate) fn send(&mut self, record: OutputRecord, default: Verdict) -> Result<(), RuntimeError> {
        self.count_out(&record);
        match self.producer.send(record) {
            Ok(()) => Ok(()),
            Err(failure) => self.judge(failure, default),
        }
    }

    /// Waits until everything queued is stored or judged.
    pub(crate) fn flush(&mut self, timeout: Duration) -> Result<(), RuntimeError> {
        let default = if self.topology.dead_letter_topic().is_some() { Verdict::DeadLetter } else { Verdict::Fail };
        loop {
            let failures = self.producer.flush(timeout)?;
            if failures.is_empty() {
                return Ok(());
            }
            failures.into_iter().try_for_each(|failure| self.judge(failure, default))?;
        }
    }

    fn judge(&mut self, failed: DeliveryFailure, default: Verdict) -> Result<(), RuntimeError> {
        let DeliveryFailure { record, error } = failed;
        let source = TopicPartition { topic: record.topic.clone(), partition: record.partition.unwrap_or(-1) };
        let cause = error.to_string();
        let refused = as_log_record(record);
        let failure = Failure {
            stage: Stage::Produce,
            node: &format!("to-{}", source.topic),
            source: &source,
            record: &refused,
            cause: &cause,
        };
        let letters = self.topology.dead_letter_topic().filter(|topic| **topic != source.topic).cloned();
        match (self.topology.handlers().decide(&failure, default), letters) {
            (Verdict::Skip, _) => {
                metrics::counter!("nowfold_records_dropped_total", "reason" => "produce").increment(1);
                Ok(())
            }
            (Verdict::DeadLetter, Some(topic)) if !error.is_retriable() => {
                tracing::warn!(cause, topic = %source.topic, "a record is refused and becomes a dead letter");
                let letter = failure.to_dead_letter(&topic);
                self.send(letter, Verdict::Fail)
            }
            _ => {
                let (node, offset) = (failure.node.to_owned(), refused.offset);
                Err(TaskFailure { stage: Stage::Produce, node, source_partition: source, offset, cause }.into())
            }
        }
    }

    fn count_out(&mut self, record: &OutputRecord) {
        if let Some(counter) = self.records_out.get(record.topic.as_str()) {
            return counter.increment(1);
        }
        let topic = record.topic.to_string();
        let counter = metrics::counter!("nowfold_records_out_total", "topic" => topic.clone());
        counter.increment(1);
        self.records_out.insert(topic, counter);
    }
}

fn as_log_record(record: OutputRecord) -> LogRecord {
    LogRecord {
        offset: -1,
        key: record.key,
        value: record.value,
        timestamp: record.timestamp,
        timestamp_type: TimestampType::CreateTime,
        headers: record.headers,
    }
}
