//! `cargo xtask ci`: every check of the project, in one command. Whatever CI runs, it runs this.

mod report;
mod servers;
mod steps;

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use report::Report;
use servers::Servers;

/// Options of the checks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ci {
    /// Leave out the tests that need a real Kafka or Schema Registry.
    #[arg(long)]
    quick: bool,
    /// Go on after a failed step.
    #[arg(long)]
    keep_going: bool,
}

impl Ci {
    /// Runs the steps in order, stops the servers that it started, prints a table, and fails when a step failed.
    pub(crate) fn run(&self, started: Instant) -> ExitCode {
        let mut report = Report::new(started, self.keep_going);
        report.step("tools", steps::tools);
        report.step("format", steps::format);
        // The servers start while Cargo compiles.
        let mut servers = self.servers(&report);
        report.step("clippy", steps::clippy);
        report.step("docs", steps::docs);
        report.step("demo build", steps::demo_build);
        report.step("demo run", steps::demo_run);
        report.step("numpy", steps::numpy);
        report.step("duckdb", steps::duckdb);
        report.step("simulate", steps::simulate);
        report.step("torture", || steps::torture(self.quick));
        let addresses = servers.wait(&mut report);
        // Tests come last, so that their own lines are the last ones before the table.
        report.step("test", || steps::test(&addresses, self.keep_going));
        servers.stop(&mut report);
        report.finish()
    }

    fn servers(&self, report: &Report) -> Servers {
        match (self.quick, report.is_over()) {
            (true, _) => Servers::none("--quick"),
            (_, true) => Servers::none("not started after the failure above"),
            _ => Servers::start(),
        }
    }
}
