//! What passed and what did not.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::case::Case;
use crate::check::Verdict;
use crate::exceptions::Exceptions;

/// Counts of cases, printed as they come.
#[derive(Debug)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Whether cases may be skipped, and their number is told.
    may_skip: bool,
    /// Passed and failed cases of each topology.
    by_topology: BTreeMap<String, (usize, usize)>,
    pub(crate) excepted: Vec<String>,
}

impl Tally {
    pub(crate) fn new(may_skip: bool) -> Self {
        let (passed, failed, skipped) = (0, 0, 0);
        Self { passed, failed, skipped, may_skip, by_topology: BTreeMap::new(), excepted: Vec::new() }
    }

    /// Counts a case, and prints what is wrong with it.
    pub(crate) fn add(&mut self, case: &Case, exceptions: &Exceptions, verdict: Verdict) {
        let topology = self.by_topology.entry(case.topology.clone()).or_default();
        match (verdict, exceptions.reason(&case.name)) {
            (Verdict::NeedsClock, _) => self.skipped += 1,
            (Verdict::Passed, _) => {
                self.passed += 1;
                topology.0 += 1;
            }
            (Verdict::Failed(difference), Some(reason)) => {
                println!("EXCEPTION {}: {reason}\n  {difference}\n", case.name);
                self.excepted.push(case.name.clone());
            }
            (Verdict::Failed(difference), None) => {
                println!("FAILED {}: {difference}\n", case.name);
                self.failed += 1;
                topology.1 += 1;
            }
        }
    }

    /// One line for each topology.
    pub(crate) fn print_by_topology(&self) {
        for (topology, (passed, failed)) in &self.by_topology {
            println!("{topology:32} {passed:3} passed, {failed:3} failed");
        }
    }

    /// The closing line, and the exit status.
    pub(crate) fn close(&self) -> ExitCode {
        if !self.excepted.is_empty() {
            println!("{} named exceptions", self.excepted.len());
        }
        let skipped = format!(", {} skipped (need the driver's clock)", self.skipped);
        println!("{} passed, {} failed{}", self.passed, self.failed, if self.may_skip { skipped.as_str() } else { "" });
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
