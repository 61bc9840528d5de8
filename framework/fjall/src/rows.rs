//! The keys of rows. All start with the store's number (u16, big-endian) and a letter for the kind of row, so that a store
//! and its indexes lie together:
//!
//! ```text
//! store | 'm'                                                the store's mark: largest time, number of duplicates
//! store | 'k' key                                            key-value
//! store | 'k' key length u32, key | start | duplicate u32    window
//! store | 't' start | duplicate u32 | key                    window, by time: no value
//! store | 'k' key length u32, key | end | start              session
//! store | 't' end | start | key                              session, by time: no value
//! store | 'k' key length u32, key | valid from               versioned: 1 and the value, or 0 for a deletion
//! 0xfffe | number u64                                        the link of the epoch
//! 0xffff                                                     the epoch
//! ```
//!
//! Numbers are big-endian, times with their sign flipped, so that the order of bytes is that of times.

use std::ops::Bound;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use nowfold_core::state::KeyRange;

/// Rows that hold a store's values.
pub(crate) const BY_KEY: u8 = b'k';

/// Rows that find them by time.
pub(crate) const BY_TIME: u8 = b't';

/// The row of a store's mark.
pub(crate) const MARK: u8 = b'm';

/// The key of the epoch.
pub(crate) const EPOCH: [u8; 2] = [0xff, 0xff];

/// The row that an epoch of this number leaves, and the next one removes.
pub(crate) fn link(number: u64) -> Bytes {
    let mut bytes = BytesMut::from(LINKS.as_slice());
    bytes.put_u64(number);
    bytes.freeze()
}

/// What links begin with.
pub(crate) const LINKS: [u8; 2] = [0xff, 0xfe];

/// Builds the key of a row.
#[derive(Debug)]
pub(crate) struct RowKey(BytesMut);

impl RowKey {
    pub(crate) fn new(letter: u8) -> Self {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_u8(letter);
        Self(bytes)
    }

    /// A key whose length is told, so that rows of one key lie together.
    pub(crate) fn key(mut self, key: &[u8]) -> Self {
        self.0.put_u32(u32::try_from(key.len()).unwrap_or(u32::MAX));
        self.raw(key)
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.put_slice(bytes);
        self
    }

    pub(crate) fn time(mut self, time: i64) -> Self {
        self.0.put_u64(flip(time));
        self
    }

    pub(crate) fn number(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    pub(crate) fn done(self) -> Bytes {
        self.0.freeze()
    }
}

fn flip(time: i64) -> u64 {
    time.cast_unsigned() ^ (1 << 63)
}

/// Reads the key of a row.
#[derive(Debug)]
pub(crate) struct RowParts(Bytes);

impl RowParts {
    /// The parts of a key that begins with `letter`.
    pub(crate) fn of(mut row: Bytes, letter: u8) -> Option<Self> {
        (row.try_get_u8().ok()? == letter).then_some(Self(row))
    }

    pub(crate) fn key(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.0.try_get_u32().ok()?).ok()?;
        (self.0.len() >= length).then(|| self.0.split_to(length))
    }

    pub(crate) fn time(&mut self) -> Option<i64> {
        Some((self.0.try_get_u64().ok()? ^ (1 << 63)).cast_signed())
    }

    pub(crate) fn number(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    pub(crate) fn rest(self) -> Bytes {
        self.0
    }
}

/// The first key behind all that begin with these bytes; `None` when there is none.
pub(crate) fn behind(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = BytesMut::from(prefix.get(..=last)?);
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    Some(end.freeze())
}

/// All keys that begin with these bytes.
pub(crate) fn beginning_with(prefix: Bytes) -> KeyRange {
    let to = behind(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(prefix), to)
}

/// Whether no key can be in the range; `BTreeMap::range` panics on some of these.
pub(crate) fn is_empty((from, to): &KeyRange) -> bool {
    match (from, to) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) | (Bound::Excluded(a), Bound::Included(b)) => {
            a >= b
        }
        _ => false,
    }
}
