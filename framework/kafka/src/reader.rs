//! Reading one partition.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_runtime::broker::{Broker, BrokerError, PartitionReader};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::batch::Notice;
use crate::broker::Kafka;
use crate::error;
use crate::lane::{Lane, Queue};
use crate::report::Report;

/// How often in a row fetching is started again at a position that the broker refused though its log holds it.
const RESTARTS: u32 = 3;

/// A reader of one partition of a Kafka topic.
pub(crate) struct KafkaReader {
    // Dropped before the lane, which owns the consumer that the queue belongs to.
    queue: Queue,
    report: Arc<Report>,
    partition: TopicPartition,
    position: Offset,
    lane: Arc<Lane>,
    kafka: Kafka,
    /// The broker refused the position; the log's bounds are still to be asked for.
    refused: bool,
    restarts: u32,
    failed: Option<BrokerError>,
}

impl KafkaReader {
    pub(crate) fn new(
        kafka: Kafka,
        lane: Arc<Lane>,
        partition: TopicPartition,
        position: Offset,
        (queue, report): (Queue, Arc<Report>),
    ) -> Self {
        Self { queue, report, partition, position, lane, kafka, refused: false, restarts: 0, failed: None }
    }

    fn take(&mut self, max: usize, into: &mut Vec<LogRecord>) -> usize {
        let (mut ended, mut failures) = (None, Vec::new());
        let n_records = self.queue.records.take(max, into, |notice| match notice {
            Notice::End(at) => ended = Some(at),
            Notice::Failed(code) => failures.push(code),
        });
        if let Some(last) = into.last().filter(|_| n_records > 0) {
            self.position = last.offset + 1;
            self.report.hear();
            self.restarts = 0;
        }
        if let Some(at) = ended {
            // Control records and compacted gaps before an end are passed with it.
            self.position = self.position.max(at);
            self.report.set_end(self.position);
            self.report.hear();
        }
        failures.into_iter().for_each(|code| self.on_failure(code));
        n_records
    }

    fn on_failure(&mut self, code: Code) {
        if matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) {
            self.refused = true;
            return;
        }
        let failure = if error::is_unknown_topic(code) {
            self.kafka.unknown_topic(&self.partition.topic)
        } else {
            error::failed(format!("read {}", self.partition), &KafkaError::MessageConsumption(code))
        };
        if failure.is_retriable() {
            tracing::warn!(target: "nowfold_kafka", "{failure}");
        } else {
            self.failed = Some(failure);
        }
    }

    /// Asks whether the partition is gone for good. librdkafka itself only logs that.
    fn check_existence(&mut self) -> Result<(), BrokerError> {
        match self.kafka.check_partition_anew(&self.partition) {
            Err(error) if !error.is_retriable() => {
                self.failed = Some(error.clone());
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Finds out what the log holds instead of the refused position. Waits for the broker, which a poll otherwise
    /// never does.
    fn resolve_refusal(&mut self) -> Result<(), BrokerError> {
        let marks = self.kafka.watermarks(&self.partition)?;
        let (offset, low, high) = (self.position, marks.low, marks.high);
        if (low..=high).contains(&offset) && self.restarts < RESTARTS {
            self.restarts += 1;
            self.lane.restart(&self.partition, offset)?;
            self.refused = false;
            return Ok(());
        }
        let failure = BrokerError::OffsetOutOfRange { partition: self.partition.clone(), offset, low, high };
        self.failed = Some(failure.clone());
        Err(failure)
    }
}

impl PartitionReader for KafkaReader {
    /// A failure is returned once all records before it are.
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        let mut n_records = 0;
        if self.failed.is_none() && !self.refused {
            n_records = self.take(max, into);
        }
        if n_records > 0 {
            return Ok(n_records);
        }
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.refused {
            self.resolve_refusal()?;
        } else if self.report.take_unknown() {
            self.check_existence()?;
        }
        Ok(0)
    }

    fn position(&self) -> Offset {
        self.position
    }

    fn known_end(&self) -> Option<Offset> {
        self.report.end().map(|end| end.max(self.position))
    }

    fn known_age(&self) -> Duration {
        self.report.age()
    }
}

impl fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaReader")
            .field("partition", &self.partition)
            .field("position", &self.position)
            .field("end", &self.report.end())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.lane.stop(&self.partition, &self.queue);
    }
}
