//! `nowfold`: see `nowfold --help` and `docs/guide/backfill.md`.

use std::process::ExitCode;

use clap::Parser as _;
use nowfold_cli::Args;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    nowfold_cli::run(&Args::parse())
}
