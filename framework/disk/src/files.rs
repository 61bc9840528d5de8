//! Files and directories that only their owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nowfold_runtime::local::{Durability, LocalError};

/// Creates a directory and its parents with mode 0700; an existing one is left alone.
pub(crate) fn create_dir(dir: &Path) -> Result<(), LocalError> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(dir).map_err(LocalError::io("create", dir))
}

/// Options that create files with mode 0600.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// Puts a text file in the place of `path`: after a crash the old or the new one is there, whole.
pub(crate) fn replace(path: &Path, text: &str, durability: Durability) -> Result<(), LocalError> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = private().write(true).truncate(true).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        if durability == Durability::PowerLoss {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)?;
        sync_parent(path, durability)
    };
    write().map_err(LocalError::io("write", path))
}

/// Makes a created, renamed or removed name durable, where that is asked for.
pub(crate) fn sync_parent(path: &Path, durability: Durability) -> io::Result<()> {
    match path.parent() {
        Some(parent) if durability == Durability::PowerLoss => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// The names in a directory, in any order; names that are not Unicode with their odd letters replaced.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, LocalError> {
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let read = || fs::read_dir(dir)?.map(name).collect::<io::Result<_>>();
    read().map_err(LocalError::io("list", dir))
}

/// Moves a file or directory to `aside`, in the place of what was moved there before, with a file `why` beside it.
pub(crate) fn move_aside(path: &Path, aside: &Path, cause: &str) -> Result<(), LocalError> {
    if let Some(parent) = aside.parent() {
        create_dir(parent)?;
    }
    let moved = || {
        if aside.is_dir() {
            fs::remove_dir_all(aside)?;
        } else if aside.exists() {
            fs::remove_file(aside)?;
        }
        fs::rename(path, aside)
    };
    moved().map_err(LocalError::io("move aside", path))?;
    metrics::counter!("nowfold_local_state_set_aside_total").increment(1);
    tracing::warn!(path = %path.display(), aside = %aside.display(), cause, "local state is moved aside");
    Ok(())
}
