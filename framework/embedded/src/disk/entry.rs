//! How a record lies in its frame. All numbers little-endian:
//!
//! ```text
//! offset i64 | timestamp i64 | flags u8 | n_headers u32
//! [key: length u32, bytes] [value: length u32, bytes]          each only when its flag is set
//! n_headers times: name: length u32, bytes | has_value u8 [length u32, bytes]
//! ```
//!
//! Flags: bit 0 key present, bit 1 value present, bit 2 LogAppendTime. Bit 3 is free; bits 4 to 7 are kept for control
//! markers. A set bit that a reader does not know makes the entry unreadable.

use bytes::{Buf, BufMut, Bytes};
use nowfold_core::record::{Header, Headers, LogRecord, TimestampType};
use nowfold_core::time::Timestamp;

const KEY: u8 = 1;
const VALUE: u8 = 1 << 1;
const LOG_APPEND_TIME: u8 = 1 << 2;

/// Appends the record's payload to `out`.
pub(super) fn encode(record: &LogRecord, out: &mut Vec<u8>) {
    out.put_i64_le(record.offset);
    out.put_i64_le(record.timestamp.as_millis());
    out.put_u8(flags(record));
    out.put_u32_le(length(record.headers.iter().len()));
    for field in [&record.key, &record.value].into_iter().flatten() {
        put(field, out);
    }
    for header in record.headers.iter() {
        put(header.name.as_bytes(), out);
        out.put_u8(u8::from(header.value.is_some()));
        if let Some(value) = &header.value {
            put(value, out);
        }
    }
}

fn flags(record: &LogRecord) -> u8 {
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    bit(record.key.is_some(), KEY)
        | bit(record.value.is_some(), VALUE)
        | bit(record.timestamp_type == TimestampType::LogAppendTime, LOG_APPEND_TIME)
}

/// Lengths fit: a whole record is limited by max.message.bytes, an i32.
fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn put(field: &[u8], out: &mut Vec<u8>) {
    out.put_u32_le(length(field.len()));
    out.put_slice(field);
}

/// Reads a record from its payload, sharing its bytes. `None` when the payload is not a record of this format.
pub(super) fn decode(payload: Bytes) -> Option<LogRecord> {
    let mut rest = payload;
    // One more than an offset has to be an offset, too.
    let offset = rest.try_get_i64_le().ok().filter(|offset| *offset < i64::MAX)?;
    let timestamp = Timestamp::from_millis(rest.try_get_i64_le().ok()?);
    let flags = rest.try_get_u8().ok()?;
    if flags & !(KEY | VALUE | LOG_APPEND_TIME) != 0 {
        return None;
    }
    let n_headers = rest.try_get_u32_le().ok()?;
    let key = if flags & KEY == 0 { None } else { Some(take(&mut rest)?) };
    let value = if flags & VALUE == 0 { None } else { Some(take(&mut rest)?) };
    let headers = (0..n_headers).map(|_| header(&mut rest)).collect::<Option<Headers>>()?;
    let timestamp_type =
        if flags & LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime };
    rest.is_empty().then_some(LogRecord { offset, key, value, timestamp, timestamp_type, headers })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Option<Bytes>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from))
    }

    fn records() -> impl Strategy<Value = LogRecord> {
        let header = (".{0,5}", bytes()).prop_map(|(name, value)| Header { name, value });
        let headers = proptest::collection::vec(header, 0..4).prop_map(Headers::from_iter);
        (any::<(i64, i64, bool)>(), bytes(), bytes(), headers).prop_map(
            |((offset, ms, appended), key, value, headers)| {
                let timestamp_type = if appended { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
                LogRecord { offset, key, value, timestamp: Timestamp::from_millis(ms), timestamp_type, headers }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn reads_back_every_record_and_no_part_of_it(record in records(), cut in any::<prop::sample::Index>()) {
            let mut out = Vec::new();
            encode(&record, &mut out);
            let cut = cut.index(out.len());
            prop_assert_eq!(decode(Bytes::copy_from_slice(&out[..cut])), None);
            prop_assert_eq!(decode(out.into()), Some(record));
        }
    }

    #[test]
    fn flags_of_a_later_format_are_not_misread() {
        let mut out = Vec::new();
        let record = LogRecord {
            offset: 1,
            key: None,
            value: None,
            timestamp: Timestamp::default(),
            timestamp_type: TimestampType::CreateTime,
            headers: Headers::new(),
        };
        encode(&record, &mut out);
        out[16] |= 1 << 4;
        assert_eq!(decode(out.into()), None);
    }
}
