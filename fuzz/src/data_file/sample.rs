//! A small sound data directory, and a reader of whatever became of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nowfold::core::names::{TopicName, TopicPartition};
use nowfold::core::record::{Headers, OutputRecord};
use nowfold::core::time::{Clock, Timestamp};
use nowfold::embedded::EmbeddedLog;
use nowfold::runtime::broker::{Broker, TopicSpec};

/// Two topics, one of them compacted and in several segments, of two partitions each.
pub(super) fn write_sample(dir: &Path, clock: Arc<dyn Clock>) {
    let written = EmbeddedLog::open(dir, clock).map_err(|error| error.to_string()).and_then(|log| {
        create(&log, "plain", &[])
            .and_then(|()| create(&log, "table", &[("cleanup.policy", "compact"), ("segment.bytes", "90")]))?;
        fill(&log)
    });
    written.unwrap_or_else(|error| panic!("the sample cannot be written: {error}"));
}

fn create(log: &EmbeddedLog, name: &str, config: &[(&str, &str)]) -> Result<(), String> {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    log.create_topic(&TopicSpec { name: name.into(), partitions: Some(2), config }).map_err(|error| error.to_string())
}

fn fill(log: &EmbeddedLog) -> Result<(), String> {
    let mut producer = log.producer().map_err(|error| error.to_string())?;
    for number in 0..12_i64 {
        let mut headers = Headers::new();
        headers.push("h", (number % 2 == 0).then(|| Bytes::from_static(b"1")));
        let record = OutputRecord {
            topic: TopicName::from(if number % 3 == 0 { "plain" } else { "table" }),
            partition: Some(i32::from(number % 2 == 0)),
            key: Some(Bytes::from(format!("k{}", number % 4))),
            value: (number % 5 != 0).then(|| Bytes::from(format!("value {number}"))),
            timestamp: Timestamp::from_millis(number * 1_000),
            headers,
        };
        producer.send(record).map_err(|failure| failure.error.to_string())?;
    }
    producer.flush(Duration::from_secs(5)).map(drop).map_err(|error| error.to_string())
}

/// Reads every partition from its beginning to its end.
pub(super) fn read_all(log: &EmbeddedLog) {
    for topic in ["plain", "table"] {
        for partition in 0..2 {
            let partition = TopicPartition::new(topic, partition);
            let Ok(ends) = log.watermarks(&partition) else { continue };
            let Ok(records) = log.records(&partition) else { continue };
            let all_within = records.iter().all(|record| (ends.low..ends.high).contains(&record.offset));
            assert!(all_within, "a record of {partition} beyond {ends:?}");
        }
    }
}
