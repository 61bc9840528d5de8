//! Runs conformance cases, which Kafka Streams answered, on the test driver: `conformance FILE...`.
//!
//! Prints every failure with what was expected and found, every named exception with its reason, and closes with
//! `N passed, M failed`. The exit status is 0 when none failed. Without files it runs all of `$NOWFOLD_SHARED/conformance`,
//! or of `../shared/conformance` beside the workspace.

mod case;
mod catalogue;
mod exceptions;
mod run;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use case::{Case, CaseFile};
use catalogue::{BuildError, Plan};
use exceptions::Exceptions;
use tally::Tally;

/// The marker of [`tally`]'s by-topology table.
const BY_TOPOLOGY: &str = "--by-topology";

fn main() -> ExitCode {
    let (flags, files): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = flags.iter().find(|flag| *flag != BY_TOPOLOGY) {
        eprintln!("error: unknown option {unknown}; usage: conformance [{BY_TOPOLOGY}] FILE...");
        return ExitCode::from(2);
    }
    let outcome = files_or_all(files.into_iter().map(PathBuf::from).collect()).and_then(|files| run_all(&files));
    match outcome {
        Ok(tally) => {
            if !flags.is_empty() {
                tally.print_by_topology();
            }
            tally.close()
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn files_or_all(files: Vec<PathBuf>) -> Result<Vec<PathBuf>, String> {
    if !files.is_empty() {
        return Ok(files);
    }
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let shared = std::env::var_os("NOWFOLD_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("conformance/cases");
    let entries = std::fs::read_dir(&folder).map_err(|error| {
        format!(
            "NO CASES WERE RUN: the folder {} cannot be read ({error}); name case files, or set NOWFOLD_SHARED to the folder that holds `conformance`",
            folder.display()
        )
    })?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    Ok(files)
}

fn run_all(files: &[PathBuf]) -> Result<Tally, String> {
    let exceptions = Exceptions::read()?;
    let mut tally = Tally::default();
    for file in files {
        read(file)?.iter().for_each(|case| tally.add(case, &exceptions, run_case(case)));
    }
    exceptions.unused(&tally).for_each(|name| eprintln!("exception {name}: no such case was run, or it passes"));
    Ok(tally)
}

fn read(file: &Path) -> Result<Vec<Case>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let parsed: CaseFile = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    if parsed.format != 1 {
        return Err(format!("{}: its format is {}, but only format 1 is known", file.display(), parsed.format));
    }
    Ok(parsed.cases)
}

/// The difference, if there is one.
fn run_case(case: &Case) -> Result<(), String> {
    match (Plan::build(&case.topology, &case.params), &case.expect_error) {
        (Err(BuildError::Impossible(_)), Some(expected)) if expected.step == -1 => Ok(()),
        (Err(BuildError::Refused(error)), Some(expected)) if expected.step == -1 => {
            let found = run::build_category(&error);
            if found == expected.category {
                return Ok(());
            }
            Err(format!("category\n  expected {}\n  found    {found}: {error}", expected.category))
        }
        (Err(error), _) => Err(format!("it cannot be built: {error}")),
        (Ok(_), Some(expected)) if expected.step == -1 => {
            Err(format!("building it must fail with {}, but does not", expected.category))
        }
        (Ok(built), _) => run::check(case, built),
    }
}
