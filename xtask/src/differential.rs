//! `cargo xtask differential`: random operations on the feature store against the oracle of its tests.

use anyhow::Result;
use clap::Args;

use crate::cargo::{self, cargo};
use crate::packages;

/// Options of the run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Differential {
    /// How many operations, such as 1e7. The suite of tests runs 3e5.
    #[arg(long, default_value = "1e7")]
    ops: String,
    /// Seed of the cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the case with this number, as a failure names it.
    #[arg(long)]
    case: Option<u64>,
}

impl Differential {
    /// Builds and runs it, optimised. It prints its rate while it runs, a failing case made smaller, a table of what was
    /// asked, and at the end one line of JSON.
    ///
    /// # Errors
    /// When an answer differs from the oracle's, or something was never asked.
    pub(crate) fn run(&self) -> Result<()> {
        packages::require(&[packages::LINKER])?;
        let mut command = cargo(&["run", "--release", "-p", "nowfold-operators", "--example", "differential", "--"]);
        command.args(["--ops", &self.ops, "--seed", &self.seed.to_string()]);
        if let Some(case) = self.case {
            command.args(["--case", &case.to_string()]);
        }
        cargo::run(&mut command)
    }
}
