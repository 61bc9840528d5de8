//! What nowfold costs beside a raw client loop, and how fast it answers.
//!
//! `cargo xtask bench [--kafka] [ARGS]` runs it; it prints one JSON object per measurement. `docs/guide/benchmarks.md` says
//! what each line means.

mod count;
mod data;
mod freshness;
mod gate;
mod instructions;
mod latency;
mod meter;
mod options;
mod passes;
mod place;
mod plan;
mod query;
mod raw;
mod report;
mod topology;

use anyhow::Result;
use clap::Parser;

fn main() -> Result<()> {
    let options = options::Options::parse();
    match options.pass {
        Some(pass) => passes::run(pass, &options),
        None => plan::run(&options),
    }
}
