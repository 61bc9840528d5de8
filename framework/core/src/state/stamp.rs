//! Timestamped values: the time of the last update (8 bytes, big-endian milliseconds) before the value, as Kafka
//! Streams keeps them. Changelogs hold the bare value and say the time by the record's timestamp.

use bytes::{BufMut, Bytes, BytesMut};

use crate::time::Timestamp;

/// The stored form of a value that was last updated at `time`.
pub fn stamp(time: Timestamp, value: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(8 + value.len());
    bytes.put_i64(time.as_millis());
    bytes.put_slice(value);
    bytes.freeze()
}

/// Time and bare value of a stored form; `None` when it is shorter than a timestamp. Copies nothing.
pub fn unstamp(stored: &Bytes) -> Option<(Timestamp, Bytes)> {
    let time = stored.first_chunk().map(|time| i64::from_be_bytes(*time))?;
    Some((Timestamp::from_millis(time), stored.slice(8..)))
}
