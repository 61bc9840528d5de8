//! A frame: `[length u32 | crc32c u32 | payload]`, little-endian; length and checksum are those of the payload.
//! A payload has at least one byte, so that zeros are never a frame.

use bytes::{Buf, Bytes};

const PREFIX: usize = 8;

/// Appends a frame to `buffer`; `write` appends its payload.
pub(super) fn append(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; PREFIX]);
    write(buffer);
    let Some((prefix, payload)) = buffer.get_mut(start..).and_then(|frame| frame.split_at_mut_checked(PREFIX)) else {
        return;
    };
    // Records are limited by max.message.bytes, an i32, and metadata by 4,096 bytes: the length always fits.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let (length_field, crc_field) = prefix.split_at_mut(4);
    length_field.copy_from_slice(&length.to_le_bytes());
    crc_field.copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
}

/// The payloads of consecutive frames, up to the first that is cut short or damaged.
#[derive(Debug)]
pub(super) struct Frames {
    rest: Bytes,
    /// Bytes from the file's start to the end of the last whole frame.
    pub(super) good_bytes: u64,
}

impl Frames {
    /// Reads the frames of `file` after its first `skip` bytes.
    pub(super) fn new(mut file: Bytes, skip: usize) -> Self {
        let skip = skip.min(file.len());
        file.advance(skip);
        Self { rest: file, good_bytes: u64::try_from(skip).unwrap_or(u64::MAX) }
    }

    /// Bytes that are not part of a whole frame, once the iterator has ended.
    pub(super) fn n_torn_bytes(&self) -> usize {
        self.rest.len()
    }
}

impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut rest = self.rest.clone();
        let length = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
        let crc = rest.try_get_u32_le().ok()?;
        if length == 0 || rest.len() < length {
            return None;
        }
        let payload = rest.split_to(length);
        if crc32c::crc32c(&payload) != crc {
            return None;
        }
        self.good_bytes += u64::try_from(PREFIX + length).unwrap_or(u64::MAX);
        self.rest = rest;
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (Vec<u8>, Vec<usize>) {
        let mut buffer = b"head".to_vec();
        let ends = [&b"one"[..], b"two", &[0; 50]].map(|payload| {
            append(&mut buffer, |out| out.extend_from_slice(payload));
            buffer.len()
        });
        (buffer, ends.to_vec())
    }

    #[test]
    fn reads_back_what_was_appended() {
        let (buffer, _) = file();
        let payloads: Vec<_> = Frames::new(buffer.into(), 4).collect();
        assert_eq!(payloads, [&b"one"[..], b"two", &[0; 50]]);
    }

    #[test]
    fn stops_at_a_frame_cut_at_any_byte() {
        let (buffer, ends) = file();
        for cut in 4..buffer.len() {
            let mut frames = Frames::new(buffer[..cut].to_vec().into(), 4);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(frames.by_ref().count(), whole, "cut at {cut}");
            let good = ends.iter().rev().find(|end| **end <= cut).copied().unwrap_or(4);
            assert_eq!((frames.good_bytes, frames.n_torn_bytes()), (good as u64, cut - good), "cut at {cut}");
        }
    }

    #[test]
    fn stops_at_a_flipped_bit_and_at_zeros() {
        let (buffer, ends) = file();
        for at in 4..ends[0] {
            let mut damaged = buffer.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Frames::new(damaged.into(), 4).count(), 0, "byte {at} damaged");
        }
        assert_eq!(Frames::new(vec![0; 100].into(), 4).count(), 0);
    }
}
