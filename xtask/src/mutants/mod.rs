//! `cargo xtask mutants`: plants bugs one at a time and requires that the tests notice each.

mod mutation;
mod suite;
mod tree;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::{packages, workspace};

use mutation::Mutation;
use suite::{Suite, Verdict};
use tree::Tree;

/// Options of the run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Mutants {
    /// Only mutations whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// The suite that has to notice.
    #[arg(long, value_enum, default_value_t = Suite::Features)]
    suite: Suite,
    /// List the mutations and check that each still applies; run nothing.
    #[arg(long)]
    list: bool,
}

impl Mutants {
    /// Copies the workspace, changes one place of it at a time as the files of the suite in `tests/mutations` say, and runs that
    /// suite. Prints a table; fails when a mutation survives, no longer applies or does not compile.
    ///
    /// # Errors
    /// When the suite fails without any mutation, or a file cannot be read or written.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        packages::require(&[packages::LINKER])?;
        let mut mutations = mutation::read_all(&workspace::root().join(self.suite.directory()))?;
        mutations.retain(|mutation| self.only.as_ref().is_none_or(|only| mutation.name.contains(only)));
        ensure!(!mutations.is_empty(), "no mutation has such a name; see tests/mutations");
        for mutation in &mutations {
            mutation.mutated(&workspace::root())?;
        }
        if self.list {
            mutations.iter().for_each(|mutation| println!("{:<32} {}", mutation.name, mutation.what));
            return Ok(ExitCode::SUCCESS);
        }
        let tree = Tree::copy()?;
        eprintln!("mutants: the suite without any mutation");
        let (verdict, took) = self.suite.run(&tree)?;
        ensure!(verdict == Verdict::Survived, "the suite fails without any mutation: {verdict}");
        eprintln!("mutants: passed, {:.0} s", took.as_secs_f64());
        let outcomes = plant(&mutations, &tree, self.suite)?;
        println!("{}", table(&outcomes));
        let all_caught = outcomes.iter().all(|(_, verdict, _)| verdict.is_caught());
        Ok(if all_caught { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A mutation, what the suite said to it, and how long that took.
type Outcome<'a> = (&'a Mutation, Verdict, Duration);

/// Plants each mutation in turn, and takes it out again.
fn plant<'a>(mutations: &'a [Mutation], tree: &Tree, suite: Suite) -> Result<Vec<Outcome<'a>>> {
    let started = Instant::now();
    let mut outcomes: Vec<Outcome<'a>> = Vec::new();
    for (number, mutation) in mutations.iter().enumerate() {
        let original = tree.plant(mutation)?;
        let ran = suite.run(tree);
        tree.restore(mutation, &original)?;
        let (verdict, took) = ran?;
        let each = started.elapsed().as_secs_f64() / (number + 1) as f64;
        let left = each * (mutations.len() - number - 1) as f64;
        eprintln!("mutants: {:<32} {verdict}, {:.0} s; about {left:.0} s left", mutation.name, took.as_secs_f64());
        outcomes.push((mutation, verdict, took));
    }
    Ok(outcomes)
}

fn table(outcomes: &[Outcome<'_>]) -> String {
    let mut table = String::new();
    for (mutation, verdict, took) in outcomes {
        let _ = writeln!(table, "{:<32} {:>4.0} s  {verdict}", mutation.name, took.as_secs_f64());
    }
    let n_caught = outcomes.iter().filter(|(_, verdict, _)| verdict.is_caught()).count();
    let _ = write!(table, "{n_caught} of {} mutations caught", outcomes.len());
    table
}
