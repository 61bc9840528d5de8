//! The files of a backfill as one numbered sequence of records.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::vec;

use anyhow::Context as _;
use nowfold_mapping::{BrokenLine, CompiledMapping, FeedStats, Lines, OnBrokenLine};
use serde_json::Value;

use super::error::{BackfillError, UnknownColumn};
use super::parquet_file::{MAGIC, ParquetFile, Rows};

/// Files in order, each known to be there.
pub(super) struct Feed {
    files: Vec<FeedFile>,
    on_broken: OnBrokenLine,
}

/// One file.
pub(super) struct FeedFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    is_parquet: bool,
}

/// A line or a row with its number over all files, from 1.
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) value: Value,
}

impl Feed {
    pub(super) fn open(paths: Vec<PathBuf>, on_broken: OnBrokenLine) -> anyhow::Result<Self> {
        let open = |path: PathBuf| FeedFile::open(&path).map_err(|cause| BackfillError::Unreadable { path, cause });
        Ok(Self { files: paths.into_iter().map(open).collect::<Result<_, _>>()?, on_broken })
    }

    pub(super) fn files(&self) -> &[FeedFile] {
        &self.files
    }

    /// Refuses fields of the mapping that a Parquet file has no column for.
    pub(super) fn check_schemas(&self, mapping: &CompiledMapping) -> anyhow::Result<()> {
        for file in self.files.iter().filter(|file| file.is_parquet) {
            let known = ParquetFile::open(&file.path)?.columns();
            let wanted = mapping.columns();
            let unknown = wanted.iter().filter(|(name, _)| !known.contains(name));
            let columns: Vec<_> = unknown
                .map(|(name, parts)| UnknownColumn::new(name, parts, known.iter().map(String::as_str)))
                .collect();
            if !columns.is_empty() {
                return Err(BackfillError::UnknownColumns { columns }).with_context(|| file.path.display().to_string());
            }
        }
        Ok(())
    }

    /// The records after this number.
    pub(super) fn records(&self, after: u64) -> Records<'_> {
        Records { feed: self, next_file: 0, open: None, n_before: 0, after, stats: FeedStats::default() }
    }
}

impl FeedFile {
    fn open(path: &Path) -> Result<Self, String> {
        let look = |path: &Path| {
            let mut file = File::open(path)?;
            let mut magic = Vec::new();
            file.by_ref().take(4).read_to_end(&mut magic)?;
            Ok((file.metadata()?.len(), magic == MAGIC))
        };
        let look = look(path).map_err(|error: std::io::Error| format!("{error}; check its name and your rights"));
        look.map(|(bytes, is_parquet)| Self { path: path.to_owned(), bytes, is_parquet })
    }
}

/// Reads as it goes; files need not fit into memory.
pub(super) struct Records<'a> {
    feed: &'a Feed,
    next_file: usize,
    open: Option<OpenFile>,
    /// Numbers given away by the files that are done.
    n_before: u64,
    after: u64,
    stats: FeedStats,
}

enum OpenFile {
    Lines(Lines),
    Rows { rows: Rows, n_read: u64 },
}

impl Records<'_> {
    /// What was read so far.
    pub(super) fn stats(&self) -> FeedStats {
        let mut stats = self.stats.clone();
        self.open.iter().for_each(|open| open.add_to(&mut stats));
        stats
    }

    fn open_next(&mut self) -> anyhow::Result<bool> {
        let Some(file) = self.feed.files.get(self.next_file) else { return Ok(false) };
        self.next_file += 1;
        self.open = Some(if file.is_parquet {
            OpenFile::Rows { rows: ParquetFile::open(&file.path)?.rows(), n_read: 0 }
        } else {
            // What is broken here does not get better on the way through a raw topic: it is left out.
            let on_broken =
                if self.feed.on_broken == OnBrokenLine::Fail { OnBrokenLine::Fail } else { OnBrokenLine::Skip };
            let lines = Lines::new(vec![file.path.clone()], on_broken);
            OpenFile::Lines(lines.continuing(self.n_before).after(self.after))
        });
        Ok(true)
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.add_to(&mut self.stats);
            self.n_before = self.stats.n_lines;
        }
    }

    fn read(&mut self) -> anyhow::Result<Option<Record>> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let (n_before, after) = (self.n_before, self.after);
            match self.open.as_mut().map_or(Ok(None), |open| open.read(n_before, after))? {
                Some(record) => return Ok(Some(record)),
                None => self.close(),
            }
        }
    }
}

impl Iterator for Records<'_> {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl OpenFile {
    fn read(&mut self, n_before: u64, after: u64) -> anyhow::Result<Option<Record>> {
        match self {
            Self::Lines(lines) => {
                let line = lines.next().transpose()?;
                Ok(line.and_then(|line| Some(Record { number: line.number, value: line.record? })))
            }
            Self::Rows { rows, n_read } => {
                for row in rows {
                    let value = row?;
                    *n_read += 1;
                    let number = n_before + *n_read;
                    if number > after {
                        return Ok(Some(Record { number, value }));
                    }
                }
                Ok(None)
            }
        }
    }

    fn add_to(&self, stats: &mut FeedStats) {
        match self {
            Self::Lines(lines) => {
                let of_file = lines.stats();
                stats.n_lines += of_file.n_lines;
                stats.n_blank += of_file.n_blank;
                stats.n_broken += of_file.n_broken;
                stats.broken.extend(of_file.broken.iter().cloned());
            }
            Self::Rows { n_read, .. } => stats.n_lines += n_read,
        }
    }
}

/// A broken line as people find it.
pub(super) fn place(line: &BrokenLine) -> String {
    format!("{}:{}: {}", line.file.display(), line.line_of_file, line.cause)
}
