//! The application that `cargo xtask torture` kills, and the load that it works on.
//!
//! Run by that command, not by hand: `torture app` is one process of the application, `torture load` creates the topics
//! and writes as many records as it is told on standard input. `tests/torture/Verify.java` recomputes what must come out.

mod app;
mod load;
mod sample;
mod topology;

use clap::Parser;

/// The two roles.
#[derive(Debug, Parser)]
enum Role {
    /// One process of the application, until SIGTERM.
    App(app::App),
    /// Writes the input: for each number on standard input as many records, then a line with how many there are in all.
    Load(load::Load),
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match Role::parse() {
        Role::App(app) => app.run(),
        Role::Load(load) => load.run(),
    }
}
