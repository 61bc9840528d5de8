//! The command `nowfold`.
//!
//! - `nowfold backfill FILE... --mapping M.toml`: history into the actions topic, under the ids that `replay` gives.
//! - `nowfold check FILE...`: every mistake in mapping and feature files at once; with `--mapping M.toml`, feature files are held
//!   against what that mapping's actions have.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | stopped on the way: the same command goes on from there |
//! | 2 | the command line cannot be understood |
//! | 3 | something that was given is wrong, and nothing was sent: a file, the mapping, a topic's settings |

pub mod backfill;
pub mod check;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "nowfold", version, about = "Fresh rolling features from Kafka, as of now")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put history into the actions topic, under the ids that `replay` gives.
    ///
    /// Broken off, the same command goes on where it was. Run again, it sends what the files have gained since.
    Backfill(Box<backfill::Args>),
    /// Show every mistake in mapping and feature files at once.
    Check(check::Args),
}

/// Runs a command and says how it ended.
pub fn run(args: &Args) -> ExitCode {
    let result = match &args.command {
        Command::Backfill(args) => backfill::run(args),
        Command::Check(args) => check::run(args),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    eprintln!("{failure}");
    ExitCode::from(failure.exit_code())
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Something that was given is wrong. Nothing was sent.
    #[error("{0:#}")]
    Wrong(anyhow::Error),
    /// It stopped on the way.
    #[error("{0:#}")]
    Stopped(anyhow::Error),
}

impl Failure {
    /// The exit code of the command.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Wrong(_) => 3,
            Self::Stopped(_) => 1,
        }
    }

    fn wrong(error: impl Into<anyhow::Error>) -> Self {
        Self::Wrong(error.into())
    }

    fn stopped(error: impl Into<anyhow::Error>) -> Self {
        Self::Stopped(error.into())
    }
}
