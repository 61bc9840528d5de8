//! A and B: raw JSON to actions to features.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use nowfold::Streams;
use nowfold::core::time::Timestamp;

use crate::data::{Schedule, World, actor_name, object_name, title};
use crate::gate;
use crate::meter::{Meter, Spent};
use crate::options::{Options, need_bootstrap};
use crate::place::{Keyed, Place, now_ms};
use crate::report::Measurement;
use crate::topology::{self, Click, Job};

const PATIENCE: Duration = Duration::from_secs(1_800);

/// The topic of raw events of these parameters.
fn clicks_topic(records: u64, seed: u64) -> String {
    format!("nowfold-bench-clicks-1-{records}-{seed}")
}

/// The topic of jobs of this seed.
fn jobs_topic(seed: u64) -> String {
    format!("nowfold-bench-jobs-1-{seed}")
}

/// W2: on the embedded log, which this process fills before.
pub(crate) fn embedded(options: &Options) -> Result<Measurement> {
    let (world, place) = (World::new(options.seed), Place::embedded()?);
    load(&place, &world, options)?;
    let line = run("w2", &place, &world, "nowfold-bench-ab", options)?;
    Ok(line.note("peak memory holds the log as well as the store"))
}

/// W2 on Kafka, with topics and a group of its own, which are deleted afterwards.
pub(crate) fn on_kafka(options: &Options) -> Result<Measurement> {
    let place = Place::kafka(&need_bootstrap()?, None)?;
    let app = format!("nowfold-bench-ab-{}", std::process::id());
    let line = run("w2k", &place, &World::new(options.seed), &app, options)?;
    place.delete_topic(&actions_of(&app))?;
    place.delete_topic(&format!("{app}-dead-letters"))?;
    Ok(line)
}

fn actions_of(app: &str) -> String {
    format!("{app}-actions")
}

/// From the start of processing, when the table of jobs is loaded, until the store holds every event.
fn run(name: &'static str, place: &Place, world: &World, app: &str, options: &Options) -> Result<Measurement> {
    let (clicks, jobs) = (clicks_topic(options.records, options.seed), jobs_topic(options.seed));
    let topology = topology::pipeline(app, &clicks, &jobs, &actions_of(app))?;
    let loading = Meter::start()?;
    let app = Streams::start(topology, place.config(options.runtime()))?;
    let (start, meter) = (loading.spent()?, Meter::start()?);
    await_events(&app, options.records)?;
    let spent = meter.spent()?;
    let line = Measurement::new(name, options.records, spent, options.seed)?;
    let n_checked = gate::check(&app, world, options.records)?;
    app.close()?;
    describe(line, start, n_checked, options)
}

fn describe(line: Measurement, start: Spent, n_checked: usize, options: &Options) -> Result<Measurement> {
    let line = line.figure("start_cpu_s", start.cpu.as_secs_f64())?.figure("actors_checked", n_checked)?;
    Ok(line
        .setting("workers", options.runtime().n_workers)?
        .setting("commit_ms", options.runtime().commit_interval.as_millis())?
        .note_if_short())
}

fn await_events(app: &Streams, n: u64) -> Result<()> {
    let started = Instant::now();
    loop {
        let kept: usize = gate::chains(&app.hub())?.iter().map(|chains| chains.len()).sum();
        if kept as u64 >= n {
            return Ok(());
        }
        ensure!(!app.state().is_final(), "the application ended: {}", app.state());
        ensure!(started.elapsed() < PATIENCE, "{kept} of {n} events after {PATIENCE:?}; {}", app.state());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Fills the topics of raw events and of jobs.
pub(crate) fn load(place: &Place, world: &World, options: &Options) -> Result<()> {
    let (jobs, clicks) = (jobs_topic(options.seed), clicks_topic(options.records, options.seed));
    place.fill_once(&jobs, world.n_objects() as u64, || {
        place.create_topic(&jobs, &[])?;
        place.produce(&jobs, (0..world.n_objects()).map(|object| job(world, object)))
    })?;
    place.fill_once(&clicks, options.records, || {
        place.create_topic(&clicks, &[("message.timestamp.type", "LogAppendTime")])?;
        let schedule = Schedule { n_events: options.records, end_ms: now_ms() };
        let events = world.events().take(usize::try_from(options.records)?);
        place.produce(&clicks, events.map(|event| click(world, &event, schedule.time(&event))))
    })
}

fn job(world: &World, object: usize) -> Result<Keyed> {
    let company = format!("company-{:03}", object % 500);
    let job = Job { title: title(object).to_owned(), company, embedding: world.embedding(object).to_vec() };
    let value = serde_json::to_vec(&job)?.into();
    Ok(Keyed { key: object_name(object).into(), value, t: Timestamp::from_millis(now_ms()) })
}

fn click(world: &World, event: &crate::data::Event, t: Timestamp) -> Result<Keyed> {
    let action = world.action(event, t);
    let text = |attributes: &nowfold::schemas::Attributes, name: &str| {
        attributes.get(name).and_then(|value| value.as_text()).unwrap_or_default().to_owned()
    };
    let click = Click {
        member: actor_name(event.actor),
        job: object_name(event.object),
        kind: action.verb.to_string(),
        geo: text(&action.actor_attributes, "geo"),
        device: text(&action.verb_attributes, "device"),
        at_ms: t.as_millis(),
    };
    Ok(Keyed { key: Bytes::from(click.member.clone()), value: serde_json::to_vec(&click)?.into(), t })
}
