//! A `.log` file that is only appended to.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::files;
use super::frame::Frames;
use super::header::{self, Kind};
use crate::error::OpenError;
use crate::options::Durability;

/// Appends whole frames: an append that fails leaves the file as it was.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    len: u64,
    durability: Durability,
    unsynced: bool,
    /// An earlier failure could not be undone: what is appended now would be lost.
    broken: bool,
}

impl AppendFile {
    /// A new file with its header only; an existing one is emptied. A failure leaves no file.
    pub(super) fn create(path: PathBuf, kind: Kind, durability: Durability) -> io::Result<Self> {
        let header = kind.header();
        let written = files::create(&path).and_then(|mut file| file.write_all(&header));
        if let Err(error) = written.and_then(|()| files::sync_parent(&path, durability)) {
            _ = fs::remove_file(&path);
            return Err(error);
        }
        Self::open(path, u64::try_from(header.len()).unwrap_or(u64::MAX), durability)
    }

    /// An existing file of which the first `len` bytes are good; the rest is cut off.
    pub(super) fn open(path: PathBuf, len: u64, durability: Durability) -> io::Result<Self> {
        let file = files::open_append(&path)?;
        file.set_len(len)?;
        Ok(Self { path, file, len, durability, unsynced: true, broken: false })
    }

    /// Hands the bytes to the operating system.
    pub(super) fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write failed and could not be undone; restart to recover"));
        }
        if let Err(error) = self.file.write_all(frames) {
            self.broken = self.file.set_len(self.len).is_err();
            return Err(error);
        }
        self.len += u64::try_from(frames.len()).unwrap_or(u64::MAX);
        self.unsynced = true;
        Ok(())
    }

    /// Waits for the disk, where the durability asks for that.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced && self.durability == Durability::PowerLoss {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Makes every later append fail.
    pub(super) fn refuse_appends(&mut self) {
        self.broken = true;
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The frames of a file; `None` when its header was cut short, so that nothing can be in it.
pub(super) fn read_frames(path: &Path, kind: Kind) -> Result<Option<Frames>, OpenError> {
    let content = Bytes::from(fs::read(path).map_err(OpenError::io("read", path))?);
    let whole = kind.check(path, &content)?;
    Ok(whole.then(|| Frames::new(content, header::LEN)))
}
