//! What each step does.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::report::Outcome;
use super::servers::Addresses;
use crate::cargo::{self, Metadata, cargo};
use crate::duckdb::DuckDb;
use crate::numpy::Numpy;
use crate::simulate::Simulate;
use crate::torture::{Guarantee, Torture};
use crate::{demo, packages};

/// How long the demo run may take in all: it loads four days of history with a debug build.
const DEMO_WITHIN: Duration = Duration::from_secs(300);

/// A linker for Rust, a C compiler and make for the Kafka client.
pub(crate) fn tools() -> Result<Outcome> {
    packages::require(&[packages::LINKER, packages::MAKE, packages::PKG_CONFIG])?;
    Ok(Outcome::Passed)
}

/// Formatting of every crate.
pub(crate) fn format() -> Result<Outcome> {
    passed(&mut cargo(&["fmt", "--all", "--", "--check"]))
}

/// Lints of every target with the facade's default features, which switch on those of its parts; a warning is an error.
/// TLS and Kerberos want system libraries that a bare machine lacks, so their features are not built here.
pub(crate) fn clippy() -> Result<Outcome> {
    passed(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// The documentation; a broken link is an error.
pub(crate) fn docs() -> Result<Outcome> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    passed(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The demo's features compile alone, without the Kafka client.
pub(crate) fn demo_build() -> Result<Outcome> {
    passed(&mut cargo(&["build", "-p", demo::PACKAGE, "--no-default-features", "--features", "embedded"]))
}

/// The demo runs to its end by itself and says so by its exit code.
pub(crate) fn demo_run() -> Result<Outcome> {
    let metadata = Metadata::read()?;
    if !metadata.has_binary(demo::PACKAGE, demo::BINARY) {
        return Ok(Outcome::Skipped(format!("the workspace has no binary {}", demo::BINARY)));
    }
    let binary = metadata.binary("debug", demo::BINARY)?;
    let mut command = Command::new(&binary);
    command.args(["--embedded", "--seconds", "5", "--http-port", "0"]);
    eprintln!("$ {} --embedded --seconds 5 --http-port 0", demo::BINARY);
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
    while started.elapsed() < DEMO_WITHIN {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{} failed ({status})", demo::BINARY);
            return Ok(Outcome::Passed);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    bail!("{} --seconds 5 was still running after {} s", demo::BINARY, DEMO_WITHIN.as_secs())
}

/// The numerical aggregates agree with numpy.
pub(crate) fn numpy() -> Result<Outcome> {
    Numpy::default().run().map(|()| Outcome::Passed)
}

/// Answers over real data agree with DuckDB.
pub(crate) fn duckdb() -> Result<Outcome> {
    DuckDb::default().run().map(|()| Outcome::Passed)
}

/// Applications survive 500 seeds of faults in the simulator.
pub(crate) fn simulate() -> Result<Outcome> {
    Simulate::default().run().map(|()| Outcome::Passed)
}

/// Processes that are killed under load, on a Kafka of its own that is killed, too, lose and double nothing.
pub(crate) fn torture(quick: bool) -> Result<Outcome> {
    if quick {
        return Ok(Outcome::Skipped("--quick".to_owned()));
    }
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        ensure!(Torture::short(guarantee).run()? == ExitCode::SUCCESS, "something was lost, doubled or wrong");
    }
    ensure!(Torture::planted().run()? == ExitCode::FAILURE, "the verifier does not find outputs that come twice");
    Ok(Outcome::Passed)
}

/// Every test and doctest. Tests of real servers run where an address is given.
pub(crate) fn test(addresses: &Addresses, keep_going: bool) -> Result<Outcome> {
    let mut command = cargo(&["test", "--workspace"]);
    if keep_going {
        command.arg("--no-fail-fast");
    }
    for (variable, address) in addresses.variables() {
        match address {
            Some(address) => command.env(variable, address),
            None => command.env_remove(variable),
        };
    }
    passed(&mut command)
}

fn passed(command: &mut Command) -> Result<Outcome> {
    cargo::run(command).map(|()| Outcome::Passed)
}
