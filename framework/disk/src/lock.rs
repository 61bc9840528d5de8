//! One process at a time: the operating system's lock on a file, which a `kill -9` releases.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nowfold_runtime::local::LocalError;

use crate::files;

/// How long an occupied lock is tried again. A process that another thread is just starting holds a copy of all our
/// files, and so of a lock that we dropped, until it runs its own program.
const PATIENCE: Duration = Duration::from_millis(300);

/// Locks a directory; dropping the file unlocks it.
pub(crate) fn lock(dir: &Path) -> Result<File, LocalError> {
    let path = dir.join("lock");
    let file = files::private().append(true).open(&path).map_err(LocalError::io("open", &path))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => thread::sleep(PATIENCE / 30),
            Err(TryLockError::WouldBlock) => return Err(LocalError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(LocalError::io("lock", &path)(error)),
        }
    }
}
