//! The steps of a run, how each ended, and the table of them.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran and all was well.
    Passed,
    /// It ran and found something wrong.
    Failed(String),
    /// It could not or should not run; says why.
    Skipped(String),
}

/// The steps so far.
#[derive(Debug)]
pub(crate) struct Report {
    started: Instant,
    keep_going: bool,
    steps: Vec<(&'static str, Outcome, Duration)>,
}

impl Report {
    /// An empty report of a run that began at `started`.
    pub(crate) fn new(started: Instant, keep_going: bool) -> Self {
        Self { started, keep_going, steps: Vec::new() }
    }

    /// Runs a step and notes how it ended, or that an earlier failure kept it from running.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<Outcome>) {
        if self.is_over() {
            return self.note(name, Outcome::Skipped("not run after the failure above".to_owned()), Duration::ZERO);
        }
        self.always(name, run);
    }

    /// The same, whatever failed before.
    pub(crate) fn always(&mut self, name: &'static str, run: impl FnOnce() -> Result<Outcome>) {
        eprintln!("\n=== {name}");
        let started = Instant::now();
        let outcome = run().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let took = started.elapsed();
        match &outcome {
            Outcome::Passed => eprintln!("=== {name}: ok, {:.1} s", took.as_secs_f64()),
            Outcome::Skipped(reason) => eprintln!("=== {name}: SKIPPED: {reason}"),
            Outcome::Failed(reason) => eprintln!("=== {name}: FAILED: {reason}"),
        }
        self.note(name, outcome, took);
    }

    /// Notes a step that was run elsewhere.
    pub(crate) fn note(&mut self, name: &'static str, outcome: Outcome, took: Duration) {
        self.steps.push((name, outcome, took));
    }

    /// Whether a failure ends the run.
    pub(crate) fn is_over(&self) -> bool {
        !self.keep_going && self.has_failed()
    }

    fn has_failed(&self) -> bool {
        self.steps.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
    }

    /// Prints the table; the exit code says whether every step that ran passed.
    pub(crate) fn finish(self) -> ExitCode {
        eprintln!("\n{}", self.table(self.started.elapsed()));
        if self.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn table(&self, total: Duration) -> String {
        let mut table = String::new();
        for (name, outcome, took) in &self.steps {
            let (result, reason) = match outcome {
                Outcome::Passed => ("ok", ""),
                Outcome::Failed(reason) => ("FAILED", reason.lines().next().unwrap_or_default()),
                Outcome::Skipped(reason) => ("skipped", reason.lines().next().unwrap_or_default()),
            };
            let line = format!("{name:<16} {result:<8} {:>7.1} s  {reason}", took.as_secs_f64());
            let _ = writeln!(table, "{}", line.trim_end());
        }
        let result = if self.has_failed() { "FAILED" } else { "ok" };
        let _ = write!(table, "{:<16} {result:<8} {:>7.1} s", "all", total.as_secs_f64());
        table
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn run(keep_going: bool) -> Report {
        let mut report = Report::new(Instant::now(), keep_going);
        report.step("first", || Ok(Outcome::Passed));
        report.step("second", || Err(anyhow!("broken")));
        report.step("third", || Ok(Outcome::Passed));
        report
    }

    fn outcomes(report: &Report) -> Vec<&str> {
        let word = |outcome: &Outcome| match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        };
        report.steps.iter().map(|(_, outcome, _)| word(outcome)).collect()
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        assert_eq!(outcomes(&run(false)), ["passed", "failed", "skipped"]);
    }

    #[test]
    fn keep_going_runs_the_rest_and_still_fails() {
        let report = run(true);
        assert_eq!(outcomes(&report), ["passed", "failed", "passed"]);
        assert!(report.has_failed());
    }

    #[test]
    fn a_skipped_step_is_no_failure() {
        let mut report = Report::new(Instant::now(), false);
        report.step("only", || Ok(Outcome::Skipped("no Java".to_owned())));
        assert!(!report.has_failed());
    }

    #[test]
    fn the_table_names_each_step_its_result_and_its_reason() {
        let table = run(false).table(Duration::from_secs(61));
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "first            ok           0.0 s");
        assert_eq!(lines[1], "second           FAILED       0.0 s  broken");
        assert_eq!(lines[3], "all              FAILED      61.0 s");
    }
}
