//! Reading one partition.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;
use nowfold_runtime::broker::{Broker, BrokerError, PartitionReader, Waker};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::batch::Notice;
use crate::broker::Kafka;
use crate::error;
use crate::lane::{Lane, Queue};
use crate::report::Report;

/// How often in a row fetching is started again at a position that the broker refused though its log holds it.
const RESTARTS: u32 = 3;

/// A client that has heard nothing of the broker for so long may have lost it for good.
const DEAF: Duration = Duration::from_secs(15);

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
    waker: Waker,
}

impl KafkaReader {
    pub(crate) fn new(
        kafka: Kafka,
        lane: Arc<Lane>,
        partition: TopicPartition,
        position: Offset,
        (queue, report): (Queue, Arc<Report>),
        waker: Waker,
    ) -> Self {
        Self { waker, queue, report, partition, position, lane, kafka, refused: false, restarts: 0, failed: None }
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

    /// Goes on with another client where this one hears nothing of the cluster and that one does.
    fn listen_elsewhere(&mut self) -> Result<(), BrokerError> {
        let Some(lane) = self.kafka.renew(&self.lane).filter(|lane| !Arc::ptr_eq(lane, &self.lane)) else {
            return Ok(());
        };
        let Some((queue, report)) = lane.start(&self.partition, self.position, &self.waker)? else { return Ok(()) };
        self.lane.stop(&self.partition, &self.queue);
        (self.queue, self.report, self.lane) = (queue, report, lane);
        Ok(())
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
        } else if self.report.age() > DEAF {
            self.listen_elsewhere()?;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use nowfold_core::record::{Headers, OutputRecord};
    use nowfold_core::time::Timestamp;
    use nowfold_runtime::broker::TopicSpec;

    use super::*;
    use crate::KafkaConfig;

    fn send(kafka: &Kafka, partition: &TopicPartition, value: &'static [u8]) {
        let mut producer = kafka.producer().unwrap();
        let (topic, value, timestamp) = (partition.topic.clone(), Some(value.into()), Timestamp::from_millis(1));
        let record = OutputRecord { topic, partition: Some(0), key: None, value, timestamp, headers: Headers::new() };
        producer.send(record).unwrap();
        assert!(producer.flush(Duration::from_secs(30)).unwrap().is_empty());
    }

    fn read_one(reader: &mut KafkaReader) -> LogRecord {
        let (start, mut records) = (Instant::now(), Vec::new());
        while reader.poll(1, &mut records).unwrap() == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "no record arrives");
            std::thread::yield_now();
        }
        records.remove(0)
    }

    /// librdkafka cannot be made to lose the cluster on purpose, so the change of clients is asked for.
    #[test]
    fn a_reader_goes_on_where_it_was_when_another_client_takes_the_place_of_its_own() {
        let Ok(address) = std::env::var("NOWFOLD_TEST_KAFKA") else {
            eprintln!("SKIPPED: set NOWFOLD_TEST_KAFKA=host:port to run this test against a real Kafka");
            return;
        };
        let kafka = Kafka::connect(KafkaConfig::new(address)).unwrap();
        let name =
            format!("deaf-{}-{:?}", std::process::id(), Instant::now()).replace(|c: char| !c.is_alphanumeric(), "-");
        let spec = TopicSpec { name: name.as_str().into(), partitions: Some(1), config: BTreeMap::new() };
        kafka.create_topic(&spec).unwrap();
        let partition = TopicPartition { topic: spec.name, partition: 0 };
        send(&kafka, &partition, b"before");
        let (lane, waker): (_, Waker) = (kafka.first().unwrap(), Arc::new(|| {}));
        let started = lane.start(&partition, 0, &waker).unwrap().unwrap();
        let mut reader = KafkaReader::new(kafka.clone(), Arc::clone(&lane), partition.clone(), 0, started, waker);
        assert_eq!(read_one(&mut reader).value.as_deref(), Some(&b"before"[..]));
        reader.listen_elsewhere().unwrap();
        assert!(!Arc::ptr_eq(&reader.lane, &lane), "another client reads now");
        assert!(Arc::ptr_eq(&reader.lane, &kafka.first().unwrap()), "and is asked from now on");
        assert!(kafka.renew(&reader.lane).is_none(), "clients are not replaced one after the other");
        drop(lane);
        send(&kafka, &partition, b"after");
        let record = read_one(&mut reader);
        assert_eq!((record.offset, record.value.as_deref()), (1, Some(&b"after"[..])));
    }
}
