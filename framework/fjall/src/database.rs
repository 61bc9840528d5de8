//! A task's database.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Database as Fjall, Guard, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use nowfold_core::state::KeyRange;
use nowfold_runtime::local::{Durability, LocalError};

use super::rows::is_empty;

/// The one keyspace, so that a part of an epoch can never be on disk without the rest.
const ROWS: &str = "rows";

/// Least bytes that fjall takes for its journals.
const JOURNAL_BYTES: u64 = 64 << 20;

/// An open database. It is closed when the last store and reader of it is dropped.
pub(crate) struct Database {
    fjall: Fjall,
    rows: Keyspace,
    persist: PersistMode,
    pub(crate) dir: PathBuf,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A file in a database's directory that says that reading it has failed.
const DAMAGED: &str = "damaged";

impl Database {
    /// Opens or creates the database in `dir`.
    ///
    /// # Errors
    /// [`LocalError::Damaged`] when fjall cannot read it, or could not when it was last open.
    pub(crate) fn open(dir: &Path, durability: Durability, cache_bytes: u64) -> Result<Self, LocalError> {
        let damaged = |cause: String| LocalError::Damaged { path: dir.to_owned(), cause };
        if let Ok(cause) = std::fs::read_to_string(dir.join(DAMAGED)) {
            return Err(damaged(cause));
        }
        let open = || {
            let builder = Fjall::builder(dir).worker_threads(1).cache_size(cache_bytes);
            let fjall = builder.max_journaling_size(JOURNAL_BYTES).open()?;
            let rows = fjall.keyspace(ROWS, KeyspaceCreateOptions::default)?;
            Ok::<_, fjall::Error>((fjall, rows))
        };
        // Files that make no sense may make fjall panic instead of returning an error.
        let opened = std::panic::catch_unwind(AssertUnwindSafe(open));
        let (fjall, rows) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(fjall::Error::Locked)) => return Err(LocalError::InUse { dir: dir.to_owned() }),
            Ok(Err(error)) => return Err(io_error(dir, &error).unwrap_or_else(|| damaged(error.to_string()))),
            Err(_) => return Err(damaged("fjall panics when it opens it".to_owned())),
        };
        let persist = match durability {
            Durability::ProcessCrash => PersistMode::Buffer,
            Durability::PowerLoss => PersistMode::SyncAll,
        };
        Ok(Self { fjall, rows, persist, dir: dir.to_owned() })
    }

    /// Remembers that reading has failed, so that the next opening does not use what is here.
    fn note_damage(&self, error: &fjall::Error) {
        if io_error(&self.dir, error).is_none() {
            let path = self.dir.join(DAMAGED);
            if let Err(error) = std::fs::write(&path, format!("a row cannot be read: {error}")) {
                tracing::warn!(path = %path.display(), %error, "damage is not remembered");
            }
        }
    }

    fn noted<T>(&self, result: fjall::Result<T>) -> Result<T, String> {
        result.map_err(|error| {
            self.note_damage(&error);
            error.to_string()
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, String> {
        Ok(self.noted(self.rows.get(key))?.map(Into::into))
    }

    /// The database as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.fjall.snapshot()
    }

    /// The rows of a snapshot with keys in `range`, in order.
    pub(crate) fn scan<'a>(
        &'a self,
        snapshot: &Snapshot,
        range: KeyRange,
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), String>> + 'a {
        let rows = if is_empty(&range) { None } else { Some(snapshot.range(&self.rows, range)) };
        rows.into_iter().flatten().map(|guard: Guard| {
            let (key, value) = self.noted(guard.into_inner())?;
            Ok((key.into(), value.into()))
        })
    }

    /// Writes rows, all or none; `None` removes.
    pub(crate) fn write(&self, rows: impl Iterator<Item = (Bytes, Option<Bytes>)>) -> Result<(), LocalError> {
        let mut batch = self.fjall.batch().durability(Some(self.persist));
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(&self.rows, key, value),
                None => batch.remove(&self.rows, key),
            }
        }
        batch.commit().map_err(|error| self.refused("write an epoch in", &error))
    }

    /// Removes every row.
    pub(crate) fn clear(&self) -> Result<(), LocalError> {
        self.rows.clear().map_err(|error| self.refused("empty", &error))
    }

    fn refused(&self, operation: &'static str, error: &fjall::Error) -> LocalError {
        LocalError::Io { operation, path: self.dir.clone(), cause: error.to_string() }
    }
}

/// The error of an operating system that refuses, as opposed to files that make no sense.
fn io_error(dir: &Path, error: &fjall::Error) -> Option<LocalError> {
    use std::io::ErrorKind::{AlreadyExists, InvalidData, NotFound, UnexpectedEof};
    let fjall::Error::Io(error) = error else { return None };
    if matches!(error.kind(), AlreadyExists | InvalidData | NotFound | UnexpectedEof) {
        return None;
    }
    Some(LocalError::Io { operation: "open", path: dir.to_owned(), cause: error.to_string() })
}
