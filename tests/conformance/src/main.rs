//! Runs conformance cases, which Kafka Streams answered: `conformance FILE...` on the test driver,
//! `conformance --bootstrap HOST:PORT FILE...` on a real Kafka, through the runtime that applications run on.
//!
//! Prints every failure with what was expected and found, every named exception with its reason, and closes with
//! `N passed, M failed`. The exit status is 0 when none failed. Without files it runs all of `$NOWFOLD_SHARED/conformance`,
//! or of `../shared/conformance` beside the workspace.

mod apart;
mod case;
mod catalogue;
mod check;
mod driver;
mod exceptions;
mod files;
mod live;
mod show;
mod stores;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use case::Case;
use catalogue::Plan;
use check::Verdict;
use exceptions::Exceptions;
use live::Live;
use tally::Tally;

/// Runs conformance cases, which Kafka Streams answered.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
struct Options {
    /// Print a line for each topology before the closing one.
    #[arg(long)]
    by_topology: bool,
    /// Run on the Kafka at this address instead of the test driver. Its topics are deleted afterwards.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// With `--bootstrap`: how many cases run at a time.
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,
    /// Case files. Without any, all of `$NOWFOLD_SHARED/conformance/cases`, or of `../shared/conformance/cases`.
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(tally) => {
            if options.by_topology {
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

fn run(options: &Options) -> Result<Tally, String> {
    let cases = files::read_all(&options.files)?;
    let exceptions = Exceptions::read(options.bootstrap.is_some())?;
    let verdicts = match &options.bootstrap {
        None => cases.iter().map(on_driver).collect(),
        Some(bootstrap) => Live::connect(bootstrap)?.run_all(&cases, options.jobs),
    };
    let mut tally = Tally::new(options.bootstrap.is_some());
    cases.iter().zip(verdicts).for_each(|(case, verdict)| tally.add(case, &exceptions, verdict));
    exceptions
        .unused(&tally)
        .for_each(|name| eprintln!("exception {name}: no such case was run, or it passes this time"));
    Ok(tally)
}

fn on_driver(case: &Case) -> Verdict {
    check::verdict(case, Plan::build(&case.topology, &case.params), |built| driver::run(case, built))
}
