//! Whole applications in a simulation: several instances, many partitions, rebalances, faults and crashes, all of it from
//! a seed.
//!
//! [`Simulation`] runs the runtime of production, threads and all, on the embedded log. Its threads run one at a time, in
//! an order that follows from the seed, and time is simulated: an hour passes as soon as everybody waits for it. A process
//! can die in any call of the broker, stand still and go on after others have taken its work, or lose the network. What a
//! test sees with one seed it sees again with the same one.
//!
//! ```
//! use std::time::Duration;
//!
//! use nowfold_core::dsl::StreamsBuilder;
//! use nowfold_core::serde::Plain;
//! use nowfold_runtime::Guarantee;
//! use nowfold_testkit::sim::{Simulation, config, record};
//!
//! fn shout() -> nowfold_core::topology::Topology {
//!     let app = StreamsBuilder::new("shout");
//!     app.stream("words", Plain::<String, String>::new())
//!         .map_values("upper", |_, word| word.to_uppercase())
//!         .to("loud-words", Plain::new());
//!     app.build().unwrap()
//! }
//!
//! let sim = Simulation::new(7);
//! sim.create_topic("words", 4);
//! sim.create_topic("loud-words", 4);
//! let [a, b] = ["a", "b"].map(|name| sim.start(name, shout(), config(Guarantee::ExactlyOnce)));
//! for i in 0..20 {
//!     sim.produce(record("words", &format!("k{i}"), "hello", sim.now()));
//! }
//! sim.run_for(Duration::from_millis(300));
//! a.crash();
//! let all_are_there = || sim.all_records("loud-words").len() == 20;
//! assert!(sim.run_until(Duration::from_secs(60), all_are_there), "b finishes what a had begun, once");
//! assert_eq!(b.close().uncommitted, 0);
//! ```

mod broker;
mod disk;
mod faults;
mod instance;
mod membership;
mod process;
mod producer;
mod queue;
mod transactional;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_core::record::{Headers, LogRecord, OutputRecord, Record};
use nowfold_core::serde::Produced;
use nowfold_core::time::{Clock, Timestamp};
use nowfold_core::topology::Topology;
use nowfold_embedded::{EmbeddedLog, Options};
use nowfold_runtime::broker::{Broker, TopicSpec};
use nowfold_runtime::{Guarantee, RuntimeConfig};
use parking_lot::Mutex;

pub use faults::Faults;
pub use instance::Instance;

use disk::Files;
use process::Process;
use world::{SCRIPT, SimClock, World};

/// How long a member may be silent before others get its partitions, in simulations.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(2);

/// How the script waits for something.
const LOOK: Duration = Duration::from_millis(20);

/// A simulation. The thread that made it is its script: what the script does not wait for does not happen.
///
/// One thread has one simulation at a time. Dropping it ends all instances as a crash does.
pub struct Simulation {
    world: Arc<World>,
    log: EmbeddedLog,
    /// Disks by the names of processes.
    disks: Mutex<BTreeMap<String, Files>>,
    seed: u64,
}

/// Settings that fit a simulation: all that production waits for in seconds takes a tenth of that.
pub fn config(guarantee: Guarantee) -> RuntimeConfig {
    RuntimeConfig {
        n_workers: 1,
        guarantee,
        commit_interval: Duration::from_millis(100),
        transaction_timeout: Duration::from_secs(3),
        flush_timeout: Duration::from_secs(2),
        close_timeout: Duration::from_secs(3),
        handover_timeout: Duration::from_secs(1),
        batch: 50,
        // What processes tell each other changes no result, and its heartbeats take turns from what does.
        discovery: false,
        ..RuntimeConfig::default()
    }
}

/// A record for [`Simulation::produce`].
pub fn record(topic: &str, key: &str, value: impl Into<Bytes>, timestamp: Timestamp) -> OutputRecord {
    let (key, value) = (Some(Bytes::copy_from_slice(key.as_bytes())), Some(value.into()));
    OutputRecord { topic: topic.into(), partition: None, key, value, timestamp, headers: Headers::new() }
}

impl Simulation {
    /// A simulation with an empty log and nothing running, at the beginning of 2026.
    pub fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let options = Options { session_timeout: SESSION_TIMEOUT, ..Options::default() };
        let clock = Arc::new(SimClock { world: world.clone(), skew_ms: 0 });
        Self { log: EmbeddedLog::with_options(options, clock), disks: Mutex::default(), world, seed }
    }

    /// The seed that all of it follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Sums up everything that has happened: two runs of one seed and one script have the same.
    pub fn trace(&self) -> u64 {
        self.world.trace()
    }

    /// Calls of the broker, and changes of turn between threads, so far.
    pub fn counts(&self) -> (u64, u64) {
        self.world.counts()
    }

    /// A random number below `n`, which must be above 0, for the script's own choices.
    pub fn below(&self, n: u64) -> u64 {
        self.world.below(n)
    }

    /// The log, without any faults.
    pub fn log(&self) -> &EmbeddedLog {
        &self.log
    }

    /// The wall clock of the log, and of instances without a skew.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SimClock { world: self.world.clone(), skew_ms: 0 })
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.world.elapsed()
    }

    /// Waits in simulated time; for handles that need a way to wait.
    pub fn pause(&self) -> Arc<dyn Fn(Duration) + Send + Sync> {
        let world = self.world.clone();
        Arc::new(move |duration| world.sleep(duration))
    }

    /// Creates a topic of `n` partitions that keeps everything.
    ///
    /// # Panics
    /// When the log refuses it.
    #[track_caller]
    pub fn create_topic(&self, name: &str, n: i32) {
        self.create_topic_with(name, n, &[]);
    }

    /// The same with settings under Kafka's names.
    ///
    /// # Panics
    /// When the log refuses it.
    #[track_caller]
    pub fn create_topic_with(&self, name: &str, n: i32, settings: &[(&str, &str)]) {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        config.extend(settings);
        let created = self.log.create_topic(&TopicSpec { name: name.into(), partitions: Some(n), config });
        created.unwrap_or_else(|error| panic!("topic {name:?}: {error}"));
    }

    /// Starts an instance of an application: a process of its own. A name that was used before is that process again.
    pub fn start(&self, name: &str, topology: Topology, config: RuntimeConfig) -> Instance {
        self.start_on(None, name, topology, config)
    }

    /// The same with a disk that keeps copies of event logs. The disk stays when the process dies: the next one of this name
    /// finds what was written, though perhaps not all of it.
    pub fn start_with_disk(&self, name: &str, topology: Topology, config: RuntimeConfig) -> Instance {
        let files = self.disks.lock().entry(name.to_owned()).or_default().clone();
        self.start_on(Some(files), name, topology, config)
    }

    fn start_on(&self, files: Option<Files>, name: &str, topology: Topology, config: RuntimeConfig) -> Instance {
        let number = self.world.with(|inner| {
            inner.note(name);
            inner.processes.push(Process::new(Arc::downgrade(&self.world)));
            inner.processes.len() - 1
        });
        Instance::start(&self.world, &self.log, number, name, topology, config, files)
    }

    /// Appends a record as some other program would, without any fault.
    ///
    /// # Panics
    /// When its topic does not exist.
    #[track_caller]
    pub fn produce(&self, record: OutputRecord) {
        let topic = record.topic.clone();
        let sent = self.log.producer().map(|mut producer| producer.send(record).is_ok());
        assert_eq!(sent.ok(), Some(true), "topic {topic:?} takes no record");
    }

    /// Appends a typed record as some other program would, without any fault.
    ///
    /// # Panics
    /// When the serdes cannot write it, or its topic does not exist.
    #[track_caller]
    pub fn pipe<K: 'static, V: 'static>(&self, topic: &str, serdes: impl Produced<K, V>, record: &Record<K, V>) {
        let topic = TopicName::from(topic);
        let key = serdes.key_serializer().serialize(&topic, &record.key);
        let value = serdes.value_serializer().serialize(&topic, &record.value);
        let (Ok(key), Ok(value)) = (key, value) else { panic!("a record for {topic:?} cannot be written") };
        let (timestamp, headers) = (record.timestamp, record.headers.clone());
        self.produce(OutputRecord { topic, partition: None, key, value, timestamp, headers });
    }

    /// Lets the others go on for this long.
    pub fn run_for(&self, duration: Duration) {
        self.world.sleep(duration);
    }

    /// Lets the others go on until `done`, at most this long; says whether it was reached.
    pub fn run_until(&self, most: Duration, mut done: impl FnMut() -> bool) -> bool {
        let end = self.elapsed() + most;
        while !done() {
            if self.elapsed() >= end {
                return false;
            }
            self.world.sleep(LOOK);
        }
        true
    }

    /// What readers see of a partition now.
    ///
    /// # Panics
    /// When it does not exist.
    #[track_caller]
    pub fn records(&self, partition: &TopicPartition) -> Vec<LogRecord> {
        self.log.records(partition).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What readers see of all partitions of a topic now, partition by partition; nothing of one that does not exist.
    pub fn all_records(&self, topic: &str) -> Vec<LogRecord> {
        let found = self.log.topics(&[TopicName::from(topic)], Duration::ZERO).unwrap_or_default();
        let n = found.into_iter().flatten().map(|topic| topic.partitions).sum();
        (0..n).flat_map(|partition| self.records(&TopicPartition::new(topic, partition))).collect()
    }

    /// Notes something that must be the same in every run of this seed, for [`Self::trace`].
    pub fn note(&self, what: &str) {
        self.world.note(what);
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let n = self.world.with(|inner| {
            inner.processes.iter_mut().skip(SCRIPT + 1).for_each(Process::kill);
            inner.processes.len()
        });
        let is_over = |world: &World| (SCRIPT + 1..n).all(|process| world.n_threads(process) == 0);
        while !self.world.is_stuck() && !is_over(&self.world) {
            self.world.sleep(LOOK);
        }
        self.world.leave();
    }
}
