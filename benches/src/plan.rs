//! The order of things: which passes take turns, and the ratios of their records per CPU second.
//!
//! Every pass is a process of its own, so that its CPU time and memory are its own.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde_json::Value;

use crate::data::World;
use crate::instructions;
use crate::options::{Only, Options, Pass, bootstrap};
use crate::passes;
use crate::place::{Place, actions_topic};
use crate::report::{Ratio, print_skipped};

const NO_KAFKA: &str = "KAFKA_BOOTSTRAP_SERVERS is not set; run cargo xtask bench --kafka";

/// Runs what the options ask for.
pub(crate) fn run(options: &Options) -> Result<()> {
    for only in Only::value_variants().iter().copied().filter(|only| options.wants(*only)) {
        match bootstrap() {
            None if only.needs_kafka() => print_skipped(&only.name(), NO_KAFKA)?,
            kafka => measure(only, kafka.as_deref(), options)?,
        }
    }
    Ok(())
}

fn measure(only: Only, kafka: Option<&str>, options: &Options) -> Result<()> {
    if let Some(bootstrap) = kafka.filter(|_| matches!(only, Only::W1 | Only::W2k | Only::Dsl)) {
        load(only, bootstrap, options)?;
    }
    match only {
        // W0 goes first and last, so that what it is divided by is from both sides of what is divided.
        Only::W1 => turns(
            &[Pass::W0, Pass::W0d, Pass::W1, Pass::W0],
            &[(Pass::W1, Pass::W0), (Pass::W0d, Pass::W0), (Pass::W1, Pass::W0d)],
            options,
        ),
        Only::W1e => turns(&[Pass::Direct, Pass::W1e], &[(Pass::W1e, Pass::Direct)], options),
        Only::W2 => turns(&[Pass::W2], &[], options),
        Only::W2k => turns(&[Pass::W0c, Pass::W2k, Pass::W0c], &[(Pass::W2k, Pass::W0c)], options),
        Only::Dsl => dsl(options),
        Only::Query => child(Pass::Query, None, options).map(drop),
        Only::Freshness => child(Pass::Freshness, None, options).map(drop),
        Only::FreshnessKafka => child(Pass::FreshnessKafka, None, options).map(drop),
        Only::Instructions => instructions::run(options),
    }
}

fn load(only: Only, bootstrap: &str, options: &Options) -> Result<()> {
    let (place, world) = (Place::kafka(bootstrap, None)?, World::new(options.seed));
    if only == Only::Dsl {
        return passes::load_texts(&place, &world, options);
    }
    let topic = actions_topic(options.records, options.seed);
    place.fill_once(&topic, options.records, || place.load_actions(&topic, &world, options.records))?;
    if only == Only::W2k {
        passes::load_pipeline(&place, &world, options)?;
    }
    Ok(())
}

/// The DSL beside the raw loop, and beside Kafka Streams where that is at hand.
fn dsl(options: &Options) -> Result<()> {
    let mut passes = vec![Pass::DslRaw, Pass::DslMap, Pass::DslCount];
    let mut pairs = vec![(Pass::DslMap, Pass::DslRaw), (Pass::DslCount, Pass::DslRaw)];
    match passes::why_no_kafka_streams() {
        Some(why) => print_skipped("kafka-streams", why)?,
        None => {
            passes.extend([Pass::KsMap, Pass::KsCount]);
            pairs.extend([(Pass::DslMap, Pass::KsMap), (Pass::DslCount, Pass::KsCount)]);
        }
    }
    passes.push(Pass::DslRaw);
    turns(&passes, &pairs, options)
}

/// Runs the passes in turns, and prints the ratio of each pair over the rounds.
fn turns(passes: &[Pass], pairs: &[(Pass, Pass)], options: &Options) -> Result<()> {
    let mut rounds = Vec::new();
    for round in 1..=options.rounds {
        let mut rates: HashMap<String, Vec<f64>> = HashMap::new();
        for pass in passes {
            let rate = child(*pass, Some(round), options)?;
            rates.entry(pass.name()).or_default().extend(rate);
        }
        rounds.push(rates);
    }
    for (of, to) in pairs {
        let (of, to) = (of.name(), to.name());
        let ratios = rounds.iter().filter_map(|rates| Some(mean(rates.get(&of)?)? / mean(rates.get(&to)?)?));
        if let Some(ratio) = Ratio::of(&of, &to, ratios.collect()) {
            ratio.print()?;
        }
    }
    Ok(())
}

fn mean(rates: &[f64]) -> Option<f64> {
    (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
}

/// Runs a pass in a process of its own, prints its lines, and returns the last one's records per CPU second.
fn child(pass: Pass, round: Option<usize>, options: &Options) -> Result<Option<f64>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(options.arguments(pass, round)).stdout(Stdio::piped());
    let output = command.spawn()?.wait_with_output()?;
    let lines = String::from_utf8(output.stdout)?;
    print!("{lines}");
    ensure!(output.status.success(), "pass {} failed ({})", pass.name(), output.status);
    let last = lines.lines().last().with_context(|| format!("pass {} printed nothing", pass.name()))?;
    Ok(serde_json::from_str::<Value>(last)?.get("records_per_cpu_s").and_then(Value::as_f64))
}
