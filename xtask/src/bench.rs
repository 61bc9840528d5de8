//! `cargo xtask bench`: the benches, which print one JSON object per line.

use anyhow::Result;
use clap::Args;

use crate::cargo::{self, cargo};
use crate::packages;
use crate::server::{self, Kafka, Started};

/// Options of the benches.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bench {
    /// Start a local Kafka for the benches that need one, and stop it afterwards unless it ran before.
    #[arg(long)]
    kafka: bool,
    /// Arguments of the bench program; `--kafka` comes before them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Bench {
    /// Builds and runs the benches. With Kafka its address is in `KAFKA_BOOTSTRAP_SERVERS`.
    ///
    /// # Errors
    /// When the build or a bench fails, or Kafka cannot be started.
    pub(crate) fn run(&self) -> Result<()> {
        packages::require(&[packages::LINKER])?;
        let kafka = self.kafka.then(|| server::start(&Kafka, None)).transpose()?;
        let mut command = cargo(&["run", "--release", "-p", "nowfold-benches", "--"]);
        command.args(&self.arguments);
        if let Some(started) = &kafka {
            command.env("KAFKA_BOOTSTRAP_SERVERS", started.address());
        }
        let result = cargo::run(&mut command);
        let stopped = match kafka {
            Some(Started::Now(_)) => server::stop(&Kafka, false),
            _ => Ok(()),
        };
        result.and(stopped)
    }
}
