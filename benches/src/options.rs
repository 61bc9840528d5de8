//! The command line.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use nowfold::runtime::RuntimeConfig;

/// Measures nowfold and prints one JSON object per measurement. See docs/guide/benchmarks.md.
#[derive(Clone, Debug, Parser)]
#[command(name = "nowfold-benches")]
pub(crate) struct Options {
    /// Only this measurement; may be given several times. All of them without it, but those that say so.
    #[arg(long, value_enum)]
    pub(crate) only: Vec<Only>,
    /// Records of a topic that is read to its end.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) records: u64,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How often passes that are compared take turns.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// The raw loop reads its topic again until this has passed, and latencies are sampled for this long.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Worker threads of nowfold; without it nowfold's own default.
    #[arg(long)]
    pub(crate) workers: Option<usize>,
    /// Milliseconds between nowfold's commits; without it nowfold's own default.
    #[arg(long)]
    pub(crate) commit_ms: Option<u64>,
    /// Runs this pass in this process; used by the program itself, once per pass.
    #[arg(long, value_enum, hide = true)]
    pub(crate) pass: Option<Pass>,
    /// The round to name in the pass's line.
    #[arg(long, hide = true)]
    pub(crate) round: Option<usize>,
    /// With `--only instructions`: fail where a count exceeds the ceiling that benches/instructions.json sets.
    #[arg(long)]
    pub(crate) check: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// On Kafka: the raw loop (w0), with decoding (w0d), and nowfold's materialize (w1), in turns.
    W1,
    /// On the embedded log: decode and insert without a runtime (direct), and materialize (w1e), in turns.
    W1e,
    /// On the embedded log: raw JSON to actions to features (w2).
    W2,
    /// On Kafka: the raw loop that also produces (w0c), and raw JSON to actions to features (w2k), in turns.
    W2k,
    /// On Kafka: the raw loop that also produces (dsl-raw), the DSL's map and filter (dsl-map) and windowed count (dsl-count),
    /// and the same in Kafka Streams (ks-map, ks-count), in turns; only when asked for.
    Dsl,
    /// Latency of queries in process while a writer inserts.
    Query,
    /// On the embedded log at 20,000 records per second: from produced to queryable.
    Freshness,
    /// The same on Kafka.
    FreshnessKafka,
    /// Instructions per decode, insert and query, counted by valgrind; only when asked for.
    Instructions,
}

/// What one process measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pass {
    W0,
    W0d,
    W0c,
    W1,
    Direct,
    W1e,
    W2,
    W2k,
    DslRaw,
    DslMap,
    DslCount,
    KsMap,
    KsCount,
    Query,
    Freshness,
    FreshnessKafka,
    CountDecode,
    CountInsert,
    CountQuery5,
    CountQuery500,
}

impl Only {
    /// Whether it runs when nothing is asked for by name.
    pub(crate) fn by_default(self) -> bool {
        !matches!(self, Self::Instructions | Self::Dsl)
    }

    pub(crate) fn needs_kafka(self) -> bool {
        matches!(self, Self::W1 | Self::W2k | Self::Dsl | Self::FreshnessKafka)
    }

    /// As it is written on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Pass {
    /// As it is written on the command line, and in `name` of its lines.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Options {
    pub(crate) fn wants(&self, only: Only) -> bool {
        if self.only.is_empty() { only.by_default() } else { self.only.contains(&only) }
    }

    /// nowfold's settings: its defaults, but for what the command line says.
    pub(crate) fn runtime(&self) -> RuntimeConfig {
        let default = RuntimeConfig::default();
        let commit_interval = self.commit_ms.map_or(default.commit_interval, Duration::from_millis);
        RuntimeConfig { n_workers: self.workers.unwrap_or(default.n_workers), commit_interval, ..default }
    }

    /// The arguments that make a process of its own run `pass`.
    pub(crate) fn arguments(&self, pass: Pass, round: Option<usize>) -> Vec<String> {
        let mut arguments: Vec<_> = [
            ("--pass", pass.name()),
            ("--records", self.records.to_string()),
            ("--seed", self.seed.to_string()),
            ("--seconds", self.seconds.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        let workers = self.workers.map(|n| ("--workers", n.to_string()));
        let commits = self.commit_ms.map(|ms| ("--commit-ms", ms.to_string()));
        let round = round.map(|n| ("--round", n.to_string()));
        for (name, value) in [workers, commits, round].into_iter().flatten() {
            arguments.extend([name.to_owned(), value]);
        }
        arguments
    }
}

/// The address of Kafka, when there is one.
pub(crate) fn bootstrap() -> Option<String> {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|address| !address.is_empty())
}

/// The address of Kafka for a pass that cannot do without.
pub(crate) fn need_bootstrap() -> Result<String> {
    bootstrap().context("KAFKA_BOOTSTRAP_SERVERS is not set; run cargo xtask bench --kafka")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_gets_all_that_matters_to_it() {
        let options =
            Options::parse_from("benches --only w1 --records 5 --seed 7 --workers 3 --commit-ms 9".split(' '));
        assert!(options.wants(Only::W1) && !options.wants(Only::Query));
        let arguments = options.arguments(Pass::W0d, Some(2));
        let child = Options::parse_from(std::iter::once("benches".to_owned()).chain(arguments));
        assert_eq!((child.pass, child.round), (Some(Pass::W0d), Some(2)));
        assert_eq!((child.records, child.seed, child.seconds, child.workers), (5, 7, 10, Some(3)));
        assert_eq!(child.runtime().commit_interval, Duration::from_millis(9));
    }

    #[test]
    fn instructions_are_counted_only_when_asked_for() {
        assert!(!Options::parse_from(["benches"]).wants(Only::Instructions));
        assert!(Options::parse_from(["benches", "--only", "instructions"]).wants(Only::Instructions));
    }
}
