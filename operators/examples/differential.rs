//! Random operations against the oracle of the tests, as many as one likes:
//! `cargo xtask differential --ops 1e7 --seed 7`, or one case again with `--case N`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test by another name: it fails by panicking")]

#[path = "../tests/differential/mod.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod differential;
#[path = "../tests/it/support.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use all of it")]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use differential::coverage::Coverage;
use differential::run::{self, Failure, Progress, Small};

fn main() -> ExitCode {
    let arguments = Arguments::read();
    #[expect(clippy::disallowed_methods, reason = "a program tells how long it took")]
    let started = Instant::now();
    let (coverage, failure) = match arguments.case {
        Some(number) => {
            let mut coverage = Coverage::default();
            let failure = run::run_case(arguments.seed, number, arguments.small, &mut coverage).err();
            (coverage, failure)
        }
        None => {
            run::run(arguments.seed, arguments.ops, arguments.small, |progress| watch(progress, arguments.ops, started))
        }
    };
    report(&arguments, &coverage, failure.as_ref(), started.elapsed())
}

#[derive(Debug)]
struct Arguments {
    ops: u64,
    seed: u64,
    case: Option<u64>,
    small: Small,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self { ops: 300_000, seed: 1, case: None, small: Small::Shrunk };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--no-shrink" {
                arguments.small = Small::AsItIs;
                continue;
            }
            let number = words.next().as_deref().and_then(number);
            match (word.as_str(), number) {
                ("--ops", Some(ops)) => arguments.ops = ops,
                ("--seed", Some(seed)) => arguments.seed = seed,
                ("--case", Some(case)) => arguments.case = Some(case),
                _ => panic!("{word} is not understood; write --ops 1e7 --seed 7 --case 12"),
            }
        }
        arguments
    }
}

/// A whole number, written as such or as `1e7`.
fn number(text: &str) -> Option<u64> {
    let (digits, zeros) = text.split_once('e').unwrap_or((text, "0"));
    digits.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(zeros.parse().ok()?)?)
}

/// Shows progress until the operations are done or a case has failed.
fn watch(progress: &Progress, ops: u64, started: Instant) {
    let mut shown = Duration::ZERO;
    while progress.operations() < ops && !progress.has_failed() {
        std::thread::park_timeout(Duration::from_millis(200));
        let elapsed = started.elapsed();
        if elapsed - shown >= Duration::from_secs(5) {
            shown = elapsed;
            let done = progress.operations();
            let rate = done as f64 / elapsed.as_secs_f64();
            let left = ops.saturating_sub(done) as f64 / rate.max(1.0);
            eprintln!("{done} of {ops} operations, {rate:.0}/s, about {left:.0} s left");
        }
    }
}

/// Prints the coverage, the failure and one line of JSON; the exit code says whether all was well.
fn report(arguments: &Arguments, coverage: &Coverage, failure: Option<&Failure>, took: Duration) -> ExitCode {
    if let Some(failure) = failure {
        eprintln!("MISMATCH in case {} of seed {}:\n{}", failure.number, failure.seed, failure.report);
        eprintln!("again: cargo xtask differential --seed {} --case {}", failure.seed, failure.number);
    }
    let gaps = if arguments.case.is_some() || arguments.ops < 100_000 { Vec::new() } else { coverage.gaps() };
    eprintln!("{}\noperations {:?}\noutcomes {:?}", coverage.table(), coverage.operations, coverage.outcomes);
    gaps.iter().for_each(|gap| eprintln!("never came up: {gap}"));
    let (ops, seconds) = (coverage.n_operations(), took.as_secs_f64());
    let line = serde_json::json!({
        "ops": ops,
        "answers": coverage.n_answers(),
        "mismatches": u64::from(failure.is_some()),
        "gaps": gaps.len(),
        "seed": arguments.seed,
        "seconds": (seconds * 10.0).round() / 10.0,
        "ops_per_second": (ops as f64 / seconds).round(),
    });
    println!("{line}");
    if failure.is_some() || !gaps.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
