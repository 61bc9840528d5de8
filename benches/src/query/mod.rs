//! How fast a query in process is answered while one thread inserts.
//!
//! One reader asks at fixed instants (an open loop). `response_ns` counts from the instant at which a question was due,
//! so a stall also counts for the questions that waited behind it; `service_ns` counts from when it was asked.

mod reader;
mod store;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use self::reader::Reader;
use self::store::Store;
use self::writer::{Pace, Writer};
use crate::meter::Meter;
use crate::options::Options;
use crate::report::Measurement;

/// Questions per second, where the reader has time for them.
const QPS: f64 = 5_000.0;
/// The reader is asked for at most this share of its time, so that questions do not queue behind one another.
const BUSY: f64 = 0.2;

/// Actors that are asked about: how many there are, and how many events each has.
#[derive(Clone, Copy, Debug)]
struct Class {
    n_events: usize,
    n_actors: usize,
}

const CLASSES: [Class; 3] = [
    Class { n_events: 5, n_actors: 20_000 },
    Class { n_events: 500, n_actors: 400 },
    Class { n_events: 100_000, n_actors: 4 },
];

/// Events of other actors, who make the store a busy one.
const N_OTHERS: usize = 300_000;

/// Asks about actors of `n_events` in a small store that nobody writes to: `repeat` gets the question.
pub(crate) fn repeatedly(
    seed: u64,
    n_events: usize,
    repeat: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<()>,
) -> Result<()> {
    let classes = [Class { n_events, n_actors: 10_000 / n_events }];
    let mut reader = Reader::new(&Arc::new(Store::fill(seed, &classes, 0)?), 0, seed)?;
    repeat(&mut || reader.ask().map(drop))
}

/// Measures every class of actors under every pace of the writer.
pub(crate) fn run(options: &Options) -> Result<()> {
    let store = Arc::new(Store::fill(options.seed, &CLASSES, N_OTHERS)?);
    for (number, class) in CLASSES.into_iter().enumerate() {
        for pace in [Pace::Still, Pace::PerSecond(20_000), Pace::FlatOut] {
            cell(&store, number, class, pace, options)?.print(options.round)?;
        }
    }
    Ok(())
}

fn cell(store: &Arc<Store>, number: usize, class: Class, pace: Pace, options: &Options) -> Result<Measurement> {
    let mut reader = Reader::new(store, number, options.seed)?;
    let qps = QPS.min(BUSY / reader.mean_service()?.as_secs_f64());
    let writer = Writer::start(store, pace, options.seed);
    let meter = Meter::start()?;
    let taken = reader.run(qps, Duration::from_secs(options.seconds))?;
    let spent = meter.spent()?;
    let n_written = writer.stop()?;
    let line = Measurement::new("query", taken.response.len() as u64, spent, options.seed)?
        .figure("events_per_actor", class.n_events)?
        .figure("response_ns", taken.response.percentiles())?
        .figure("service_ns", taken.service.percentiles())?
        .figure("inserts_per_s", (n_written as f64 / spent.wall.as_secs_f64()).round())?
        .setting("writer", pace.to_string())?
        .setting("questions_per_s", qps.round())?
        .setting("windows", ["1h", "24h", "96h"])?
        .setting("features", ["count", "mean of 64 f32"])?
        .setting("actors_asked", class.n_actors)?
        .setting("events_in_store", store.n_events())?;
    Ok(line.note("the reader spins between questions: it takes one core, the writer another"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_right_while_the_writer_inserts() {
        let classes = [Class { n_events: 5, n_actors: 50 }, Class { n_events: 300, n_actors: 2 }];
        let store = Arc::new(Store::fill(1, &classes, 1_000).unwrap());
        let before = store.n_events();
        let writer = Writer::start(&store, Pace::FlatOut, 1);
        for class in 0..classes.len() {
            let mut reader = Reader::new(&store, class, 1).unwrap();
            let taken = reader.run(1_000.0, Duration::from_millis(200)).unwrap();
            assert!(taken.response.len() > 10);
        }
        let n_written = writer.stop().unwrap();
        assert_eq!((store.n_events() - before) as u64, n_written);
        assert_eq!(before, 50 * 5 + 2 * 300 + 1_000);
    }
}
