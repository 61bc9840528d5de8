//! `cargo xtask conformance`: the cases that Kafka Streams answered, on the test driver or on a real Kafka.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::cargo::cargo;

/// Options of the conformance run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Conformance {
    /// Print a line for each topology before the closing one.
    #[arg(long)]
    by_topology: bool,
    /// Run on the Kafka at this address instead of the test driver: every case that needs no clock that is set by hand.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// With `--bootstrap`: how many cases run at a time.
    #[arg(long, value_name = "N", requires = "bootstrap")]
    jobs: Option<usize>,
    /// Case files. Without any, all of `$NOWFOLD_SHARED/conformance/cases`, or of `../shared/conformance/cases`.
    files: Vec<PathBuf>,
}

impl Conformance {
    /// Builds the runner and hands its exit status on: 0 when every case passed.
    ///
    /// # Errors
    /// When a file is not there, or the runner cannot be started.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut command = cargo(&["run", "--quiet", "--package", "nowfold-conformance", "--bin", "conformance", "--"]);
        if self.by_topology {
            command.arg("--by-topology");
        }
        if let Some(address) = &self.bootstrap {
            command.args(["--bootstrap", address]);
        }
        if let Some(jobs) = self.jobs {
            command.args(["--jobs", &jobs.to_string()]);
        }
        for file in &self.files {
            // Cargo runs in the workspace's root, whatever the folder that this was called from.
            command.arg(file.canonicalize().with_context(|| format!("there is no file {}", file.display()))?);
        }
        let status = command.status().context("cargo did not start")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
