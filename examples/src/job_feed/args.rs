//! The command line of `job-feed`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use nowfold::prelude::*;

/// The job recommender: raw activity to features to a ranking, live.
#[derive(Clone, Debug, Parser)]
#[command(name = "job-feed", version, about)]
pub struct Args {
    /// Run on the log inside this process (the default).
    #[arg(long, conflicts_with = "bootstrap")]
    pub embedded: bool,
    /// Run on Apache Kafka at this address.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// URL of a Schema Registry, for the actions topic.
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Keep the embedded log in this directory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// End after this many seconds; without it, at Ctrl-C.
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Seed of the made-up world.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Members.
    #[arg(long, default_value_t = 50_000)]
    pub members: u64,
    /// Events of the past 96 hours, written before the start.
    #[arg(long, default_value_t = 400_000)]
    pub history: u64,
    /// Live events per second.
    #[arg(long, default_value_t = 2_000)]
    pub rate: u64,
    /// Serve queries on this port of the loopback address; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 7070)]
    pub http_port: u16,
    /// Serve nothing.
    #[arg(long)]
    pub no_http: bool,
}

impl Args {
    /// Where and how to run.
    pub fn config(&self) -> Config {
        let mut config = match &self.bootstrap {
            Some(bootstrap) => Config::kafka(bootstrap),
            None => Config::embedded(),
        };
        if let Some(dir) = &self.data_dir {
            config = config.data_dir(dir);
        }
        if let Some(url) = &self.registry {
            config = config.registry(url);
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.http_port));
        if self.no_http { config } else { config.http(address) }
    }
}
