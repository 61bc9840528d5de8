//! The one thread that inserts meanwhile.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::store::Store;
use crate::data::Random;

/// One insert in so many goes to an actor that is asked about.
const ASKED_ONE_IN: u64 = 100;
/// Inserts per millisecond of event time.
const PER_MS: u64 = 20;

/// How fast the writer inserts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    Still,
    PerSecond(u64),
    FlatOut,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Still => f.write_str("none"),
            Self::PerSecond(n) => write!(f, "{n}/s"),
            Self::FlatOut => f.write_str("flat out"),
        }
    }
}

/// A running writer.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Writer {
    pub(super) fn start(store: &Arc<Store>, pace: Pace, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (store, told) = (store.clone(), stop.clone());
        let thread = std::thread::spawn(move || write(&store, pace, &mut Random::new(!seed), &told));
        Self { stop, thread }
    }

    /// Ends it, and returns how many events it inserted.
    pub(super) fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the writer panicked"))?
    }
}

fn write(store: &Store, pace: Pace, random: &mut Random, stop: &AtomicBool) -> Result<u64> {
    let (started, mut n) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        match pace {
            Pace::Still => std::thread::sleep(Duration::from_millis(5)),
            Pace::FlatOut => n += insert(store, random)?,
            Pace::PerSecond(per_second) => {
                let due =
                    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX) / (1_000_000_000 / per_second);
                if n >= due {
                    std::thread::sleep(Duration::from_micros(100));
                }
                while n < due {
                    n += insert(store, random)?;
                }
            }
        }
    }
    Ok(n)
}

fn insert(store: &Store, random: &mut Random) -> Result<u64> {
    let asked = (random.below(ASKED_ONE_IN) == 0).then(|| {
        let class = random.index(store.classes.len());
        (class, random.index(store.classes.get(class).map_or(1, |class| class.n_actors)))
    });
    store.insert_later(random, PER_MS, asked)?;
    Ok(1)
}
