//! Writing the last segment.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_runtime::local::{Durability, LocalError};

use super::block::Builder;
use super::segment;
use crate::files;

/// Bytes that are gathered before they are written: beyond this, larger writes gain little.
const BLOCK_BYTES: usize = 256 << 10;

/// Gathers records, and appends them in blocks.
#[derive(Debug)]
pub(super) struct Writer {
    durability: Durability,
    /// A segment that has reached this size is followed by another.
    segment_bytes: u64,
    /// The checksum of what is copied.
    origin: u32,
    block: Builder,
    active: Option<Active>,
    is_unsynced: bool,
    /// The disk has refused a write: nothing more is written until the copy is opened anew.
    is_broken: bool,
}

#[derive(Debug)]
struct Active {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Writer {
    pub(super) fn new(durability: Durability, segment_bytes: u64, origin: u32) -> Self {
        let (block, active, is_unsynced, is_broken) = (Builder::default(), None, false, false);
        Self { durability, segment_bytes, origin, block, active, is_unsynced, is_broken }
    }

    /// Goes on behind the first `len` bytes of a segment.
    pub(super) fn resume(&mut self, path: PathBuf, len: u64) -> Result<(), LocalError> {
        let file = files::private().append(true).open(&path).map_err(LocalError::io("open", &path))?;
        self.active = Some(Active { path, file, len });
        Ok(())
    }

    /// The next block begins a segment.
    pub(super) fn close(&mut self) {
        self.active = None;
    }

    /// Gathers records; true when it is time to write.
    pub(super) fn push(&mut self, records: &[LogRecord], position: Offset) -> bool {
        if !self.is_broken {
            self.block.push(records, position);
        }
        self.block.len() >= BLOCK_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.block.len() == 0
    }

    /// Whether the next block begins a segment.
    pub(super) fn needs_file(&self) -> bool {
        !self.is_broken && self.active.as_ref().is_none_or(|active| active.len >= self.segment_bytes)
    }

    /// Begins a segment; false when the disk refuses.
    pub(super) fn create(&mut self, path: PathBuf) -> bool {
        self.sync();
        let header = segment::header(self.origin);
        let create = || {
            let mut file = files::private().append(true).open(&path)?;
            file.set_len(0)?;
            file.write_all(&header)?;
            files::sync_parent(&path, self.durability)?;
            io::Result::Ok(file)
        };
        match create() {
            Ok(file) => {
                self.active = Some(Active { path, file, len: header.len() as u64 });
                true
            }
            Err(error) => {
                _ = std::fs::remove_file(&path);
                self.give_up(&error);
                false
            }
        }
    }

    /// Writes what is gathered; the offset that is covered up to then.
    pub(super) fn write(&mut self) -> Option<Offset> {
        if self.is_broken {
            return None;
        }
        let (bytes, position) = self.block.finish()?;
        let active = self.active.as_mut()?;
        if let Err(error) = active.file.write_all(&bytes) {
            // What was written in part is cut off, now or when the segment is read.
            _ = active.file.set_len(active.len);
            self.give_up(&error);
            return None;
        }
        active.len += bytes.len() as u64;
        self.block.reuse(bytes);
        self.is_unsynced = true;
        Some(position)
    }

    /// Waits for the disk, where the durability asks for that.
    pub(super) fn sync(&mut self) {
        if self.is_unsynced && self.durability == Durability::PowerLoss {
            self.is_unsynced = false;
            if let Some(Err(error)) = self.active.as_ref().map(|active| active.file.sync_data()) {
                self.give_up(&error);
            }
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        let path = self.active.as_ref().map(|active| active.path.display().to_string());
        metrics::counter!("nowfold_local_state_errors_total").increment(1);
        tracing::warn!(path, %error, "an event log is not copied any more; the next start reads the rest from the topic");
        (self.is_broken, self.block) = (true, Builder::default());
    }
}
