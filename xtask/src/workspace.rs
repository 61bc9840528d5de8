//! Where things are: the workspace root and the directory that holds everything xtask downloads or writes.

use std::path::{Path, PathBuf};

/// The workspace's root directory: the parent of this crate's own.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// `.nowfold` under the root: downloaded jars, servers' data, logs and state. Git ignores it.
pub(crate) fn own_dir() -> PathBuf {
    root().join(".nowfold")
}
