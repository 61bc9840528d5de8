//! Your own JSON lines through a declarative mapping, then questions as of any instant.
//!
//! Run `cargo run --release -p nowfold-examples --bin replay -- --mapping examples/data/nycflights13/mapping.toml`. Expect
//! one JSON line for each question, and at the end how many lines became actions. `docs/guide/replay.md` has every key of
//! a mapping.

use clap::Parser as _;
use nowfold_examples::replay::run::{self, args::Args};

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    run::run(&Args::parse())
}
