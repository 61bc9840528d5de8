//! The directory of one server and the state file in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{process, workspace};

/// The directory of one server.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    dir: PathBuf,
}

/// The server process that the last `start` left behind; it may have died since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) address: String,
    /// Whether a start saw it answer and configured it. An interrupted start leaves this to the next one.
    pub(crate) ready: bool,
}

impl Home {
    /// The directory of the server of that name.
    pub(crate) fn of(name: &str) -> Self {
        Self { dir: workspace::own_dir().join(name) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the server keeps between a stop and a start.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Standard output and error of the running or last server.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// The argument that every process of this directory carries, by which it is recognised.
    pub(crate) fn marker(&self) -> String {
        format!("-Dnowfold.home={}", self.dir.display())
    }

    /// Creates the directory and holds its lock until the returned file is dropped.
    ///
    /// # Errors
    /// When the directory or the lock file cannot be created.
    pub(crate) fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.dir).with_context(|| format!("cannot create {}", self.dir.display()))?;
        let lock = File::create(self.dir.join("lock")).context("cannot create the server's lock file")?;
        lock.lock().context("cannot lock the server's directory")?;
        Ok(lock)
    }

    /// What the last start wrote, whether or not that process still lives.
    pub(crate) fn state(&self) -> Option<State> {
        let value: Value = serde_json::from_slice(&fs::read(self.state_file()).ok()?).ok()?;
        Some(State {
            pid: value.get("pid")?.as_u64()?.try_into().ok()?,
            port: value.get("port")?.as_u64()?.try_into().ok()?,
            address: value.get("address")?.as_str()?.to_owned(),
            ready: value.get("ready").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// The state when its process is alive and certainly this server.
    pub(crate) fn running(&self) -> Option<State> {
        self.state().filter(|state| process::is_ours(state.pid, &self.marker()))
    }

    /// Writes the state file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn remember(&self, state: &State) -> Result<()> {
        let State { pid, port, address, ready } = state;
        let value = json!({ "pid": pid, "port": port, "address": address, "ready": ready, "log": self.log() });
        fs::write(self.state_file(), format!("{value:#}\n")).context("cannot write the server's state file")
    }

    /// Removes the state file, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub(crate) fn forget(&self) -> Result<()> {
        match fs::remove_file(self.state_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes the data, the logs and all else but the lock file, which the caller holds.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(crate) fn wipe(&self) -> Result<()> {
        for entry in fs::read_dir(&self.dir).with_context(|| format!("cannot read {}", self.dir.display()))? {
            let path = entry?.path();
            let removed = match path.file_name() {
                Some(name) if name == "lock" => Ok(()),
                _ if path.is_dir() => fs::remove_dir_all(&path),
                _ => fs::remove_file(&path),
            };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> Home {
        Home { dir: std::env::temp_dir().join(format!("xtask-home-{name}-{}", std::process::id())) }
    }

    #[test]
    fn remembers_and_forgets_a_state() {
        let home = scratch("state");
        let _lock = home.lock().unwrap();
        assert_eq!(home.state(), None);
        let state = State { pid: 4_000_000, port: 19_092, address: "127.0.0.1:19092".to_owned(), ready: true };
        home.remember(&state).unwrap();
        assert_eq!(home.state(), Some(state));
        home.forget().unwrap();
        home.forget().unwrap();
        assert_eq!(home.state(), None);
        fs::remove_dir_all(home.dir()).unwrap();
    }

    #[test]
    fn wipe_leaves_the_lock_alone() {
        let home = scratch("wipe");
        let _lock = home.lock().unwrap();
        fs::create_dir(home.data()).unwrap();
        fs::write(home.log(), "started").unwrap();
        home.wipe().unwrap();
        let left: Vec<_> = fs::read_dir(home.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
        fs::remove_dir_all(home.dir()).unwrap();
    }

    #[test]
    fn a_pid_that_now_belongs_to_another_process_is_not_running() {
        let home = scratch("foreign");
        let _lock = home.lock().unwrap();
        let state = State { pid: std::process::id(), port: 1, address: "127.0.0.1:1".to_owned(), ready: true };
        home.remember(&state).unwrap();
        assert_eq!(home.running(), None);
        fs::remove_dir_all(home.dir()).unwrap();
    }
}
