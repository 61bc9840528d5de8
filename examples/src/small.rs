//! What the small examples share: their command line, and waiting with a bound.

use std::time::{Duration, Instant};

use clap::Parser;
use nowfold::core::topology::{Expected, TopicRole};
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, TopicSpec};

/// How long an example waits for something that should happen at once.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The command line of a small example.
#[derive(Clone, Debug, Parser)]
#[command(version)]
struct Args {
    /// Run on the log inside this process (the default).
    #[arg(long, conflicts_with = "bootstrap")]
    embedded: bool,
    /// Run on Apache Kafka at this address; topics that are missing are created.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// Print the topology as a Mermaid flowchart, and end.
    #[arg(long)]
    mermaid: bool,
}

/// Where to run, as the command line says; none when the topology was only to be printed.
///
/// # Errors
/// When Kafka cannot be reached, or refuses a topic.
pub fn config(topology: &Topology) -> anyhow::Result<Option<Config>> {
    let args = Args::parse();
    if printed(&args, topology) {
        return Ok(None);
    }
    let mut config = args.bootstrap.map_or_else(Config::embedded, Config::kafka);
    create_topics(config.broker()?.as_ref(), topology)?;
    Ok(Some(config))
}

/// The test driver for an example that needs no log; none when the topology was only to be printed.
///
/// # Errors
/// When the command line names a Kafka.
pub fn driver(topology: &Topology) -> anyhow::Result<Option<TestDriver>> {
    let args = Args::parse();
    anyhow::ensure!(args.bootstrap.is_none(), "this example runs in the test driver: leave out --bootstrap");
    Ok((!printed(&args, topology)).then(|| TestDriver::new(topology.clone())))
}

fn printed(args: &Args, topology: &Topology) -> bool {
    if args.mermaid {
        print!("{}", topology.to_mermaid());
    }
    args.mermaid
}

/// Creates the topics that others would own, those of tables compacted.
fn create_topics(broker: &dyn Broker, topology: &Topology) -> anyhow::Result<()> {
    let foreign = topology.requirements().iter().filter(|topic| topic.create.is_none());
    for topic in foreign.filter(|topic| matches!(topic.role, TopicRole::Source | TopicRole::Sink)) {
        let rules = topic.rules.iter().map(|rule| (rule.key.to_owned(), Expected::remedy(&rule.expected)));
        let is_table = topology.global_topics().any(|(name, _)| *name == topic.name);
        let compacted = is_table.then(|| ("cleanup.policy".to_owned(), "compact".to_owned()));
        let config = rules.chain(compacted).collect();
        broker.create_topic(&TopicSpec { name: topic.name.clone(), partitions: Some(4), config })?;
    }
    Ok(())
}

/// Asks again until there is an answer.
///
/// # Errors
/// What `ask` fails with, or that there was no answer within [`PATIENCE`].
pub fn until<T>(mut ask: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "nothing came within {} s", PATIENCE.as_secs());
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
