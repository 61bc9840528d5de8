//! The copy of an event log's partition, in segment files that are only appended to.
//!
//! **Invariants.** A segment begins where the one before it ends, and the first no later than the topic: so no list of the
//! segments is needed, and one that is missing is noticed. Only the last segment is written; a crash can cut only its
//! end off, which is dropped. Damage anywhere else ends the copy there: the segment is cut, and those behind it are
//! moved aside. What the topic has let go of is dropped by whole segments.

mod block;
mod record;
mod replay;
mod segment;
mod writer;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_runtime::local::{Durability, LocalError, LocalLog};

use crate::files;
use crate::origin::{self, Origin};
use replay::Replay;
use segment::SegmentReader;
use writer::Writer;

/// Where a copy lies, and how it is written.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    /// Where it goes when it cannot be used.
    pub(crate) aside: PathBuf,
    /// What it is a copy of.
    pub(crate) origin: Origin,
    pub(crate) durability: Durability,
    /// A segment that has reached this size is followed by another.
    pub(crate) segment_bytes: u64,
}

/// The copy of one partition.
#[derive(Debug)]
pub(crate) struct SegmentLog {
    place: Place,
    /// The first offsets of the segments that have a file, oldest first.
    bases: Vec<Offset>,
    /// What is covered on disk.
    held: Range<Offset>,
    replay: Option<Replay>,
    writer: Writer,
    has_grown: bool,
}

impl SegmentLog {
    /// Opens the copy in its directory, which exists. A torn end is cut off.
    pub(crate) fn open(place: Place) -> Result<Self, LocalError> {
        let mut bases: Vec<Offset> = Vec::new();
        for name in files::names(&place.dir)? {
            bases.extend(name.strip_suffix(".seg").and_then(|base| base.parse::<Offset>().ok()));
        }
        bases.sort_unstable();
        let writer = writer(&place);
        let mut log = Self { place, bases, held: 0..0, replay: None, writer, has_grown: false };
        log.find_end()?;
        Ok(log)
    }

    /// Finds the end of the last segment, and cuts off what a crash left behind it.
    fn find_end(&mut self) -> Result<(), LocalError> {
        let Some(&first) = self.bases.first() else { return Ok(()) };
        self.held = first..first;
        while let Some(&base) = self.bases.last() {
            let path = self.path(base);
            match SegmentReader::open(&path, self.place.origin.checksum())? {
                Ok(reader) => {
                    let scanned = reader.scan(base).map_err(LocalError::io("read", &path))?;
                    let (end, good_bytes, damage) = scanned;
                    if let Some(cause) = damage {
                        cut(&path, good_bytes, cause)?;
                    }
                    self.held.end = end;
                    return self.writer.resume(path, good_bytes);
                }
                // It was just being started.
                Err("its header is cut short") => {
                    fs::remove_file(&path).map_err(LocalError::io("remove", &path))?;
                    self.bases.pop();
                }
                Err(cause) => {
                    self.set_segment_aside(base, cause)?;
                    self.bases.pop();
                }
            }
        }
        Ok(())
    }

    fn path(&self, base: Offset) -> PathBuf {
        path_of(&self.place.dir, base)
    }

    fn set_segment_aside(&self, base: Offset, cause: &str) -> Result<(), LocalError> {
        let path = self.path(base);
        files::move_aside(&path, &self.place.aside.join(path.file_name().unwrap_or_default()), cause)
    }

    /// The copy ends at `end`, `good_bytes` into the segment at `at`: the rest is damaged or does not follow.
    fn end_at(&mut self, at: usize, end: Offset, good_bytes: u64, cause: &str) -> Result<(), LocalError> {
        for base in self.bases.drain(at + 1..).collect::<Vec<_>>() {
            self.set_segment_aside(base, cause)?;
        }
        self.held.end = end;
        let Some(&base) = self.bases.get(at) else { return Ok(()) };
        let path = self.path(base);
        if good_bytes < segment::HEADER as u64 {
            self.set_segment_aside(base, cause)?;
            self.bases.truncate(at);
            self.writer.close();
            return Ok(());
        }
        cut(&path, good_bytes, cause)?;
        self.writer.resume(path, good_bytes)
    }

    /// Writes what is gathered as one block.
    fn write(&mut self) {
        let needs_file = self.writer.needs_file() && !self.writer.is_empty();
        if needs_file {
            let (base, path) = (self.held.end, self.path(self.held.end));
            if self.writer.create(path) {
                self.has_grown |= !self.bases.is_empty();
                self.bases.push(base);
            }
        }
        if let Some(end) = self.writer.write() {
            self.held.end = end;
        }
    }
}

impl LocalLog for SegmentLog {
    fn held(&self) -> Range<Offset> {
        self.held.clone()
    }

    fn begin(&mut self, at: Offset) {
        if self.bases.is_empty() {
            self.held = at..at;
        }
    }

    fn replay(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, LocalError> {
        let origin = self.place.origin.checksum();
        let mut replay = self.replay.take().unwrap_or_else(|| Replay::from(self.held.start, origin));
        let before = into.len();
        while into.len() - before < max.max(1) {
            match replay.next(&self.bases, |base| path_of(&self.place.dir, base))? {
                replay::Step::Content(content) => into.extend(content.records),
                replay::Step::End => break,
                replay::Step::Damage { at, end, good_bytes, cause } => {
                    self.end_at(at, end, good_bytes, cause)?;
                    replay.finish();
                    break;
                }
            }
        }
        self.replay = Some(replay);
        Ok(into.len() - before)
    }

    fn append(&mut self, records: &[LogRecord], position: Offset) {
        if self.writer.push(records, position) {
            self.write();
        }
    }

    fn flush(&mut self) {
        self.write();
        self.writer.sync();
    }

    fn has_grown(&mut self) -> bool {
        std::mem::take(&mut self.has_grown)
    }

    fn forget_before(&mut self, low: Offset) {
        while let [first, second, ..] = *self.bases
            && second <= low
        {
            let path = self.path(first);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an expired segment stays");
                return;
            }
            self.bases.remove(0);
            self.held.start = second;
        }
    }

    fn discard(&mut self, cause: &str) -> Result<(), LocalError> {
        let place = &self.place;
        self.writer = writer(place);
        (self.bases, self.held, self.replay) = (Vec::new(), 0..0, None);
        files::move_aside(&place.dir, &place.aside, cause)?;
        files::create_dir(&place.dir)?;
        origin::write(&place.dir, &place.origin, place.durability)
    }
}

fn writer(place: &Place) -> Writer {
    Writer::new(place.durability, place.segment_bytes, place.origin.checksum())
}

fn path_of(dir: &Path, base: Offset) -> PathBuf {
    dir.join(format!("{base:020}.seg"))
}

/// Cuts a segment off behind its last good block.
fn cut(path: &Path, good_bytes: u64, cause: &str) -> Result<(), LocalError> {
    tracing::warn!(path = %path.display(), good_bytes, cause, "the end of a segment is cut off");
    let open = || fs::OpenOptions::new().write(true).open(path)?.set_len(good_bytes);
    open().map_err(LocalError::io("cut", path))
}
