//! The records of the control topic, by which processes of an application know of each other.

use bytes::Bytes;
use nowfold::core::record::{Headers, LogRecord, TimestampType};
use nowfold::core::time::Timestamp;

/// A line for each record: its key, and behind a tab its value; without one the value is null. They are a second apart.
pub fn control(data: &[u8]) {
    let records: Vec<_> =
        (0..).zip(data.split(|byte| *byte == b'\n')).map(|(offset, line)| record(offset, line)).collect();
    nowfold_runtime::control_topic(&records);
}

fn record(offset: i64, line: &[u8]) -> LogRecord {
    let mut parts = line.splitn(2, |byte| *byte == b'\t').map(Bytes::copy_from_slice);
    LogRecord {
        offset,
        key: parts.next(),
        value: parts.next(),
        timestamp: Timestamp::from_millis(offset * 1_000),
        timestamp_type: TimestampType::LogAppendTime,
        headers: Headers::new(),
    }
}
