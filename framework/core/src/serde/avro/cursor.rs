//! Walks over the bytes of one Avro datum, bounded and without a panic path.

use std::fmt;
use std::str;

use super::error::{DatumError, Reason};

/// Items without bytes of their own (nulls, empty records) that one datum may hold.
const MAX_EMPTY_ITEMS: u64 = 1 << 16;

/// How deep values may nest in each other.
pub const MAX_DEPTH: u32 = 64;

/// Reads the parts of one Avro datum in order. Every length is checked against the bytes that are left before anything
/// is allocated, so no claim of the bytes can cost more than their own length.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    empty_items_left: u64,
}

impl<'a> Cursor<'a> {
    /// A cursor over `bytes` that begins at byte `start`, after a header; errors count from the header's start.
    pub fn new(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, rest: bytes.get(start..).unwrap_or_default(), empty_items_left: MAX_EMPTY_ITEMS }
    }

    /// The position of the next byte, counted from the start of the bytes.
    pub fn position(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// An error at the present position.
    pub fn error(&self, cause: impl fmt::Display) -> DatumError {
        self.fail(Reason::Other(cause.to_string()))
    }

    #[cold]
    fn fail(&self, reason: Reason) -> DatumError {
        DatumError::new(Some(self.position()), reason)
    }

    /// The next `len` bytes as they are.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn fixed(&mut self, len: usize) -> Result<&'a [u8], DatumError> {
        match self.rest.split_at_checked(len) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.fail(Reason::End)),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DatumError> {
        match self.rest.split_first_chunk() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.fail(Reason::End)),
        }
    }

    /// A boolean: one byte, 0 or 1.
    ///
    /// # Errors
    /// When it is another byte or none is left.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DatumError> {
        match self.rest.split_first() {
            Some((&byte @ (0 | 1), rest)) => {
                self.rest = rest;
                Ok(byte == 1)
            }
            Some((&byte, _)) => Err(self.fail(Reason::Bool(byte))),
            None => Err(self.fail(Reason::End)),
        }
    }

    /// An int or a long: a zigzag varint of at most ten bytes.
    ///
    /// # Errors
    /// When it is longer than 64 bits or ends early.
    #[inline]
    pub fn long(&mut self) -> Result<i64, DatumError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(unzigzag(u64::from(byte)))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<i64, DatumError> {
        let mut value = 0;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            if i == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = self.rest.get(i + 1..).unwrap_or_default();
                return Ok(unzigzag(value));
            }
        }
        Err(self.fail(if self.rest.len() < 10 { Reason::End } else { Reason::Varint }))
    }

    /// A float: 4 bytes, little-endian.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn float(&mut self) -> Result<f32, DatumError> {
        self.array().map(f32::from_le_bytes)
    }

    /// A double: 8 bytes, little-endian.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn double(&mut self) -> Result<f64, DatumError> {
        self.array().map(f64::from_le_bytes)
    }

    /// Bytes with their length before them.
    ///
    /// # Errors
    /// When the length is negative or larger than what is left.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DatumError> {
        let start = self.rest;
        let len = self.long()?;
        match usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len)) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => {
                self.rest = start;
                Err(self.fail(Reason::Length(len)))
            }
        }
    }

    /// UTF-8 text with its length in bytes before it.
    ///
    /// # Errors
    /// When the length is wrong, as for [`bytes`](Self::bytes), or the bytes are not UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, DatumError> {
        let before = self.rest;
        let bytes = self.bytes()?;
        str::from_utf8(bytes).map_err(|_| {
            self.rest = before;
            self.fail(Reason::Text)
        })
    }

    /// The number of a union's branch or an enum's symbol, below `of`.
    ///
    /// # Errors
    /// When there is none of this number.
    #[inline]
    pub fn index(&mut self, of: usize) -> Result<usize, DatumError> {
        let before = self.rest;
        let index = self.long()?;
        match usize::try_from(index) {
            Ok(i) if i < of => Ok(i),
            _ => {
                self.rest = before;
                Err(self.fail(Reason::Index { index, of }))
            }
        }
    }

    /// The head of the next block of an array or map: how many items follow, 0 at the end. `min_item_bytes` is the
    /// fewest bytes that an item takes.
    ///
    /// # Errors
    /// When the block claims more items than the bytes that are left can hold.
    #[inline]
    pub fn block(&mut self, min_item_bytes: usize) -> Result<usize, DatumError> {
        let count = self.long()?;
        if count < 0 {
            let size = self.long()?;
            if usize::try_from(size).is_ok_and(|size| size > self.remaining()) || size < 0 {
                return Err(self.fail(Reason::Length(size)));
            }
        }
        let count = count.unsigned_abs();
        self.check_items(count, min_item_bytes)?;
        usize::try_from(count).map_err(|_| self.fail(Reason::Items(count)))
    }

    #[inline]
    fn check_items(&mut self, count: u64, min_item_bytes: usize) -> Result<(), DatumError> {
        let fits = if min_item_bytes == 0 {
            let left = self.empty_items_left.checked_sub(count);
            self.empty_items_left = left.unwrap_or(0);
            left.is_some()
        } else {
            count.checked_mul(min_item_bytes as u64).is_some_and(|bytes| bytes <= self.remaining() as u64)
        };
        if fits { Ok(()) } else { Err(self.fail(Reason::Items(count))) }
    }

    /// One level deeper than `depth`.
    ///
    /// # Errors
    /// When that is deeper than [`MAX_DEPTH`].
    #[inline]
    pub fn deeper(&self, depth: u32) -> Result<u32, DatumError> {
        if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(self.fail(Reason::Depth)) }
    }

    /// One level deeper than `depth`, into a record of at least `min_bytes`.
    ///
    /// # Errors
    /// When that is deeper than [`MAX_DEPTH`], or the datum holds too many records without bytes.
    #[inline]
    pub fn into_record(&mut self, min_bytes: usize, depth: u32) -> Result<u32, DatumError> {
        if min_bytes == 0 {
            self.check_items(1, 0)?;
        }
        self.deeper(depth)
    }

    /// Checks that every byte was read.
    ///
    /// # Errors
    /// When some are left over: the datum was written with another schema.
    pub fn finish(&self) -> Result<(), DatumError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fail(Reason::LeftOver(self.rest.len()))) }
    }
}

#[inline]
fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -(n & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(bytes: &[u8]) -> Result<i64, DatumError> {
        Cursor::new(bytes, 0).long()
    }

    #[test]
    fn longs_are_zigzag_varints() {
        for (bytes, expected) in [(&[0][..], 0), (&[1], -1), (&[2], 1), (&[0x7f], -64), (&[0x80, 1], 64)] {
            assert_eq!(long(bytes), Ok(expected), "{bytes:?}");
        }
        let ends = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(long(&ends), Ok(i64::MIN));
    }

    #[test]
    fn overlong_and_short_numbers_are_errors() {
        assert_eq!(long(&[0x80; 11]).unwrap_err().to_string(), "a number is longer than 64 bits (byte 0)");
        assert_eq!(long(&[0xff; 9]).unwrap_err().to_string(), "it ends too early (byte 0)");
        assert!(long(&[]).is_err());
    }

    #[test]
    fn lengths_beyond_the_bytes_are_errors_and_allocate_nothing() {
        let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(Cursor::new(&huge, 0).bytes().is_err());
        assert!(Cursor::new(&huge, 0).block(1).is_err());
        assert!(Cursor::new(&huge, 0).block(0).is_err());
        assert!(Cursor::new(&[1], 0).bytes().is_err(), "a negative length");
        assert!(Cursor::new(&[3, 3, 0], 0).block(1).is_err(), "a negative block size");
    }

    #[test]
    fn position_counts_from_the_start_of_the_header() {
        let mut cursor = Cursor::new(b"\0\0\0\0\x01\x04ab", 5);
        assert_eq!(cursor.text().unwrap(), "ab");
        assert_eq!(cursor.position(), 8);
        assert!(cursor.finish().is_ok());
        assert_eq!(cursor.bool().unwrap_err().to_string(), "it ends too early (byte 8)");
    }

    #[test]
    fn items_without_bytes_are_limited_over_the_whole_datum() {
        let block = [0x80, 0x80, 0x04];
        let twice = [block, block].concat();
        let mut cursor = Cursor::new(&twice, 0);
        assert_eq!(cursor.block(0).unwrap(), 1 << 15);
        assert_eq!(cursor.block(0).unwrap(), 1 << 15);
        assert!(Cursor { rest: &block, ..cursor }.block(0).is_err());
    }
}
