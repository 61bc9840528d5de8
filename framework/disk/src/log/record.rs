//! How a record lies in a block. All numbers little-endian:
//!
//! ```text
//! offset i64 | timestamp i64 | flags u8
//! [key: length u32, bytes] [value: length u32, bytes]                                  each only when its flag is set
//! [n u32, n times: name: length u32, bytes | has_value u8 [length u32, bytes]]         headers, likewise
//! ```
//!
//! Flags: bit 0 key, bit 1 value, bit 2 LogAppendTime, bit 3 headers. A set bit that a reader does not know makes the
//! block unreadable.

use bytes::{Buf, BufMut, Bytes};
use nowfold_core::record::{Header, Headers, LogRecord, TimestampType};
use nowfold_core::time::Timestamp;

const KEY: u8 = 1;
const VALUE: u8 = 1 << 1;
const LOG_APPEND_TIME: u8 = 1 << 2;
const HEADERS: u8 = 1 << 3;

/// Appends a record to `out`.
pub(super) fn encode(record: &LogRecord, out: &mut Vec<u8>) {
    out.put_i64_le(record.offset);
    out.put_i64_le(record.timestamp.as_millis());
    out.put_u8(flags(record));
    for field in [&record.key, &record.value].into_iter().flatten() {
        put(field, out);
    }
    if record.headers.iter().len() > 0 {
        out.put_u32_le(length(record.headers.iter().len()));
        for header in record.headers.iter() {
            put(header.name.as_bytes(), out);
            out.put_u8(u8::from(header.value.is_some()));
            header.value.iter().for_each(|value| put(value, out));
        }
    }
}

fn flags(record: &LogRecord) -> u8 {
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    bit(record.key.is_some(), KEY)
        | bit(record.value.is_some(), VALUE)
        | bit(record.timestamp_type == TimestampType::LogAppendTime, LOG_APPEND_TIME)
        | bit(record.headers.iter().len() > 0, HEADERS)
}

/// Lengths fit: a whole record is limited by max.message.bytes, an i32.
fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn put(field: &[u8], out: &mut Vec<u8>) {
    out.put_u32_le(length(field.len()));
    out.put_slice(field);
}

/// Takes a record off the front of `rest`, sharing its bytes. `None` when there is no record of this format.
pub(super) fn decode(rest: &mut Bytes) -> Option<LogRecord> {
    let offset = rest.try_get_i64_le().ok()?;
    let timestamp = Timestamp::from_millis(rest.try_get_i64_le().ok()?);
    let flags = rest.try_get_u8().ok()?;
    if flags & !(KEY | VALUE | LOG_APPEND_TIME | HEADERS) != 0 {
        return None;
    }
    let key = if flags & KEY == 0 { None } else { Some(take(rest)?) };
    let value = if flags & VALUE == 0 { None } else { Some(take(rest)?) };
    let headers = if flags & HEADERS == 0 { Headers::new() } else { headers(rest)? };
    let timestamp_type =
        if flags & LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime };
    Some(LogRecord { offset, key, value, timestamp, timestamp_type, headers })
}

fn headers(rest: &mut Bytes) -> Option<Headers> {
    let n = rest.try_get_u32_le().ok()?;
    (0..n).map(|_| header(rest)).collect()
}

fn header(rest: &mut Bytes) -> Option<Header> {
    let name = String::from_utf8(take(rest)?.into()).ok()?;
    let value = match rest.try_get_u8().ok()? {
        0 => None,
        1 => Some(take(rest)?),
        _ => return None,
    };
    Some(Header { name, value })
}

fn take(rest: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    (rest.len() >= length).then(|| rest.split_to(length))
}
