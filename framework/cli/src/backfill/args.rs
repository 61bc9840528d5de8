//! The command line of `nowfold backfill`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use nowfold::Config;
use nowfold::core::time::hours;
use nowfold_mapping::{ActionMapping, CompiledMapping, MappingError, parse_duration};

use super::error::BackfillError;

/// How far back a store reaches that says nothing else.
const DEFAULT_RETENTION: Duration = hours(97);

/// What to send where.
#[derive(Clone, Debug, clap::Args)]
#[command(group = ArgGroup::new("place").required(true).args(["bootstrap", "data_dir"]))]
pub struct Args {
    /// Files in order, oldest first: JSON lines, plain or gzip, or Parquet. Without any, those of the mapping.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The mapping file (docs/guide/replay.md).
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Apache Kafka's address.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// URL of a Schema Registry: the one that the pipeline uses, or none if it uses none.
    #[arg(long, value_name = "URL", requires = "bootstrap")]
    registry: Option<String>,
    /// Directory of an embedded log, instead of Kafka.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The actions topic, instead of the mapping's; for mappings with one entry.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only this entry of the mapping.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Partitions of the actions topic, when it is created here.
    #[arg(long, value_name = "N")]
    pub(super) partitions: Option<i32>,
    /// How long the store keeps actions, instead of the mapping's; 97h by default. Decides what is too late.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    retention: Option<Duration>,
    /// Where the progress is kept, instead of `backfill-<topic>.json` in the present directory.
    #[arg(long, value_name = "FILE")]
    progress: Option<PathBuf>,
    /// Begin at the first line, whatever was sent before. Nothing counts twice.
    #[arg(long)]
    pub(super) restart: bool,
    /// Send at most this many lines a second.
    #[arg(long, value_name = "LINES")]
    pub(super) rate: Option<u64>,
    /// Only look, and send nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Go on although the mapping names fields that no record has.
    #[arg(long)]
    pub(super) allow_unknown_columns: bool,
}

impl Args {
    pub(super) fn mapping(&self) -> Result<CompiledMapping, MappingError> {
        CompiledMapping::load(&self.mapping)
    }

    /// The mapping file's bytes, to tell whether it has changed.
    pub(super) fn mapping_text(&self) -> std::io::Result<Vec<u8>> {
        std::fs::read(&self.mapping)
    }

    pub(super) fn files(&self, mapping: &CompiledMapping) -> Result<Vec<PathBuf>, BackfillError> {
        let of_mapping = || mapping.feed().files.iter().map(|file| mapping.resolve(file)).collect();
        let files: Vec<_> = if self.files.is_empty() { of_mapping() } else { self.files.clone() };
        if files.is_empty() { Err(BackfillError::NoFiles) } else { Ok(files) }
    }

    pub(super) fn config(&self) -> Config {
        let mut config = self.bootstrap.as_ref().map_or_else(Config::embedded, Config::kafka);
        if let Some(dir) = &self.data_dir {
            config = config.data_dir(dir);
        }
        if let Some(url) = &self.registry {
            config = config.registry(url);
        }
        config
    }

    /// The entries of the mapping that take part, by index, each with its topic.
    pub(super) fn entries(&self, mapping: &CompiledMapping) -> Result<Vec<(usize, String)>, BackfillError> {
        let names = || mapping.actions().iter().map(|entry| entry.name().to_owned()).collect();
        let taken = |entry: &&(usize, &ActionMapping)| self.only.as_ref().is_none_or(|only| only == entry.1.name());
        let all: Vec<_> = mapping.actions().iter().enumerate().collect();
        let entries: Vec<_> = all.iter().filter(taken).collect();
        if let (Some(only), true) = (&self.only, entries.is_empty()) {
            return Err(BackfillError::UnknownEntry { name: only.clone(), known: names() });
        }
        if let Some((_, log)) = entries.iter().find(|(_, entry)| !entry.identifies_events()) {
            return Err(BackfillError::IdsFromLog { entry: log.name().to_owned() });
        }
        if self.topic.is_some() && entries.len() > 1 {
            return Err(BackfillError::OneTopicForSeveral { known: names() });
        }
        let topic = |entry: &ActionMapping| self.topic.clone().unwrap_or_else(|| entry.topic().to_owned());
        Ok(entries.into_iter().map(|(index, entry)| (*index, topic(entry))).collect())
    }

    pub(super) fn retention(&self, entry: &ActionMapping) -> Duration {
        self.retention.or(entry.retention()).unwrap_or(DEFAULT_RETENTION)
    }

    pub(super) fn progress_path(&self, mapping: &CompiledMapping) -> PathBuf {
        let topic = || self.topic.clone().unwrap_or_else(|| mapping.feed().name.clone());
        self.progress.clone().unwrap_or_else(|| format!("backfill-{}.json", topic()).into())
    }
}
