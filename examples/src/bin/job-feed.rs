//! A job recommender, end to end, in a world made from a seed.
//!
//! Run `cargo run --release -p nowfold-examples --bin job-feed -- --seconds 60` (or `cargo xtask demo`). Expect a member's
//! top five jobs, an application, and the list again, reordered, with the seconds that took; then a live line with the
//! freshness measured from outside. `--bootstrap HOST:PORT --registry URL` runs the same on Kafka.

use clap::Parser as _;
use nowfold_examples::job_feed::{self, args::Args};

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    job_feed::run(&Args::parse())
}
