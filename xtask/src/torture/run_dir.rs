//! What a run leaves behind, in `.nowfold/torture/NAME`: the logs of all processes in all their lives, and, where it
//! failed, the broker's data and the state of the processes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// The directory of one run.
#[derive(Debug)]
pub(super) struct RunDir(PathBuf);

impl RunDir {
    /// Creates it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn create(name: &str) -> Result<Self> {
        let dir = workspace::own_dir().join("torture").join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self(dir))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A copy of the program, which a build during the run does not change.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub(super) fn program(&self, built: &Path) -> Result<PathBuf> {
        let program = self.0.join("program");
        fs::copy(built, &program).with_context(|| format!("cannot copy {}", built.display()))?;
        Ok(program)
    }

    /// What process `i` writes.
    pub(super) fn log(&self, i: usize) -> PathBuf {
        self.0.join(format!("app-{i}.log"))
    }

    /// The state directory of process `i`.
    pub(super) fn state(&self, i: usize) -> PathBuf {
        self.0.join(format!("state-{i}"))
    }

    /// What the broker writes.
    pub(super) fn broker_log(&self) -> PathBuf {
        self.0.join("kafka.log")
    }

    /// Where the broker's data goes when the run fails.
    pub(super) fn broker_data(&self) -> PathBuf {
        self.0.join("kafka-data")
    }

    /// Leaves the logs and nothing else.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(super) fn keep_logs(&self) -> Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let removed = match path.extension() {
                Some(extension) if extension == "log" || extension == "json" => Ok(()),
                _ if path.is_dir() => fs::remove_dir_all(&path),
                _ => fs::remove_file(&path),
            };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}
