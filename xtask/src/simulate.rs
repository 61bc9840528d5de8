//! `cargo xtask simulate`: whole applications in the simulator, with faults from a seed, held against models.

use anyhow::Result;
use clap::Args;

use crate::cargo::{self, cargo};
use crate::packages;

/// Options of the run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Simulate {
    /// How many seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them. A failure names its own: with `--seeds 1` it is seen again exactly.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Tell what was done to each seed.
    #[arg(long)]
    verbose: bool,
}

impl Default for Simulate {
    /// What CI runs.
    fn default() -> Self {
        Self { seeds: 500, from: 1, verbose: false }
    }
}

impl Simulate {
    /// Builds and runs it. It prints what is wrong with each failed seed, and at the end one line of JSON.
    ///
    /// # Errors
    /// When a record is lost or doubled, a feature, an answer or a store is wrong, or a seed does not repeat itself.
    pub(crate) fn run(&self) -> Result<()> {
        packages::require(&[packages::LINKER])?;
        let mut command = cargo(&["run", "--quiet", "--package", "nowfold-simulate", "--"]);
        command.args(["--seeds", &self.seeds.to_string(), "--from", &self.from.to_string()]);
        if self.verbose {
            command.arg("--verbose");
        }
        cargo::run(&mut command)
    }
}
