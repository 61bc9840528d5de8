//! The DSL on Kafka: a stateless map and filter, and a windowed count with its changelog; beside the raw loop that produces
//! every record it reads, and the same topologies in Kafka Streams.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use nowfold::core::names::TopicPartition;
use nowfold::core::serde::SerdeEnv;
use nowfold::prelude::*;
use nowfold::runtime::{Platform, Streams as Runtime, SystemClock};

use crate::data::{Schedule, World, actor_name, object_name, title};
use crate::meter::Meter;
use crate::options::{Options, Pass, need_bootstrap};
use crate::passes::raw;
use crate::place::{Keyed, PARTITIONS, Place, now_ms};
use crate::report::Measurement;

const PATIENCE: Duration = Duration::from_secs(1_800);
/// Where the class of `benches/kafka-streams` and its jars are; `cargo xtask bench dsl` sets it.
const CLASS_PATH: &str = "NOWFOLD_BENCH_KAFKA_STREAMS";

/// Actions as text, keyed by actor.
fn texts_topic(options: &Options) -> String {
    format!("nowfold-bench-texts-1-{}-{}", options.records, options.seed)
}

/// Whether the filter lets an action through, by its verb.
fn passes_on(verb: &str) -> bool {
    !verb.starts_with("dismiss")
}

/// Fills the topic that all passes of the DSL read.
pub(crate) fn load(place: &Place, world: &World, options: &Options) -> Result<()> {
    let topic = texts_topic(options);
    place.fill_once(&topic, options.records, || {
        place.create_topic(&topic, &[])?;
        let schedule = Schedule { n_events: options.records, end_ms: now_ms() };
        let events = world.events().take(usize::try_from(options.records)?);
        place.produce(&topic, events.map(|event| text(world, &event, schedule.time(&event))))
    })
}

fn text(world: &World, event: &crate::data::Event, t: Timestamp) -> Result<Keyed> {
    let (verb, object) = (world.action(event, t).verb, object_name(event.object));
    let value = format!("{verb} {object} {} {}", title(event.object), t.as_millis());
    Ok(Keyed { key: Bytes::from(actor_name(event.actor)), value: value.into(), t })
}

fn topology(pass: Pass, app: &str, options: &Options) -> Result<Topology> {
    let builder = StreamsBuilder::new(app);
    let texts = builder.stream(texts_topic(options), Plain::<String, String>::new());
    if pass == Pass::DslMap {
        let kept = texts.filter("kept", |_, action| passes_on(action));
        kept.map_values("marked", |_, action| action.replace('-', "_")).to(out_of(app), Plain::new());
    } else {
        let windows = TimeWindows::tumbling(hours(1)).grace(hours(1));
        let grouped = texts.group_by_key("by-actor", Plain::<String, String>::new());
        let counts = grouped.windowed(windows).count("counts");
        counts.to_stream("changes").for_each("seen", |_: Windowed<String>, _: Option<i64>| ());
    }
    Ok(builder.build()?)
}

fn out_of(app: &str) -> String {
    format!("{app}-out")
}

/// The topic that a pass writes to, and how many records must lie there at the end: a record for each that is passed on,
/// or a write of the changelog for each that is counted. None of the input is too late to be.
fn expected(pass: Pass, app: &str, options: &Options) -> Result<(String, u64)> {
    if !matches!(pass, Pass::DslMap | Pass::KsMap) {
        return Ok((format!("{app}-counts-changelog"), options.records));
    }
    let (world, schedule) = (World::new(options.seed), Schedule { n_events: options.records, end_ms: now_ms() });
    let events = world.events().take(usize::try_from(options.records)?);
    let kept = events.filter(|event| passes_on(&world.action(event, schedule.time(event)).verb)).count();
    Ok((out_of(app), kept as u64))
}

/// The raw loop: every record read, summed and produced.
pub(crate) fn copy(options: &Options) -> Result<Measurement> {
    raw::copy_of("dsl-raw", &texts_topic(options), options)
}

/// nowfold, from the start of the process until every record's effects are stored and its offset is committed.
pub(crate) fn run(pass: Pass, options: &Options) -> Result<Measurement> {
    let app = format!("nowfold-bench-{}-{}", pass.name(), std::process::id());
    let place = Place::kafka(&need_bootstrap()?, None)?;
    place.create_topic(&out_of(&app), &[])?;
    let (meter, runtime) = (Meter::start()?, options.runtime());
    let (workers, commit_ms) = (runtime.n_workers, runtime.commit_interval.as_millis());
    let platform = Platform { broker: place.shared(), clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let streams = Runtime::start(topology(pass, &app, options)?, platform, runtime)?;
    await_ends(&place, &streams, &texts_topic(options))?;
    let spent = meter.spent()?;
    streams.close()?;
    verify(&place, pass, &app, options)?;
    let name = if pass == Pass::DslMap { "dsl-map" } else { "dsl-count" };
    let line = Measurement::new(name, options.records, spent, options.seed)?;
    Ok(line.setting("workers", workers)?.setting("commit_ms", commit_ms)?.note_if_short())
}

fn await_ends(place: &Place, streams: &Runtime, topic: &str) -> Result<()> {
    let partitions = (0..PARTITIONS).map(|partition| TopicPartition::new(topic, partition));
    let end = |at: TopicPartition| Ok((at.clone(), place.broker().watermarks(&at)?.high));
    let (ends, started) = (partitions.map(end).collect::<Result<Vec<_>>>()?, Instant::now());
    loop {
        let completed = streams.completed();
        if ends.iter().all(|(at, end)| completed.get(at).is_some_and(|offset| offset >= end)) {
            return Ok(());
        }
        ensure!(!streams.state().is_final(), "the application ended: {}", streams.state());
        ensure!(started.elapsed() < PATIENCE, "{completed:?} after {PATIENCE:?}, to be {ends:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// No speed counts whose results are not all there.
fn verify(place: &Place, pass: Pass, app: &str, options: &Options) -> Result<()> {
    let (topic, wanted) = expected(pass, app, options)?;
    let found = place.n_written(&topic)?.with_context(|| format!("there is no topic {topic}"))?;
    ensure!(found == wanted, "{topic} got {found} records instead of {wanted}");
    place.delete_topic(&format!("{app}-counts-changelog"))?;
    place.delete_topic(&out_of(app))
}

/// Why Kafka Streams cannot be measured, if it cannot.
pub(crate) fn why_no_kafka_streams() -> Option<&'static str> {
    std::env::var_os(CLASS_PATH).is_none().then_some("no Kafka Streams; cargo xtask bench dsl brings it")
}

/// The same topology in Kafka Streams: runs a JVM, and prints its line.
pub(crate) fn kafka_streams(pass: Pass, options: &Options) -> Result<()> {
    let app = format!("nowfold-bench-{}-{}", pass.name(), std::process::id());
    let (bootstrap, runtime) = (need_bootstrap()?, options.runtime());
    let place = Place::kafka(&bootstrap, None)?;
    place.create_topic(&out_of(&app), &[])?;
    let class_path = std::env::var_os(CLASS_PATH).context("no Kafka Streams; cargo xtask bench dsl brings it")?;
    let mut command = Command::new(std::env::var_os("JAVA").unwrap_or_else(|| "java".into()));
    command.args(["-Xms2g", "-Xmx2g", "-cp"]).arg(class_path).arg("DslPeer");
    let round = options.round.map_or_else(|| "null".to_owned(), |round| round.to_string());
    for (option, value) in [
        ("--name", pass.name()),
        ("--round", round),
        ("--bootstrap", bootstrap),
        ("--app", app.clone()),
        ("--topic", texts_topic(options)),
        ("--to", out_of(&app)),
        ("--records", options.records.to_string()),
        ("--threads", runtime.n_workers.to_string()),
        ("--commit-ms", runtime.commit_interval.as_millis().to_string()),
    ] {
        command.arg(option).arg(value);
    }
    let output = command.stdout(Stdio::piped()).spawn().context("java did not start")?.wait_with_output()?;
    ensure!(output.status.success(), "Kafka Streams failed ({})", output.status);
    verify(&place, pass, &app, options)?;
    print!("{}", String::from_utf8(output.stdout)?);
    Ok(())
}
