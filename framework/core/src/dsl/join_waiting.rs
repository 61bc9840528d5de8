//! The records of both sides of a stream join that wait for a match.

use bytes::Bytes;

use crate::names::StoreName;
use crate::window::JoinWindows;

/// The records of both sides that have found no match, in a store by time, side (right first) and key. A key: time
/// (8 bytes, big-endian), side (1: left), the length of the record's key (4 bytes), the key, a number that keeps records
/// of equal time apart (4 bytes). What both sides know of time lies here too, under an empty key: stream time, the wall
/// clock of the next look, the next number.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) store: StoreName,
    pub(super) windows: JoinWindows,
    pub(super) emit_every: i64,
}

/// What both sides of a join know of time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) stream_time: i64,
    pub(super) next_look: i64,
    /// Time of a waiting record that no older one than it is known to have been passed by a look; `i64::MAX` for none.
    /// A look sets it to the last record that it came to, as Kafka Streams does.
    pub(super) min_time: i64,
    pub(super) number: u32,
}

impl Waiting {
    pub(super) fn new(store: &StoreName, windows: JoinWindows, emit_every: i64) -> Self {
        Self { store: store.clone(), windows, emit_every }
    }

    /// How far after a record of this side a match may come.
    pub(super) fn reach(&self, is_left: bool) -> i64 {
        if is_left { self.windows.after } else { self.windows.before }
    }
}

impl Clock {
    pub(super) const START: Self = Self { stream_time: i64::MIN, next_look: i64::MIN, min_time: i64::MAX, number: 0 };

    pub(super) fn to_bytes(self) -> Bytes {
        let times = [self.stream_time, self.next_look, self.min_time].map(i64::to_be_bytes).concat();
        [&times[..], &self.number.to_be_bytes()].concat().into()
    }

    pub(super) fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let time = |i: usize| Some(i64::from_be_bytes(*bytes.get(8 * i..)?.first_chunk()?));
        let number = u32::from_be_bytes(*bytes.get(24..)?.first_chunk()?);
        Some(Self { stream_time: time(0)?, next_look: time(1)?, min_time: time(2)?, number })
    }
}

/// A key of the store of waiting records.
pub(super) struct Place {
    pub(super) time: i64,
    pub(super) is_left: bool,
    pub(super) key: Bytes,
}

impl Place {
    pub(super) fn prefix(time: i64, is_left: bool, key: &Bytes) -> Vec<u8> {
        let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
        [&time.to_be_bytes()[..], &[u8::from(is_left)], key, &length].concat()
    }

    pub(super) fn parse(bytes: &Bytes) -> Option<Self> {
        let time = bytes.first_chunk().map(|time| i64::from_be_bytes(*time))?;
        let end = bytes.len().checked_sub(8)?;
        Some(Self { time, is_left: *bytes.get(8)? == 1, key: (end >= 9).then(|| bytes.slice(9..end))? })
    }
}
