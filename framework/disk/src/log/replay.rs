//! Reading a copy from its first segment to its last.

use std::path::PathBuf;

use nowfold_core::names::Offset;
use nowfold_runtime::local::LocalError;

use super::block::{self, Content};
use super::segment::{Next, SegmentReader};

/// How far the reading is.
#[derive(Debug)]
pub(super) struct Replay {
    /// The segment that is read, by its place.
    at: usize,
    reader: Option<SegmentReader>,
    position: Offset,
    /// The checksum of what is copied.
    origin: u32,
    is_finished: bool,
}

/// What comes next.
pub(super) enum Step {
    /// A block.
    Content(Content),
    /// Nothing more.
    End,
    /// The copy ends at the offset `end`, `good_bytes` into its segment `at`.
    Damage { at: usize, end: Offset, good_bytes: u64, cause: &'static str },
}

impl Replay {
    /// Reads from the first segment on, which begins at this offset; segments of another origin are not read.
    pub(super) fn from(start: Offset, origin: u32) -> Self {
        Self { at: 0, reader: None, position: start, origin, is_finished: false }
    }

    /// Nothing more is to be read.
    pub(super) fn finish(&mut self) {
        (self.is_finished, self.reader) = (true, None);
    }

    pub(super) fn next(&mut self, bases: &[Offset], path: impl Fn(Offset) -> PathBuf) -> Result<Step, LocalError> {
        while !self.is_finished {
            let Some(&base) = bases.get(self.at) else { break };
            let path = path(base);
            if self.reader.is_none() {
                match self.open(base, &path)? {
                    Ok(reader) => self.reader = Some(reader),
                    Err(cause) => return Ok(self.damage(0, cause)),
                }
            }
            let Some(reader) = &mut self.reader else { break };
            let before = reader.good_bytes;
            match reader.next().map_err(LocalError::io("read", &path))? {
                Next::Payload(payload) => match block::decode(payload, self.position) {
                    Some(content) => {
                        self.position = content.position;
                        return Ok(Step::Content(content));
                    }
                    None => return Ok(self.damage(before, "a block is of another format, or does not follow")),
                },
                Next::End => (self.at, self.reader) = (self.at + 1, None),
                Next::Damage(cause) => return Ok(self.damage(before, cause)),
            }
        }
        Ok(Step::End)
    }

    fn open(&self, base: Offset, path: &std::path::Path) -> Result<Result<SegmentReader, &'static str>, LocalError> {
        if base != self.position {
            return Ok(Err("it does not begin where the segment before it ends"));
        }
        SegmentReader::open(path, self.origin)
    }

    fn damage(&self, good_bytes: u64, cause: &'static str) -> Step {
        Step::Damage { at: self.at, end: self.position, good_bytes, cause }
    }
}
