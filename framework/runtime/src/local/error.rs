//! Why the state directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why the state directory, or a part of it, cannot be used. Displays with its code, the cause and the next step.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Another process keeps the same application in it.
    #[error("NF150 state directory {} is in use by another process; stop that one, or give each process a directory of its own (NOWFOLD_STATE_DIR)", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// It holds something else.
    #[error("NF151 {} is not a state directory of nowfold ({cause}); choose an empty directory", path.display())]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// What it is instead.
        cause: String,
    },
    /// A later version of nowfold wrote it.
    #[error("NF152 {} has format {found}, this version reads up to {supported}; run the newer nowfold, or delete the directory: its content comes back from the topics", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// Files are damaged.
    #[error("NF153 {} is damaged: {cause}", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The operating system refused.
    #[error("NF154 cannot {operation} {}: {cause}; mend that (a full disk, rights), or choose another state directory", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
}

impl LocalError {
    /// Wraps an I/O error with what was tried; for `map_err`.
    pub fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { operation, path: path.to_owned(), cause: error.to_string() }
    }
}
