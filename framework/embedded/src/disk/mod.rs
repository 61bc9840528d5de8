//! The data directory: what a log leaves behind for the next process.
//!
//! ```text
//! DIR/format                                  which format the directory has, in words
//! DIR/lock                                    locked while a process has the directory open
//! DIR/offsets.log                             committed offsets of groups, newest last
//! DIR/topics/<topic>/topic.properties         number of partitions, and settings that are not the default
//! DIR/topics/<topic>/<partition>/<base>.log   a segment: its first offset in 20 digits
//! ```
//!
//! `.log` files are a [`header`] and then [`frame`]s, only ever appended to; everything else is replaced by renaming a
//! finished `.tmp` file, which makes such files rubbish when found at the start. **Invariants**: a process that opens
//! the directory holds the lock; a record is written before anyone can read it and before its producer's `flush`
//! returns; a commit is written before it can be asked for. So whatever anyone saw before a `kill -9` is there after it.
//! Recovery cuts the newest segment at its first frame that is not whole; an older segment cannot be torn by a crash,
//! so damage there is an error.

mod append_file;
mod entry;
mod files;
mod frame;
mod header;
mod offsets_file;
mod segment_file;
mod topic_file;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nowfold_core::names::{TopicName, TopicPartition};

use crate::error::OpenError;
use crate::options::Durability;
use crate::topic::TopicConfig;

pub(crate) use offsets_file::{Entries, OffsetsFile};
pub(crate) use segment_file::{SegmentFiles, SegmentWriter};

const FORMAT_LINE: &str = "nowfold embedded log, format ";

/// An open, locked data directory.
#[derive(Debug)]
pub(crate) struct DataDir {
    dir: PathBuf,
    durability: Durability,
    /// Dropping it unlocks the directory.
    _lock: File,
}

impl DataDir {
    /// Opens the directory, creating it when it does not exist.
    pub(crate) fn open(dir: &Path, durability: Durability) -> Result<Self, OpenError> {
        files::create_dir(dir).map_err(OpenError::io("create", dir))?;
        let format = dir.join("format");
        let is_new = !format.exists();
        if is_new {
            refuse_foreign(dir)?;
        }
        let lock = lock(dir)?;
        if is_new {
            let text = format!("{FORMAT_LINE}{}\n", header::VERSION);
            files::replace(&format, text.as_bytes(), durability).map_err(OpenError::io("write", &format))?;
        }
        check_format(&format)?;
        let topics = dir.join("topics");
        files::create_dir(&topics).map_err(OpenError::io("create", &topics))?;
        Ok(Self { dir: dir.to_owned(), durability, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// The directory, as what tells its log from others.
    pub(crate) fn id(&self) -> String {
        let dir = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        format!("embedded log in {}", dir.display())
    }

    /// The topics here; those whose creation was interrupted are removed.
    pub(crate) fn topic_names(&self) -> Result<Vec<TopicName>, OpenError> {
        topic_file::names(&self.dir.join("topics"))
    }

    /// Creates a topic's directory with everything in it, or nothing.
    pub(crate) fn create_topic(
        &self,
        name: &TopicName,
        n_partitions: i32,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), OpenError> {
        topic_file::create(&self.topic_dir(name), n_partitions, settings, self.durability)
    }

    /// A topic's number of partitions and its configuration.
    pub(crate) fn read_topic(&self, name: &TopicName) -> Result<(i32, TopicConfig), OpenError> {
        topic_file::read(&self.topic_dir(name))
    }

    /// The segment files of a partition.
    pub(crate) fn segment_files(&self, id: &TopicPartition) -> Result<SegmentFiles, OpenError> {
        let dir = self.topic_dir(&id.topic).join(id.partition.to_string());
        files::create_dir(&dir).map_err(OpenError::io("create", &dir))?;
        Ok(SegmentFiles::new(dir, self.durability))
    }

    /// The file of committed offsets, and what it holds.
    pub(crate) fn offsets(&self) -> Result<(OffsetsFile, Entries), OpenError> {
        OffsetsFile::open(self.dir.join("offsets.log"), self.durability)
    }

    fn topic_dir(&self, name: &TopicName) -> PathBuf {
        self.dir.join("topics").join(name.as_str())
    }
}

/// How long an occupied lock is tried again. A process that another thread is just starting holds a copy of all our
/// files, and so of a lock that we dropped, until it runs its own program.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = files::open_append(&path).map_err(OpenError::io("open", &path))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_PATIENCE / 30),
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(OpenError::io("lock", &path)(source)),
        }
    }
}

/// A directory without a format is only ours when it is empty, or when we died while creating it.
fn refuse_foreign(dir: &Path) -> Result<(), OpenError> {
    let names = files::names(dir).map_err(OpenError::io("list", dir))?;
    match names.into_iter().find(|name| name != "lock" && name != "format.tmp") {
        None => Ok(()),
        Some(name) => {
            Err(OpenError::Foreign { path: dir.to_owned(), cause: format!("it holds {name:?} but no file \"format\"") })
        }
    }
}

fn check_format(path: &Path) -> Result<(), OpenError> {
    let text = std::fs::read_to_string(path).map_err(OpenError::io("read", path))?;
    let version = text.strip_prefix(FORMAT_LINE).and_then(|rest| rest.trim_end().parse().ok());
    let Some(found) = version else {
        return Err(OpenError::Foreign { path: path.to_owned(), cause: format!("it begins with {text:.40?}") });
    };
    header::check_version(path, found)
}
