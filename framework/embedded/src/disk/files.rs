//! Files and directories that only their owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::options::Durability;

/// Creates a directory and its parents with mode 0700; an existing one is left alone.
pub(super) fn create_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(dir)
}

/// Opens a file for appending, creating it with mode 0600.
pub(super) fn open_append(path: &Path) -> io::Result<File> {
    private().append(true).open(path)
}

/// Opens an emptied file for writing, creating it with mode 0600.
pub(super) fn create(path: &Path) -> io::Result<File> {
    private().write(true).truncate(true).open(path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// Puts a file of this content in the place of `path`: after a crash the old or the new content is there, whole.
pub(super) fn replace(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = create(&temporary)?;
    file.write_all(content)?;
    if durability == Durability::PowerLoss {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    sync_parent(path, durability)
}

/// Where the new content of `path` is written first.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Makes a created, renamed or removed name durable, where that is asked for.
pub(super) fn sync_parent(path: &Path, durability: Durability) -> io::Result<()> {
    match path.parent() {
        Some(parent) if durability == Durability::PowerLoss => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// The names in a directory, in any order; names that are not Unicode with their odd letters replaced.
pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
