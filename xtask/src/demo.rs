//! `cargo xtask demo`: the job recommender on the in-process log, built without the Kafka client.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::cargo::{self, Metadata, cargo};
use crate::packages;

/// The package and the binary of the demo.
pub(crate) const PACKAGE: &str = "nowfold-examples";
pub(crate) const BINARY: &str = "job-feed";

/// Options of the demo.
#[derive(Debug, Clone, Args)]
pub(crate) struct Demo {
    /// End after that many seconds instead of at Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
    /// Serve queries on this port of 127.0.0.1.
    #[arg(long)]
    http_port: Option<u16>,
    /// Further arguments of job-feed, after `--`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Demo {
    /// Builds the demo and runs it on this terminal; gives its exit code.
    ///
    /// # Errors
    /// When the linker is missing, the build fails or the binary does not start.
    pub(crate) fn run(&self, started: Instant) -> Result<ExitCode> {
        packages::require(&[packages::LINKER])?;
        cargo::run(&mut build(&["--release"]))?;
        eprintln!("built in {:.1} s", started.elapsed().as_secs_f64());
        let binary = Metadata::read()?.binary("release", BINARY)?;
        let mut command = Command::new(&binary);
        command.arg("--embedded").args(self.options());
        let status = command.status().with_context(|| format!("cannot start {}", binary.display()))?;
        eprintln!("demo: {:.1} s from the start of this command, build included", started.elapsed().as_secs_f64());
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }

    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        options.extend(self.seconds.map(|seconds| format!("--seconds={seconds}")));
        options.extend(self.http_port.map(|port| format!("--http-port={port}")));
        options.extend(self.arguments.iter().cloned());
        options
    }
}

/// Cargo building the demo with what the in-process log needs and no more; further arguments choose a profile.
pub(crate) fn build(arguments: &[&str]) -> Command {
    let mut command = cargo(&["build", "-p", PACKAGE, "--no-default-features", "--features", "embedded"]);
    command.args(["--bin", BINARY]).args(arguments);
    command
}
