//! Committed offsets on disk: a frame for each committed partition, the newest of a partition counts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use nowfold_core::names::TopicPartition;
use nowfold_runtime::broker::Committed;
use nowfold_runtime::membership::OffsetCommit;
use serde::{Deserialize, Serialize};

use super::append_file::{AppendFile, read_frames};
use super::header::Kind;
use super::{files, frame};
use crate::error::OpenError;
use crate::options::Durability;

/// Committed offsets by group and partition.
pub(crate) type Entries = BTreeMap<String, BTreeMap<TopicPartition, Committed>>;

/// A frame's payload, in postcard.
#[derive(Serialize, Deserialize)]
struct Stored {
    group: String,
    partition: TopicPartition,
    offset: i64,
    metadata: String,
}

/// The file of committed offsets. It is rewritten when most of it is out of date.
#[derive(Debug)]
pub(crate) struct OffsetsFile {
    file: AppendFile,
    durability: Durability,
    n_frames: usize,
}

impl OffsetsFile {
    /// Opens the file, cutting a torn end off, and returns what it holds.
    pub(super) fn open(path: PathBuf, durability: Durability) -> Result<(Self, Entries), OpenError> {
        let mut entries = Entries::new();
        if path.exists()
            && let Some(frames) = read_frames(&path, Kind::Offsets)?
        {
            read_into(&path, frames, &mut entries)?;
        }
        // Rewriting at each start leaves the torn end behind and keeps the file small.
        let (len, n_frames) = rewrite(&path, &entries, durability).map_err(OpenError::io("write", &path))?;
        let file = AppendFile::open(path.clone(), len, durability).map_err(OpenError::io("open", &path))?;
        Ok((Self { file, durability, n_frames }, entries))
    }

    /// Writes commits; either all of them or none.
    pub(crate) fn append(&mut self, group: &str, commits: &[OffsetCommit]) -> io::Result<()> {
        let mut frames = Vec::new();
        for commit in commits {
            let partition = commit.partition.clone();
            let stored = stored(group, partition, commit.offset, &commit.metadata)?;
            frame::append(&mut frames, |out| out.extend_from_slice(&stored));
        }
        self.file.append(&frames)?;
        self.n_frames += commits.len();
        self.file.sync()
    }

    /// Rewrites the file when it has grown to many times its content. A failure to write leaves it as it was.
    pub(crate) fn shrink(&mut self, entries: &Entries) -> io::Result<()> {
        let n_live: usize = entries.values().map(BTreeMap::len).sum();
        if self.n_frames <= 10_000 + 4 * n_live {
            return Ok(());
        }
        let path = self.file.path().to_owned();
        let (len, n_frames) = rewrite(&path, entries, self.durability)?;
        // The open file has no name any more: without the new one, commits must fail rather than be lost.
        self.file.refuse_appends();
        self.file = AppendFile::open(path, len, self.durability)?;
        self.n_frames = n_frames;
        Ok(())
    }
}

fn stored(group: &str, partition: TopicPartition, offset: i64, metadata: &str) -> io::Result<Vec<u8>> {
    let stored = Stored { group: group.to_owned(), partition, offset, metadata: metadata.to_owned() };
    postcard::to_stdvec(&stored).map_err(io::Error::other)
}

fn read_into(path: &Path, mut frames: frame::Frames, entries: &mut Entries) -> Result<(), OpenError> {
    while let Some(payload) = frames.next() {
        let stored: Stored = postcard::from_bytes(&payload).map_err(|error| OpenError::Damaged {
            path: path.to_owned(),
            at: frames.good_bytes,
            cause: format!("a committed offset of no known form: {error}"),
        })?;
        let committed = Committed { offset: stored.offset, metadata: stored.metadata };
        entries.entry(stored.group).or_default().insert(stored.partition, committed);
    }
    Ok(())
}

/// Replaces the file by one of just these entries; returns its length in bytes and in frames.
fn rewrite(path: &Path, entries: &Entries, durability: Durability) -> io::Result<(u64, usize)> {
    let mut content = Kind::Offsets.header();
    let mut n_frames = 0;
    for (group, partitions) in entries {
        for (partition, committed) in partitions {
            let stored = stored(group, partition.clone(), committed.offset, &committed.metadata)?;
            frame::append(&mut content, |out| out.extend_from_slice(&stored));
            n_frames += 1;
        }
    }
    files::replace(path, &content, durability)?;
    Ok((u64::try_from(content.len()).unwrap_or(u64::MAX), n_frames))
}
