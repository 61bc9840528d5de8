//! From produced to queryable, one hop, while 20,000 records a second arrive.
//!
//! A loader produces actions at fixed instants; one in fifty is the only action of an actor of its own, a probe. A watcher
//! asks for the oldest probe of each partition until it is there: `fresh_ns` is from the call of `send` to the first answer
//! that has it, `due_ns` from the instant at which it should have been sent. Both include the time between two looks of
//! the watcher, which is stated as `look_ns`.

mod loader;
mod watcher;

use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Result, anyhow};
use nowfold::Streams;

use self::loader::{Loader, RATE};
use self::watcher::watch;
use crate::meter::Meter;
use crate::options::{Options, need_bootstrap};
use crate::place::Place;
use crate::report::Measurement;
use crate::topology::{self, STORE};

const PATIENCE: Duration = Duration::from_secs(60);

/// On the embedded log.
pub(crate) fn embedded(options: &Options) -> Result<()> {
    let line = measure("freshness", &Place::embedded()?, "actions", options)?;
    line.setting("log", "embedded")?.print(options.round)
}

/// On Kafka: with a producer that sends at once, and with nowfold's default.
pub(crate) fn on_kafka(options: &Options) -> Result<()> {
    for linger_ms in [Some(0), None] {
        let place = Place::kafka(&need_bootstrap()?, linger_ms)?;
        let topic = format!("nowfold-bench-fresh-{}", std::process::id());
        let line = measure("freshness-kafka", &place, &topic, options)?;
        place.delete_topic(&topic)?;
        let linger = linger_ms.map_or_else(|| "default".to_owned(), |ms| ms.to_string());
        line.setting("log", "kafka")?.setting("linger.ms", linger)?.print(options.round)?;
    }
    Ok(())
}

fn measure(name: &'static str, place: &Place, topic: &str, options: &Options) -> Result<Measurement> {
    place.create_actions_topic(topic)?;
    let app = Streams::start(topology::materialize("nowfold-bench-fresh", topic)?, place.config(options.runtime()))?;
    app.await_running(PATIENCE)?;
    let loader = Loader::open(place, topic, options.seed, Duration::from_secs(options.seconds))?;
    let (probes, probed) = channel();
    let meter = Meter::start()?;
    let loading = std::thread::spawn(move || loader.run(&probes));
    let seen = watch(&app.features(STORE)?, &probed)?;
    let sent = loading.join().map_err(|_| anyhow!("the loader panicked"))??;
    let spent = meter.spent()?;
    app.close()?;
    let line = Measurement::new(name, sent, spent, options.seed)?;
    let line = line.figure("fresh_ns", seen.fresh.percentiles())?.figure("due_ns", seen.due.percentiles())?;
    let line = line.figure("look_ns", seen.look.percentiles())?.setting("records_per_s", RATE)?;
    Ok(line
        .setting("workers", options.runtime().n_workers)?
        .setting("commit_ms", options.runtime().commit_interval.as_millis())?
        .note("cpu_s holds the loader and the watcher as well"))
}
