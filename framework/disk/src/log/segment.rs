//! A segment file: a header of 16 bytes, and blocks.
//!
//! The header is `NOWFOLD`, the letter `C`, the format and the CRC-32C of what the copy is of (both u32, little-endian), so
//! that a segment of another partition is not taken for one of this. Format 1 had zeros there. The file's name is the offset
//! that the copy covers from there on, in 20 digits.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use bytes::Bytes;
use nowfold_core::names::Offset;
use nowfold_runtime::local::LocalError;

use super::block::{self, PREFIX};
use crate::origin::LOG;

/// Length of a header in bytes.
pub(super) const HEADER: usize = 16;

const MAGIC: &[u8; 8] = b"NOWFOLDC";

/// The header of a segment of this origin.
pub(super) fn header(origin: u32) -> Vec<u8> {
    [&MAGIC[..], &LOG.to_le_bytes(), &origin.to_le_bytes()].concat()
}

/// That of format 1, whose blocks are the same.
fn first_header() -> Vec<u8> {
    [&MAGIC[..], &1_u32.to_le_bytes(), &[0; 4]].concat()
}

/// Reads a segment's blocks in order.
#[derive(Debug)]
pub(super) struct SegmentReader {
    file: BufReader<File>,
    /// Bytes that were found good so far.
    pub(super) good_bytes: u64,
    /// Bytes of the file.
    len: u64,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Next {
    /// A payload whose checksum is right.
    Payload(Bytes),
    /// Nothing more.
    End,
    /// Bytes that are no block, such as one that was cut short.
    Damage(&'static str),
}

impl SegmentReader {
    /// Opens a segment; `Ok(Err(cause))` when its header is not one of a format that is read, and of this origin.
    pub(super) fn open(path: &Path, origin: u32) -> Result<Result<Self, &'static str>, LocalError> {
        let open = || {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            Ok((BufReader::with_capacity(1 << 20, file), len))
        };
        let (mut file, len) = open().map_err(LocalError::io("open", path))?;
        let mut found = [0; HEADER];
        match file.read_exact(&mut found) {
            Ok(()) if found == *header(origin) || found == *first_header() => {
                Ok(Ok(Self { file, good_bytes: HEADER as u64, len }))
            }
            Ok(()) => Ok(Err("its header is not that of a segment of this format, partition and log")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Err("its header is cut short")),
            Err(error) => Err(LocalError::io("read", path)(error)),
        }
    }

    /// The next payload.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let left = self.len.saturating_sub(self.good_bytes);
        if left == 0 {
            return Ok(Next::End);
        }
        if left < PREFIX as u64 {
            return Ok(Next::Damage("a block is cut short"));
        }
        let mut prefix = [0; PREFIX];
        self.file.read_exact(&mut prefix)?;
        let (length, crc) = block::prefix(prefix);
        if u64::from(length) > left - PREFIX as u64 {
            return Ok(Next::Damage("a block is cut short"));
        }
        let mut payload = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact(&mut payload)?;
        if crc32c::crc32c(&payload) != crc || payload.is_empty() {
            return Ok(Next::Damage("a block's checksum is wrong"));
        }
        self.good_bytes += PREFIX as u64 + u64::from(length);
        Ok(Next::Payload(payload.into()))
    }

    /// Reads to the end, without looking into the payloads: the position behind the last good block, and the damage, if
    /// any, that follows it.
    pub(super) fn scan(mut self, base: Offset) -> io::Result<(Offset, u64, Option<&'static str>)> {
        let mut end = base;
        loop {
            match self.next()? {
                Next::Payload(payload) => match block::position(&payload) {
                    Some(position) if position >= end => end = position,
                    _ => return Ok((end, self.good_bytes, Some("a block is of another format"))),
                },
                Next::End => return Ok((end, self.good_bytes, None)),
                Next::Damage(cause) => return Ok((end, self.good_bytes, Some(cause))),
            }
        }
    }
}
