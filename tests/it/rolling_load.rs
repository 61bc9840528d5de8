//! Clicks that flow while processes are replaced, counted where they are sent, and the counts by kind that came out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nowfold::core::names::TopicPartition;
use nowfold::core::serde::SerdeEnv;
use nowfold::kafka::Kafka;
use nowfold::prelude::*;
use nowfold::runtime::SystemClock;
use nowfold::runtime::broker::{Broker, TopicSpec};

use super::rolling::{BOUND, Truths};
use super::support::Click;

const N_MEMBERS: usize = 23;
const PARTITIONS: i32 = 4;
const KINDS: [&str; 3] = ["view", "like", "apply"];
/// Ages of clicks: far from the ends of all windows, however long a test takes.
const AGES_MIN: [i64; 3] = [30, 90, 1_800];

/// Clicks until they are stopped.
pub(crate) struct Clicks {
    pub(crate) truths: Arc<Mutex<Truths>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<String, i64>>,
}

impl Clicks {
    pub(crate) fn start(kafka: Kafka, prefix: &str, seed: u64) -> Self {
        for name in ["clicks", "kinds"] {
            let name = format!("{prefix}-{name}").into();
            kafka.create_topic(&TopicSpec { name, partitions: Some(PARTITIONS), config: BTreeMap::new() }).unwrap();
        }
        let (truths, stop) = (Arc::new(Mutex::new(Truths::new())), Arc::new(AtomicBool::new(false)));
        let (counted, stopped, topic) = (truths.clone(), stop.clone(), format!("{prefix}-clicks"));
        let thread = std::thread::spawn(move || {
            let serdes = Json::<String, Click>::new();
            let mut clicks = Producer::open(&kafka, &SerdeEnv::default(), &topic, serdes).unwrap();
            let (mut random, mut kinds) = (fastrand::Rng::with_seed(seed), BTreeMap::new());
            while !stopped.load(Ordering::Relaxed) {
                let (age, minutes) = random.choice(AGES_MIN.into_iter().enumerate()).unwrap();
                let (job, kind) = (random.u32(..40), random.choice(KINDS).unwrap());
                let actor = format!("member-{}", random.usize(..N_MEMBERS));
                let now = SystemClock.now();
                let at_ms = now.as_millis() - minutes * 60_000;
                // Counted first, so that no answer can be ahead of the count.
                counted.lock().unwrap().entry(actor.clone()).or_default().count(age, kind, job);
                *kinds.entry(kind.to_owned()).or_default() += 1;
                clicks.send(&actor, &Click::new(&actor, kind, &format!("job-{job}"), at_ms), now).unwrap();
                std::thread::park_timeout(Duration::from_millis(5));
            }
            clicks.flush(2 * BOUND).unwrap();
            kinds
        });
        Self { truths, stop, thread }
    }

    /// Stops, and gives how many clicks of each kind there were.
    pub(crate) fn finish(self) -> BTreeMap<String, i64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Waits until the last counts by kind on their topic are these. Every count is there once and in order: a restart that
/// repeats or leaves out a record shows in between, too.
#[track_caller]
pub(crate) fn await_kinds(kafka: &Kafka, prefix: &str, truth: &BTreeMap<String, i64>) {
    let open = |partition| {
        let at = TopicPartition::new(format!("{prefix}-kinds"), partition);
        kafka.reader(&at, 0, Arc::new(|| {})).unwrap()
    };
    let mut readers: Vec<_> = (0..PARTITIONS).map(open).collect();
    let (mut found, mut records, started) = (BTreeMap::new(), Vec::new(), Instant::now());
    while found != *truth {
        assert!(started.elapsed() < BOUND, "expected {truth:?}\nfound {found:?}");
        for reader in &mut readers {
            while reader.poll(10_000, &mut records).unwrap() > 0 {}
        }
        for record in records.drain(..) {
            let kind = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            let n = i64::from_be_bytes(record.value.unwrap()[..].try_into().unwrap());
            let before = found.insert(kind.clone(), n).unwrap_or(0);
            assert_eq!(n, before + 1, "{kind} at offset {}", record.offset);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
