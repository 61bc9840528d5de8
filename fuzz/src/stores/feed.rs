//! Taking parts off invented bytes.

use bytes::Bytes;

/// What is left of the bytes.
pub(super) struct Feed<'a>(&'a [u8]);

impl<'a> Feed<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A length of one byte and so many bytes, or what there is; `None` for the length 255, and at the end.
    pub(super) fn part(&mut self) -> Option<Bytes> {
        let length = self.byte().filter(|length| *length < u8::MAX)?;
        let (part, rest) = self.0.split_at(usize::from(length).min(self.0.len()));
        self.0 = rest;
        Some(Bytes::copy_from_slice(part))
    }
}
