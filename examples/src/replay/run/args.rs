//! The command line of `replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use nowfold::prelude::*;

use crate::replay::mapping::parse_duration;

/// Anybody's JSON lines through a declarative mapping, and questions answered as of any instant.
///
/// Broken off by a crash, the same command goes on where it was: on Kafka, or with --data-dir.
#[derive(Clone, Debug, Parser)]
#[command(name = "replay", version)]
pub struct Args {
    /// The mapping file (docs/guide/replay.md).
    #[arg(long, value_name = "FILE")]
    pub mapping: PathBuf,
    /// The question file; without it, the mapping's.
    #[arg(long, value_name = "FILE")]
    pub questions: Option<PathBuf>,
    /// A feature file (docs/guide/feature-files.md): its features are registered, and questions may name them.
    #[arg(long, value_name = "FILE")]
    pub features: Option<PathBuf>,
    /// Where answers go, one JSON object a line; without it, to standard output.
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Files of the feed in order, instead of the mapping's.
    #[arg(value_name = "FEED")]
    pub feed: Vec<PathBuf>,
    /// Folder of the mapping's files.
    #[arg(long, value_name = "DIR")]
    pub mapped_dir: Option<PathBuf>,
    /// Run on Apache Kafka at this address, instead of the log inside this process.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// URL of a Schema Registry, for the actions topics.
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Keep the log inside this process in this directory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A name before the group and every topic, to keep replays apart on one Kafka.
    #[arg(long, value_name = "NAME")]
    pub prefix: Option<String>,
    /// How far back questions may reach. Questions that reach further are left out.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub retention: Option<Duration>,
    /// Send each line later by a random time below this, so that lines are out of order by that much.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub shuffle_within: Option<Duration>,
    /// Send this share of lines again, under the same event id.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub duplicate: f64,
    /// Kill this process (-9) when this many lines are out, and start it again.
    #[arg(long, value_name = "N")]
    pub restart_at_line: Option<u64>,
    /// Seed of the order and the repeats.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Args {
    /// Where and how to run.
    pub fn config(&self) -> Config {
        let mut config = self.bootstrap.as_ref().map_or_else(Config::embedded, Config::kafka);
        if let Some(dir) = &self.data_dir {
            config = config.data_dir(dir);
        }
        if let Some(url) = &self.registry {
            config = config.registry(url);
        }
        // Questions wait for commits, so they come often.
        let commit_interval = Duration::from_millis(20);
        config.runtime(nowfold::runtime::RuntimeConfig { commit_interval, ..Default::default() })
    }

    /// A topic's or group's name with the prefix.
    pub fn named(&self, name: &str) -> String {
        self.prefix.as_ref().map_or_else(|| name.to_owned(), |prefix| format!("{prefix}-{name}"))
    }
}
