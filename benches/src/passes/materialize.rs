//! B: nowfold's `materialize` over an actions topic, from the start to Running.

use std::time::Duration;

use anyhow::Result;
use nowfold::Streams;

use crate::data::World;
use crate::gate;
use crate::meter::{Meter, Spent};
use crate::options::{Options, need_bootstrap};
use crate::place::{Place, actions_topic};
use crate::report::Measurement;
use crate::topology;

const APP: &str = "nowfold-bench-b";
const PATIENCE: Duration = Duration::from_secs(1_800);

/// W1: on Kafka.
pub(crate) fn on_kafka(options: &Options) -> Result<Measurement> {
    let meter = Meter::start()?;
    let place = Place::kafka(&need_bootstrap()?, None)?;
    let topic = actions_topic(options.records, options.seed);
    let (app, spent) = start(&place, &topic, options, meter)?;
    measured("w1", app, spent, &World::new(options.seed), options)
}

/// W1e: on the embedded log, which this process fills before.
pub(crate) fn embedded(options: &Options) -> Result<Measurement> {
    let (world, place) = (World::new(options.seed), Place::embedded()?);
    place.load_actions("actions", &world, options.records)?;
    let (app, spent) = start(&place, "actions", options, Meter::start()?)?;
    Ok(measured("w1e", app, spent, &world, options)?.note("peak memory holds the log as well as the store"))
}

fn start(place: &Place, topic: &str, options: &Options, meter: Meter) -> Result<(Streams, Spent)> {
    let app = Streams::start(topology::materialize(APP, topic)?, place.config(options.runtime()))?;
    app.await_running(PATIENCE)?;
    let spent = meter.spent()?;
    Ok((app, spent))
}

fn measured(name: &'static str, app: Streams, spent: Spent, world: &World, options: &Options) -> Result<Measurement> {
    let line = Measurement::new(name, options.records, spent, options.seed)?;
    let stores = gate::chains(&app.hub())?;
    let store_bytes: usize = stores.iter().map(|chains| chains.bytes()).sum();
    let n_actors: usize = stores.iter().map(|chains| chains.actors()).sum();
    let n_checked = gate::check(&app, world, options.records)?;
    drop(stores);
    app.close()?;
    let line = line.figure("store_bytes", store_bytes)?.figure("actors", n_actors)?;
    let line = line
        .figure("actors_checked", n_checked)?
        .setting("workers", options.runtime().n_workers)?
        .setting("commit_ms", options.runtime().commit_interval.as_millis())?;
    Ok(line.note_if_short())
}
