//! Reading one partition.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_runtime::broker::{Broker, BrokerError, PartitionReader};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::broker::Kafka;
use crate::convert;
use crate::error;
use crate::lane::{Lane, Place, Queue};

/// How often in a row fetching is started again at a position that the broker refused though its log holds it.
const RESTARTS: u32 = 3;

/// A reader of one partition of a Kafka topic.
pub(crate) struct KafkaReader {
    // Dropped before the lane, which owns the consumer that the queue belongs to.
    queue: Queue,
    place: Arc<Place>,
    partition: TopicPartition,
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
        queue: Queue,
        place: Arc<Place>,
    ) -> Self {
        Self { queue, place, partition, lane, kafka, refused: false, restarts: 0, failed: None }
    }

    fn take(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        let mut n_records = 0;
        while n_records < max {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    into.push(convert::log_record(&message));
                    n_records += 1;
                }
                Some(Err(error)) => {
                    self.passed(into, n_records);
                    self.on_error(&error, n_records)?;
                }
                None => break,
            }
        }
        self.passed(into, n_records);
        Ok(n_records)
    }

    /// Moves the position past the last of the `n_records` that were just appended.
    fn passed(&mut self, into: &[LogRecord], n_records: usize) {
        if let Some(last) = into.last().filter(|_| n_records > 0) {
            self.place.advance(last.offset + 1);
            self.restarts = 0;
        }
    }

    /// An error is kept for the next poll when there are records to return first.
    fn on_error(&mut self, error: &KafkaError, n_records: usize) -> Result<(), BrokerError> {
        match error {
            KafkaError::PartitionEOF(_) => {
                self.place.set_end(self.place.position());
                self.lane.reached_an_end();
                return Ok(());
            }
            KafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
                self.refused = true;
                return if n_records == 0 { self.resolve_refusal() } else { Ok(()) };
            }
            _ => {}
        }
        let failure = match error::code(error) {
            Some(code) if error::is_unknown_topic(code) => self.kafka.unknown_topic(&self.partition.topic),
            _ => error::failed(format!("read {}", self.partition), error),
        };
        if failure.is_retriable() {
            tracing::warn!(target: "nowfold_kafka", "{failure}");
            return Ok(());
        }
        self.failed = Some(failure.clone());
        if n_records == 0 { Err(failure) } else { Ok(()) }
    }

    /// Finds out what the log holds instead of the refused position. Waits for the broker, which a poll otherwise
    /// never does.
    fn resolve_refusal(&mut self) -> Result<(), BrokerError> {
        let marks = self.kafka.watermarks(&self.partition)?;
        let (offset, low, high) = (self.place.position(), marks.low, marks.high);
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
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.refused {
            self.resolve_refusal()?;
        }
        self.take(max, into)
    }

    fn position(&self) -> Offset {
        self.place.position()
    }

    fn known_end(&self) -> Option<Offset> {
        self.place.end()
    }
}

impl fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaReader")
            .field("partition", &self.partition)
            .field("position", &self.place.position())
            .field("end", &self.place.end())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.lane.stop(&self.partition, &self.queue);
    }
}
