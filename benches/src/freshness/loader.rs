//! The open loop that produces.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nowfold::core::names::{Partition, TopicName};
use nowfold::core::partition::partition_for_key;
use nowfold::core::time::Timestamp;
use nowfold::runtime::broker::Producer;

use crate::data::{Encoder, Event, Random, World};
use crate::place::{Keyed, PARTITIONS, Place, now_ms};

/// Records per second.
pub(super) const RATE: u64 = 20_000;
/// One record in so many is a probe.
const PROBE_ONE_IN: u64 = 50;
/// Probes of this first time are not counted.
pub(super) const WARM_UP: Duration = Duration::from_secs(2);

/// Produces for a time.
pub(super) struct Loader {
    producer: Box<dyn Producer>,
    topic: TopicName,
    world: World,
    encoder: Encoder,
    seed: u64,
    n_records: u64,
}

/// The only action of an actor.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) actor: String,
    pub(super) partition: Partition,
    /// When it should have been sent.
    pub(super) due: Instant,
    /// When it was handed to the producer.
    pub(super) sent: Instant,
    /// Whether it counts.
    pub(super) counts: bool,
}

impl Loader {
    pub(super) fn open(place: &Place, topic: &str, seed: u64, for_time: Duration) -> Result<Self> {
        let n_records = RATE * (for_time + WARM_UP).as_secs();
        let (producer, encoder) = (place.broker().producer()?, Encoder::new()?);
        Ok(Self { producer, topic: topic.into(), world: World::new(seed), encoder, seed, n_records })
    }

    /// Sends every record at its instant, or at once when that has passed, and returns how many.
    pub(super) fn run(mut self, probes: &Sender<Probe>) -> Result<u64> {
        let (mut random, started) = (Random::new(self.seed), Instant::now());
        for number in 0..self.n_records {
            let due = started + Duration::from_nanos(number * (1_000_000_000 / RATE));
            if let Some(left) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(left);
            }
            let event = self.world.event(number, &mut random);
            let is_probe = number.is_multiple_of(PROBE_ONE_IN);
            let (actor, record) = self.record(&event, is_probe)?;
            let sent = Instant::now();
            self.producer.send(record.into_output(&self.topic)).map_err(|failure| failure.error)?;
            if is_probe {
                let partition = partition_for_key(actor.as_bytes(), PARTITIONS);
                let probe = Probe { actor, partition, due, sent, counts: due - started >= WARM_UP };
                probes.send(probe).map_err(|_| anyhow!("the watcher has ended"))?;
            }
        }
        match self.producer.flush(Duration::from_secs(30))?.into_iter().next() {
            Some(failure) => Err(failure.error.into()),
            None => Ok(self.n_records),
        }
    }

    fn record(&self, event: &Event, is_probe: bool) -> Result<(String, Keyed)> {
        let t = Timestamp::from_millis(now_ms());
        let mut action = self.world.action(event, t);
        if is_probe {
            action.actor = format!("probe-{}", event.number).into();
        }
        let (actor, value) = (action.actor.to_string(), self.encoder.encode(&action)?.into());
        Ok((actor.clone(), Keyed { key: actor.into(), value, t }))
    }
}
