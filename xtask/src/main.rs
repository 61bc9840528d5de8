//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! This is the first thing a newcomer compiles, so it depends on std, clap, anyhow and serde_json alone.

mod java;
mod maven;
mod packages;
mod process;
mod server;
mod workspace;

use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Kafka(action) => action.run(&Kafka),
        Command::Registry(action) => action.run(&Registry),
    }
}
