//! Lines of several files, plain or gzip, as one numbered sequence.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::vec;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::OnBrokenLine;

/// How many broken lines are remembered with their places.
const BROKEN_KEPT: usize = 20;

/// A line of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number over all files, from 1; blank lines have none.
    pub number: u64,
    /// The line without its end.
    pub bytes: Bytes,
    /// The record it holds; `None` for a broken line.
    pub record: Option<Value>,
}

/// A line that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLine {
    /// Its number over all files.
    pub number: u64,
    /// Its file.
    pub file: PathBuf,
    /// Its number in that file, from 1, blank lines counted, as editors show it.
    pub line_of_file: u64,
    /// What is wrong with it.
    pub cause: String,
}

/// What was read so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedStats {
    /// Lines with a number, broken ones among them.
    pub n_lines: u64,
    /// Lines of white space, which are left out.
    pub n_blank: u64,
    /// Lines that are not JSON.
    pub n_broken: u64,
    /// The first 20 of them.
    pub broken: Vec<BrokenLine>,
}

/// Why the feed ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// A file cannot be opened.
    #[error("the file {} cannot be opened: {source}; relative paths count from the mapping's folder or its data_dir", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read to its end.
    #[error("the file {} cannot be read after line {line_of_file}: {source}; check that it is whole", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The last line of the file that could be read.
        line_of_file: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not JSON, and the mapping says `on_broken_line = "fail"`.
    #[error("{}:{}: line {} of the feed is not JSON: {}; mend it, or set on_broken_line = \"skip\"",
        .0.file.display(), .0.line_of_file, .0.number, .0.cause)]
    Broken(BrokenLine),
}

/// The lines of several files in order, blank ones left out. Reads as it goes: a file need not fit into memory.
///
/// Gzip is recognised by its first bytes, whatever the file is called. Ends of lines are LF or CR LF; a byte order mark
/// at the beginning of a file is left out.
pub struct Lines {
    files: vec::IntoIter<PathBuf>,
    open: Option<OpenFile>,
    on_broken: OnBrokenLine,
    n_before: u64,
    skipped_through: u64,
    stats: FeedStats,
}

struct OpenFile {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    line: u64,
}

impl Lines {
    /// The lines of these files.
    pub fn new(files: impl IntoIterator<Item = PathBuf>, on_broken: OnBrokenLine) -> Self {
        let files = files.into_iter().collect::<Vec<_>>().into_iter();
        Self { files, open: None, on_broken, n_before: 0, skipped_through: 0, stats: FeedStats::default() }
    }

    /// Numbers the lines as those that follow `n_before` others.
    #[must_use]
    pub fn continuing(mut self, n_before: u64) -> Self {
        self.n_before = n_before;
        self
    }

    /// Passes over the lines up to this number without parsing them; they count as read.
    #[must_use]
    pub fn after(mut self, number: u64) -> Self {
        self.skipped_through = number;
        self
    }

    /// What was read so far.
    pub fn stats(&self) -> &FeedStats {
        &self.stats
    }

    /// The bytes of the next line that is not blank.
    fn read(&mut self) -> Result<Option<Bytes>, FeedError> {
        loop {
            if self.open.is_none() {
                let Some(path) = self.files.next() else { return Ok(None) };
                self.open = Some(OpenFile::open(path)?);
            }
            match self.open.as_mut().map_or(Ok(None), OpenFile::read)? {
                None => self.open = None,
                Some(bytes) if bytes.trim_ascii().is_empty() => self.stats.n_blank += 1,
                Some(bytes) => {
                    self.stats.n_lines += 1;
                    return Ok(Some(bytes.into()));
                }
            }
        }
    }

    /// The line just read; `None` if it is passed over, or broken and left out.
    fn admit(&mut self, bytes: Bytes) -> Result<Option<Line>, FeedError> {
        let number = self.n_before + self.stats.n_lines;
        if number <= self.skipped_through {
            return Ok(None);
        }
        let error = match serde_json::from_slice(&bytes) {
            Ok(record) => return Ok(Some(Line { number, bytes, record: Some(record) })),
            Err(error) => error,
        };
        let (file, line_of_file) = self.open.as_ref().map(|open| (open.path.clone(), open.line)).unwrap_or_default();
        let broken = BrokenLine { number, file, line_of_file, cause: error.to_string() };
        self.stats.n_broken += 1;
        if self.on_broken == OnBrokenLine::Fail {
            return Err(FeedError::Broken(broken));
        }
        if self.stats.broken.len() < BROKEN_KEPT {
            self.stats.broken.push(broken);
        }
        Ok((self.on_broken == OnBrokenLine::Feed).then_some(Line { number, bytes, record: None }))
    }
}

impl Iterator for Lines {
    type Item = Result<Line, FeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.read().transpose()?.and_then(|bytes| self.admit(bytes)).transpose();
            if line.is_some() {
                return line;
            }
        }
    }
}

impl OpenFile {
    fn open(path: PathBuf) -> Result<Self, FeedError> {
        match reader(&path) {
            Ok(reader) => Ok(Self { path, reader, line: 0 }),
            Err(source) => Err(FeedError::Open { path, source }),
        }
    }

    /// The next line without its end; `None` at the end of the file.
    fn read(&mut self) -> Result<Option<Vec<u8>>, FeedError> {
        let mut bytes = Vec::new();
        let n_read = self.reader.read_until(b'\n', &mut bytes);
        let n_read = n_read.map_err(|source| self.failed(source))?;
        if n_read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        Ok(Some(bytes))
    }

    fn failed(&self, source: io::Error) -> FeedError {
        FeedError::Read { path: self.path.clone(), line_of_file: self.line, source }
    }
}

fn reader(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    if magic == [0x1f, 0x8b] {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(BufReader::new(file)))));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("files", &self.files).field("stats", &self.stats).finish_non_exhaustive()
    }
}
