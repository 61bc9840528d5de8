//! The subcommands that every server has.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{Home, Server, lifecycle, start, stop};

/// What to do with a server.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Action {
    /// Start it unless it runs, wait until it answers, print its address.
    ///
    /// The address is the only line on standard output. The process outlives this command.
    Start {
        /// Listen on exactly this port, instead of the first free one.
        #[arg(long)]
        port: Option<u16>,
    },
    /// Stop it; the data stays for the next start.
    Stop {
        /// Remove the data and the logs too.
        #[arg(long)]
        wipe: bool,
    },
    /// Say whether it runs and answers, and where; exits with 1 when it does not.
    Status,
}

impl Action {
    /// Runs the action on a server.
    ///
    /// # Errors
    /// When a start or stop fails.
    pub(crate) fn run(&self, server: &dyn Server) -> Result<ExitCode> {
        match self {
            Self::Start { port } => {
                println!("{}", start(server, *port)?.address());
                Ok(ExitCode::SUCCESS)
            }
            Self::Stop { wipe } => stop(server, *wipe).map(|()| ExitCode::SUCCESS),
            Self::Status => Ok(status(server)),
        }
    }
}

fn status(server: &dyn Server) -> ExitCode {
    let name = server.name();
    if let Some(address) = lifecycle::external(server) {
        return report(server, &address, &format!("{name}: {address}, from {}", server.address_variable()));
    }
    let home = Home::of(name);
    match (home.running(), home.state()) {
        (Some(state), _) => {
            let text = format!("{name}: {}, pid {}, {}", state.address, state.pid, home.dir().display());
            report(server, &state.address, &text)
        }
        (None, Some(state)) => {
            println!("{name}: not running; process {} ended without a stop", state.pid);
            eprintln!("{}", lifecycle::log_tail(&home));
            ExitCode::FAILURE
        }
        (None, None) => {
            println!("{name}: not running");
            ExitCode::FAILURE
        }
    }
}

fn report(server: &dyn Server, address: &str, text: &str) -> ExitCode {
    match server.probe(address) {
        Ok(()) => {
            println!("{text}, answers");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{text}, does not answer: {error:#}");
            ExitCode::FAILURE
        }
    }
}
