//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! This is the first thing a newcomer compiles, so it depends on std, clap, anyhow and serde_json alone.

mod bench;
mod cargo;
mod ci;
mod conformance;
mod demo;
mod differential;
mod duckdb;
mod fuzz;
mod java;
mod maven;
mod mutants;
mod numpy;
mod packages;
mod process;
mod server;
mod simulate;
mod torture;
mod workspace;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::server::{Action, Kafka, Registry};

/// One command equals CI; a local Kafka and Schema Registry; the demo and the benches.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start, stop or inspect a real Apache Kafka on this machine (one broker, no Docker).
    #[command(subcommand)]
    Kafka(Action),
    /// Start, stop or inspect a real Schema Registry with Confluent's API on this machine.
    #[command(subcommand)]
    Registry(Action),
    /// Build the job recommender without the Kafka client and run it on the in-process log.
    Demo(demo::Demo),
    /// Run every check that CI runs.
    Ci(ci::Ci),
    /// Run random operations on the feature store against the oracle of its tests.
    Differential(differential::Differential),
    /// Plant bugs one at a time and require that the tests notice each.
    Mutants(mutants::Mutants),
    /// Feed invented bytes to everything that is read from outside.
    Fuzz(fuzz::Fuzz),
    /// Have numpy recompute the store's answers on random events.
    Numpy(numpy::Numpy),
    /// Run conformance cases, which Kafka Streams answered, on the test driver or on a real Kafka.
    Conformance(conformance::Conformance),
    /// Run whole applications in a simulator that injects faults, and hold them against models.
    Simulate(simulate::Simulate),
    /// Kill processes of an application under load, and have Java recompute all that must have come out.
    Torture(torture::Torture),
    /// Ask DuckDB what the feature store answers over real data.
    Duckdb(duckdb::DuckDb),
    /// Run the benches, which print one JSON object per line.
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let started = Instant::now();
    match run(&Cli::parse(), started) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli, started: Instant) -> Result<ExitCode> {
    match &cli.command {
        Command::Kafka(action) => action.run(&Kafka),
        Command::Registry(action) => action.run(&Registry),
        Command::Demo(demo) => demo.run(started),
        Command::Ci(ci) => Ok(ci.run(started)),
        Command::Differential(differential) => differential.run().map(|()| ExitCode::SUCCESS),
        Command::Mutants(mutants) => mutants.run(),
        Command::Fuzz(fuzz) => fuzz.run().map(|()| ExitCode::SUCCESS),
        Command::Numpy(numpy) => numpy.run().map(|()| ExitCode::SUCCESS),
        Command::Conformance(conformance) => conformance.run(),
        Command::Simulate(simulate) => simulate.run().map(|()| ExitCode::SUCCESS),
        Command::Torture(torture) => torture.run(),
        Command::Duckdb(duckdb) => duckdb.run().map(|()| ExitCode::SUCCESS),
        Command::Bench(bench) => bench.run().map(|()| ExitCode::SUCCESS),
    }
}
