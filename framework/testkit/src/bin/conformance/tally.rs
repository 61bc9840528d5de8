//! What passed and what did not.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::case::Case;
use crate::exceptions::Exceptions;

/// Counts of cases, printed as they come.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    /// Passed and failed cases of each topology.
    by_topology: BTreeMap<String, (usize, usize)>,
    pub(crate) excepted: Vec<String>,
}

impl Tally {
    /// Counts a case, and prints what is wrong with it.
    pub(crate) fn add(&mut self, case: &Case, exceptions: &Exceptions, outcome: Result<(), String>) {
        let topology = self.by_topology.entry(case.topology.clone()).or_default();
        match (outcome, exceptions.reason(&case.name)) {
            (Ok(()), _) => {
                self.passed += 1;
                topology.0 += 1;
            }
            (Err(difference), Some(reason)) => {
                println!("EXCEPTION {}: {reason}\n  {difference}\n", case.name);
                self.excepted.push(case.name.clone());
            }
            (Err(difference), None) => {
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
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
