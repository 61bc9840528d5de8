//! One process of the application.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use nowfold::prelude::*;
use nowfold::runtime::RuntimeConfig;

use crate::topology::{Plant, topology};

/// Where it runs and how.
#[derive(Debug, Args)]
pub(crate) struct App {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    http: SocketAddr,
    /// A name that survives restarts: static membership, and transactions that its successor ends at once.
    #[arg(long)]
    name: Option<String>,
    /// Where it keeps its state from one life to the next; without it, in memory only.
    #[arg(long)]
    state_dir: Option<PathBuf>,
    #[arg(long)]
    exactly_once: bool,
    #[arg(long)]
    actions_every: u64,
    #[arg(long)]
    plant: Option<Plant>,
}

impl App {
    /// Runs until SIGTERM.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let runtime = if self.exactly_once { RuntimeConfig::exactly_once() } else { RuntimeConfig::default() };
        let runtime = RuntimeConfig {
            n_workers: 2,
            transaction_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(120),
            ..runtime
        };
        let config = Config::kafka(self.bootstrap)
            .session_timeout(Duration::from_secs(6))
            .http(self.http)
            .metrics(nowfold::serve::install_recorder()?)
            .runtime(runtime);
        let config = self.name.into_iter().fold(config, Config::instance_id);
        let config = self.state_dir.into_iter().fold(config, Config::state_dir);
        let app = Streams::start(topology(self.actions_every, self.plant)?, config)?;
        println!("{}", app.run_until_ctrl_c()?);
        Ok(())
    }
}
