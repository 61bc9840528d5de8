//! A block: `[length u32 | crc32c u32 | payload]`, little-endian; length and checksum are those of the payload, which is
//!
//! ```text
//! position i64 | n u32 | n records
//! ```
//!
//! where `position` is the offset that the copy covers up to with this block.

use bytes::{Buf, BufMut, Bytes};
use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;

use super::record;

/// Bytes of length and checksum.
pub(super) const PREFIX: usize = 8;

/// Bytes before the first record of a payload.
const HEAD: usize = 12;

/// A block that is being filled.
#[derive(Debug, Default)]
pub(super) struct Builder {
    bytes: Vec<u8>,
    n_records: u32,
    position: Option<Offset>,
}

impl Builder {
    /// Adds records, and the position behind them.
    pub(super) fn push(&mut self, records: &[LogRecord], position: Offset) {
        if self.bytes.is_empty() {
            self.bytes.resize(PREFIX + HEAD, 0);
        }
        for record in records {
            record::encode(record, &mut self.bytes);
            self.n_records += 1;
        }
        self.position = Some(position);
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The finished block and the position behind it, if there is anything in it; the builder is empty then.
    pub(super) fn finish(&mut self) -> Option<(Vec<u8>, Offset)> {
        let position = self.position.take()?;
        let mut bytes = std::mem::take(&mut self.bytes);
        let n_records = std::mem::take(&mut self.n_records);
        let (prefix, payload) = bytes.split_at_mut_checked(PREFIX)?;
        if let Some(mut head) = payload.get_mut(..HEAD) {
            head.put_i64_le(position);
            head.put_u32_le(n_records);
        }
        let (mut prefix, length) = (prefix, u32::try_from(payload.len()).unwrap_or(u32::MAX));
        prefix.put_u32_le(length);
        prefix.put_u32_le(crc32c::crc32c(payload));
        Some((bytes, position))
    }

    /// Goes on in a buffer that was used before.
    pub(super) fn reuse(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.bytes = buffer;
    }
}

/// Length and checksum of a payload.
pub(super) fn prefix(bytes: [u8; PREFIX]) -> (u32, u32) {
    let mut bytes = bytes.as_slice();
    (bytes.get_u32_le(), bytes.get_u32_le())
}

/// What a block holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) position: Offset,
    pub(super) records: Vec<LogRecord>,
}

/// Reads a payload, which must cover offsets from `from` on. `None` when it is not of this format.
pub(super) fn decode(mut payload: Bytes, from: Offset) -> Option<Content> {
    let position = payload.try_get_i64_le().ok()?;
    let n = payload.try_get_u32_le().ok()?;
    let records = (0..n).map(|_| record::decode(&mut payload)).collect::<Option<Vec<_>>>()?;
    let mut next = from;
    for record in &records {
        if record.offset < next {
            return None;
        }
        next = record.offset.checked_add(1)?;
    }
    (payload.is_empty() && position >= next).then_some(Content { position, records })
}

/// The position of a payload.
pub(super) fn position(payload: &[u8]) -> Option<Offset> {
    payload.first_chunk().map(|position| i64::from_le_bytes(*position))
}
