//! `cargo xtask numpy`: an independent check of the numerical aggregates, recomputed by numpy from the same events.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cargo::{self, cargo};
use crate::{packages, workspace};

/// Options of the check.
#[derive(Debug, Clone, Args)]
pub(crate) struct Numpy {
    /// How many sets of events, each asked for every aggregate.
    #[arg(long, default_value_t = 2_000)]
    cases: u64,
    /// Seed of the events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Default for Numpy {
    fn default() -> Self {
        Self { cases: 2_000, seed: 1 }
    }
}

impl Numpy {
    /// Writes random cases with the store's answers to a file and has `tests/numpy/check.py` recompute them.
    ///
    /// # Errors
    /// When there is no Python with numpy and none can be installed, or an answer differs.
    pub(crate) fn run(&self) -> Result<()> {
        let python = python()?;
        let cases = workspace::own_dir().join("numpy-cases.jsonl");
        fs::create_dir_all(workspace::own_dir()).context("cannot create the directory of xtask")?;
        let mut command = cargo(&["run", "-p", "nowfold-operators", "--example", "numpy-cases", "--"]);
        command.args([self.cases.to_string(), self.seed.to_string()]);
        command.stdout(File::create(&cases).with_context(|| format!("cannot create {}", cases.display()))?);
        cargo::run(&mut command)?;
        let mut command = Command::new(python);
        command.arg(workspace::root().join("tests/numpy/check.py")).arg(&cases);
        cargo::run(&mut command)
    }
}

/// A Python that has numpy: the one on `PATH`, the system's, or the system's with Debian's package.
fn python() -> Result<PathBuf> {
    let candidates = || packages::find("python3").into_iter().chain([PathBuf::from("/usr/bin/python3")]);
    if let Some(python) = candidates().find(has_numpy) {
        return Ok(python);
    }
    packages::install(&["python3-numpy"])?;
    match candidates().find(has_numpy) {
        Some(python) => Ok(python),
        None => bail!("no python3 on PATH or in /usr/bin can import numpy after installing python3-numpy"),
    }
}

fn has_numpy(python: &PathBuf) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import numpy"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
