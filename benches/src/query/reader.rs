//! The one thread that asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nowfold::operators::feature::FeatureValue;
use nowfold::operators::{Answer, Features};

use super::store::{Store, actor_of};
use crate::data::Random;
use crate::latency::Latencies;

/// Questions before the measured ones.
const WARM_UP: usize = 200;
/// Means are compared as f32 that were computed in f64 in another order.
const TOLERANCE: f64 = 1e-5;

/// Asks about random actors of one class.
pub(super) struct Reader {
    store: Arc<Store>,
    features: Features,
    class: usize,
    names: Vec<String>,
    random: Random,
}

/// Latencies from when questions were due, and from when they were asked.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) response: Latencies,
    pub(super) service: Latencies,
}

impl Reader {
    pub(super) fn new(store: &Arc<Store>, class: usize, seed: u64) -> Result<Self> {
        let n_actors = store.classes.get(class).context("there is no such class")?.n_actors;
        let names = (0..n_actors).map(|actor| actor_of(class, actor)).collect();
        let reader = Self { store: store.clone(), features: store.features(), class, names, random: Random::new(seed) };
        reader.check_means()?;
        Ok(reader)
    }

    /// How long a question takes, on average over a few.
    pub(super) fn mean_service(&mut self) -> Result<Duration> {
        let mut took = Duration::ZERO;
        for _ in 0..WARM_UP {
            took += self.ask()?;
        }
        Ok(took / u32::try_from(WARM_UP)?)
    }

    /// Asks `qps` questions a second at fixed instants.
    pub(super) fn run(&mut self, qps: f64, for_time: Duration) -> Result<Taken> {
        let (started, between) = (Instant::now(), Duration::from_secs_f64(1.0 / qps));
        let (mut taken, mut due) = (Taken::default(), started + between);
        while due < started + for_time {
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            let service = self.ask_after(|done| taken.response.add(done.saturating_duration_since(due)))?;
            taken.service.add(service);
            due += between;
        }
        Ok(taken)
    }

    /// Asks about one actor, and returns how long the answer took.
    pub(super) fn ask(&mut self) -> Result<Duration> {
        self.ask_after(|_| {})
    }

    /// Asks about one actor, tells when the answer had come, checks it, and returns how long it took.
    fn ask_after(&mut self, done: impl FnOnce(Instant)) -> Result<Duration> {
        let actor = self.random.index(self.names.len());
        let name = self.names.get(actor).context("there is no such actor")?;
        let asked = Instant::now();
        let answer = self.features.query(name).as_of(self.store.as_of).get()?;
        let answered = Instant::now();
        done(answered);
        let (found, expected) = (counts_of(&answer)?, self.store.counts(self.class, actor)?);
        ensure!(found == expected, "actor {name} has {expected:?} events, the answer says {found:?}");
        Ok(answered - asked)
    }

    /// Holds the means of the class's first actor against those that were computed while filling.
    fn check_means(&self) -> Result<()> {
        let (counts, sums) = (self.store.counts(self.class, 0)?, self.store.sums(self.class)?);
        let answer = self.features.query(&actor_of(self.class, 0)).as_of(self.store.as_of).get()?;
        for ((window, sum), n) in answer.feature("mean")?.windows.iter().zip(sums).zip(counts) {
            let right = match &window.value {
                FeatureValue::Vector(mean) => {
                    let both = sum.iter().zip(mean.iter());
                    n > 0 && both.into_iter().all(|(sum, x)| (sum / n as f64 - f64::from(*x)).abs() < TOLERANCE)
                }
                value => n == 0 && *value == FeatureValue::None,
            };
            ensure!(right, "the mean over {} is wrong", window.label);
        }
        Ok(())
    }
}

fn counts_of(answer: &Answer) -> Result<[u64; 3]> {
    let windows = &answer.feature("count")?.windows;
    let mut counts = [0; 3];
    for (count, window) in counts.iter_mut().zip(windows) {
        match window.value {
            FeatureValue::Count(n) => *count = n,
            ref value => anyhow::bail!("a count is {value:?}"),
        }
    }
    Ok(counts)
}
