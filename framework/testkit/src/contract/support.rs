//! What the suites share.

use bytes::Bytes;
use nowfold_core::record::{Headers, LogRecord, TimestampType};
use nowfold_core::state::StoreError;
use nowfold_core::time::Timestamp;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn done<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("the engine failed: {error}"))
}

/// A record of a changelog topic.
pub(super) fn changelog(key: Option<Bytes>, value: Option<&str>, time: i64) -> LogRecord {
    LogRecord {
        offset: 0,
        key,
        value: value.map(bytes),
        timestamp: at(time),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    }
}
