//! The segment files of one partition.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;

use super::append_file::{AppendFile, read_frames};
use super::header::Kind;
use super::{entry, files, frame};
use crate::error::OpenError;
use crate::options::Durability;

/// A partition's directory.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFiles {
    dir: PathBuf,
    durability: Durability,
}

/// What a partition's directory held.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// First offset and records of each segment, oldest first. The last one is the active one.
    pub(crate) segments: Vec<(Offset, Vec<LogRecord>)>,
    /// Appends to the active one.
    pub(crate) writer: SegmentWriter,
}

impl SegmentFiles {
    pub(super) fn new(dir: PathBuf, durability: Durability) -> Self {
        Self { dir, durability }
    }

    /// Reads all segments, cutting the newest one at its first bad frame.
    pub(crate) fn recover(&self) -> Result<Recovered, OpenError> {
        let mut bases = self.bases()?;
        let (active_base, active, file) = self.recover_active(&mut bases)?;
        let mut segments = Vec::new();
        for base in bases {
            segments.push((base, self.read_closed(base)?));
        }
        segments.push((active_base, active));
        self.check_order(&segments)?;
        Ok(Recovered { segments, writer: SegmentWriter { files: self.clone(), file, buffer: Vec::new() } })
    }

    /// Takes the newest segment off `bases` and opens it. One whose header was cut short was just being started: it is
    /// removed, and the one before it goes on.
    fn recover_active(&self, bases: &mut Vec<Offset>) -> Result<(Offset, Vec<LogRecord>, AppendFile), OpenError> {
        while let Some(base) = bases.pop() {
            let path = self.path(base);
            if let Some(frames) = read_frames(&path, Kind::Segment)? {
                let (records, file) = self.cut(path, frames)?;
                return Ok((base, records, file));
            }
            fs::remove_file(&path).map_err(OpenError::io("remove", &path))?;
        }
        let file = self.create(0).map_err(OpenError::io("create", &self.path(0)))?;
        Ok((0, Vec::new(), file))
    }

    fn cut(&self, path: PathBuf, mut frames: frame::Frames) -> Result<(Vec<LogRecord>, AppendFile), OpenError> {
        let records = decode_all(&path, &mut frames)?;
        if frames.n_torn_bytes() > 0 {
            let (kept, bytes) = (records.len(), frames.n_torn_bytes());
            tracing::warn!(path = %path.display(), kept, bytes, "cut the torn end of a segment off");
        }
        let file = AppendFile::open(path.clone(), frames.good_bytes, self.durability);
        Ok((records, file.map_err(OpenError::io("cut", &path))?))
    }

    /// The first offsets of the segments, ascending. Unfinished files are removed.
    fn bases(&self) -> Result<Vec<Offset>, OpenError> {
        let mut bases = Vec::new();
        for name in files::names(&self.dir).map_err(OpenError::io("list", &self.dir))? {
            let path = self.dir.join(&name);
            if name.ends_with(".tmp") {
                fs::remove_file(&path).map_err(OpenError::io("remove", &path))?;
            } else if let Some(base) = name.strip_suffix(".log").and_then(|base| base.parse().ok()) {
                bases.push(base);
            } else {
                return Err(OpenError::Foreign { path, cause: "segments are named by their first offset".into() });
            }
        }
        bases.sort_unstable();
        Ok(bases)
    }

    fn read_closed(&self, base: Offset) -> Result<Vec<LogRecord>, OpenError> {
        let path = self.path(base);
        let damaged = |at, cause: &str| OpenError::Damaged { path: path.clone(), at, cause: cause.into() };
        let Some(mut frames) = read_frames(&path, Kind::Segment)? else {
            return Err(damaged(0, "its header is cut short though a newer segment follows"));
        };
        let records = decode_all(&path, &mut frames)?;
        if frames.n_torn_bytes() > 0 {
            return Err(damaged(frames.good_bytes, "a record is cut short or altered though a newer segment follows"));
        }
        Ok(records)
    }

    /// Offsets ascend over all segments, and each segment's are its own.
    fn check_order(&self, segments: &[(Offset, Vec<LogRecord>)]) -> Result<(), OpenError> {
        let mut next = 0;
        for (base, records) in segments {
            let offsets = std::iter::once(*base).chain(records.iter().map(|record| record.offset));
            for (i, offset) in offsets.enumerate() {
                if offset < next {
                    let cause = format!("offset {offset} follows offset {}", next - 1);
                    return Err(OpenError::Damaged { path: self.path(*base), at: 0, cause });
                }
                next = if i == 0 { offset } else { offset + 1 };
            }
        }
        Ok(())
    }

    /// Puts these records in the place of a closed segment's.
    pub(crate) fn rewrite(&self, base: Offset, records: &[LogRecord]) -> io::Result<()> {
        let mut content = Kind::Segment.header();
        for record in records {
            frame::append(&mut content, |out| entry::encode(record, out));
        }
        files::replace(&self.path(base), &content, self.durability)
    }

    /// Removes a segment's file.
    pub(crate) fn remove(&self, base: Offset) -> io::Result<()> {
        fs::remove_file(self.path(base))
    }

    fn create(&self, base: Offset) -> io::Result<AppendFile> {
        AppendFile::create(self.path(base), Kind::Segment, self.durability)
    }

    fn path(&self, base: Offset) -> PathBuf {
        self.dir.join(format!("{base:020}.log"))
    }
}

fn decode_all(path: &Path, frames: &mut frame::Frames) -> Result<Vec<LogRecord>, OpenError> {
    let mut records = Vec::new();
    while let Some(payload) = frames.next() {
        let cause = "a record is whole but of no known form; a newer nowfold may have written it";
        let damaged = || OpenError::Damaged { path: path.to_owned(), at: frames.good_bytes, cause: cause.into() };
        records.push(entry::decode(payload).ok_or_else(damaged)?);
    }
    Ok(records)
}

/// Writes the active segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    files: SegmentFiles,
    file: AppendFile,
    /// Frames that are not written yet.
    buffer: Vec<u8>,
}

impl SegmentWriter {
    /// Puts a record into the buffer.
    pub(crate) fn push(&mut self, record: &LogRecord) {
        frame::append(&mut self.buffer, |out| entry::encode(record, out));
    }

    /// Bytes in the buffer.
    pub(crate) fn n_buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Hands the buffer to the operating system. When that fails, nothing of it stays.
    pub(crate) fn write_out(&mut self) -> io::Result<()> {
        let written = self.file.append(&self.buffer);
        self.buffer.clear();
        written
    }

    /// Goes on in a new file for offsets from `base`; what is in the buffer goes there. A closed segment is synced
    /// first, where durability asks for it.
    pub(crate) fn roll(&mut self, base: Offset) -> io::Result<()> {
        self.file.sync()?;
        self.file = self.files.create(base)?;
        Ok(())
    }

    /// Waits for the disk, where the durability asks for that.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}
