//! Measures event chains and prints one JSON object per line: inserts, memory, and queries beside a writer.
//!
//! Run with `cargo run --release -p nowfold-operators --example measure-chains`. Options: `actors=1000000` (5 events
//! each), `hot=100000` (events of the heavy actor), `dim=64`, `queries=20000`, `spread=100000` (actors among which queries choose),
//! `events=5` (of the actors queried), `only=insert` or `only=query`. Inserts are
//! given in CPU time of their thread, queries in wall time: other load on the machine shows in their tails.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods, reason = "a measuring program")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::names::StoreName;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp, hours};
use nowfold_operators::chain::{Appended, ChainConfig, EventChains};
use nowfold_operators::feature::{FeatureSet, feature};
use nowfold_operators::features::Features;
use nowfold_schemas::action::{Action, Attribute};

const HOUR: u64 = 3_600_000;
const NOW: u64 = 400_000 * HOUR;
const VERBS: [&str; 4] = ["apply", "view", "save", "dismiss"];

fn main() {
    let options = Options::from_args();
    if options.only != "query" {
        insert_many(&options);
        insert_hot(&options);
    }
    if options.only != "insert" {
        for events in options.events() {
            query_beside_writer(&options, events);
        }
    }
}

struct Options {
    actors: u64,
    hot: u64,
    dim: usize,
    queries: usize,
    spread: u64,
    only: String,
    events: u64,
}

impl Options {
    fn from_args() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let option = |name: &str, default: u64| {
            let given = args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
            given.map_or(default, |value| value.parse().unwrap())
        };
        Self {
            actors: option("actors", 1_000_000),
            hot: option("hot", 100_000),
            dim: usize::try_from(option("dim", 64)).unwrap(),
            queries: usize::try_from(option("queries", 20_000)).unwrap(),
            spread: option("spread", 100_000),
            events: option("events", 0),
            only: args.iter().find_map(|arg| arg.strip_prefix("only=")).unwrap_or_default().to_owned(),
        }
    }
}

impl Options {
    /// Sizes of actors to query.
    fn events(&self) -> Vec<u64> {
        if self.events > 0 { vec![self.events] } else { vec![5, 500, self.hot] }
    }
}

/// 1 M actors with 5 events each, in random order of actors, times roughly ascending.
fn insert_many(options: &Options) {
    for shared in [false, true] {
        let store = Store::new();
        let mut random = Random(1);
        let pool: Vec<Arc<[f32]>> = (0..20_000).map(|_| random.vector(options.dim)).collect();
        let before = resident_bytes();
        let n = options.actors * 5;
        let mut spent = Duration::ZERO;
        let mut offset = 0;
        while offset < n {
            let batch: Vec<Action> = (offset..(offset + 10_000).min(n))
                .map(|i| {
                    let actor = format!("member-{}", (i * 7_919) % options.actors);
                    let vector = if shared { random.pick(&pool).clone() } else { random.vector(options.dim) };
                    let t = NOW - 90 * HOUR + i * 90 * HOUR / n - random.below(600_000);
                    action(&actor, t, i, vector, &mut random)
                })
                .collect();
            spent += store.apply(&batch, &mut offset);
        }
        let bytes = resident_bytes().saturating_sub(before);
        let per_event = ns(spent) / n as f64;
        println!(
            r#"{{"what":"insert","actors":{},"events":{n},"vectors":"{}","ns_per_event":{per_event:.0},"rss_bytes_per_event":{},"estimated_bytes_per_event":{},"rss_gb":{:.2}}}"#,
            options.actors,
            if shared { "shared" } else { "own" },
            bytes / n,
            store.chains.bytes() as u64 / n,
            bytes as f64 / 1e9,
        );
        assert_eq!(store.chains.len() as u64, n);
    }
}

/// One actor with many events, in order of time and shuffled.
fn insert_hot(options: &Options) {
    for shuffled in [false, true] {
        let store = Store::new();
        let mut random = Random(2);
        let mut actions = hot_actions(options, options.hot, &mut random);
        if shuffled {
            random.shuffle(&mut actions);
        }
        let mut offset = 0;
        let spent = store.apply(&actions, &mut offset);
        let per_event = ns(spent) / options.hot as f64;
        println!(
            r#"{{"what":"insert-hot","events":{},"order":"{}","ns_per_event":{per_event:.0}}}"#,
            options.hot,
            if shuffled { "shuffled" } else { "in order" },
        );
    }
}

/// Queries of actors with `events` events each, while another thread inserts as fast as it can.
fn query_beside_writer(options: &Options, events: u64) {
    let store = Store::new();
    let mut random = Random(3);
    let n_actors = (1_000_000 / events).clamp(1, options.spread);
    let mut offset = 0;
    for actor in 0..n_actors {
        let actions: Vec<_> = hot_actions(options, events, &mut random)
            .into_iter()
            .map(|action| Action { actor: format!("actor-{actor}").into(), ..action })
            .collect();
        store.apply(&actions, &mut offset);
    }
    let (done, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let (quiet, busy) = std::thread::scope(|scope| {
        let quiet = query(options, &store, n_actors, &mut random);
        let (store, done, written) = (&store, &done, &written);
        scope.spawn(move || write_until(options, store, done, written));
        let busy = query(options, store, n_actors, &mut random);
        done.store(true, Ordering::SeqCst);
        (quiet, busy)
    });
    for (writer, latency) in [("idle", quiet), ("flat out", busy)] {
        println!(
            r#"{{"what":"query","actor_events":{events},"features":3,"windows":3,"writer":"{writer}",{latency}}}"#
        );
    }
    println!(r#"{{"what":"writer beside queries","actor_events":{events},"inserted":{}}}"#, written.into_inner());
}

fn query(options: &Options, store: &Store, n_actors: u64, random: &mut Random) -> Latency {
    let mut times = Vec::with_capacity(options.queries);
    for _ in 0..options.queries {
        let actor = format!("actor-{}", random.below(n_actors));
        let begin = Instant::now();
        let answer = store.features.of(&actor).unwrap();
        times.push(begin.elapsed());
        assert!(answer.envelope.found);
    }
    times.sort();
    Latency(times)
}

fn write_until(options: &Options, store: &Store, done: &AtomicBool, written: &AtomicU64) {
    let mut random = Random(4);
    let vector = random.vector(options.dim);
    let mut offset = 0_u64;
    while !done.load(Ordering::Relaxed) {
        let t = NOW - random.below(90 * HOUR);
        let actor = format!("other-{}", random.below(100_000));
        let action = action(&actor, t, offset, vector.clone(), &mut random);
        let appended = Appended::new(offset.cast_signed(), time(NOW));
        store.chains.apply(&action, appended);
        offset += 1;
    }
    written.store(offset, Ordering::SeqCst);
}

/// Events of one actor over the last 96 hours, in order of time.
fn hot_actions(options: &Options, n: u64, random: &mut Random) -> Vec<Action> {
    let t = |i: u64| NOW - 96 * HOUR + (i + 1) * 96 * HOUR / n;
    (0..n).map(|i| action("hot", t(i), i, random.vector(options.dim), random)).collect()
}

fn action(actor: &str, t: u64, number: u64, vector: Arc<[f32]>, random: &mut Random) -> Action {
    Action::new(actor, VERBS[usize::try_from(random.below(4)).unwrap()], format!("job-{}", random.below(200_000)))
        .at_ms(t.cast_signed())
        .id(format!("event-{number}"))
        .sequence(number.cast_signed())
        .object_attribute("embedding", Attribute::Vector(vector))
}

/// A store of one partition and a handle on it.
struct Store {
    chains: Arc<EventChains>,
    features: Features,
}

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        time(NOW)
    }
}

impl Store {
    fn new() -> Self {
        let config = ChainConfig::new(hours(97)).vector_dim("object.embedding", 0);
        let features = [
            feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
            feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]),
            feature("taste").weighted_mean("object.embedding", [("apply", 1.0), ("dismiss", -1.0)]).within(hours(96)),
        ];
        let set = FeatureSet::compile("activity", &config, features).unwrap();
        let (hub, name) = (Arc::new(StoreHub::new()), StoreName::from("activity"));
        let (chains, progress) = (Arc::new(EventChains::new(config)), Arc::new(ProgressCell::restoring()));
        progress.update(|progress| {
            progress.readiness = Readiness::Running;
            progress.lag = Lag::None;
            progress.known_at = time(NOW);
        });
        hub.declare(name.clone(), "actions".into(), 1, Arc::new(set));
        hub.open(&name, 0, &PartitionHandle { reader: chains.clone(), progress });
        Self { chains, features: Features::new(hub, Arc::new(FixedClock), "activity") }
    }

    fn apply(&self, actions: &[Action], offset: &mut u64) -> Duration {
        let begin = cpu_time();
        for action in actions {
            let appended = Appended::new(offset.cast_signed(), time(NOW));
            assert!(self.chains.apply(action, appended).is_admitted());
            *offset += 1;
        }
        cpu_time().saturating_sub(begin)
    }
}

struct Latency(Vec<Duration>);

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "an index")]
            let index = (share * (self.0.len() - 1) as f64) as usize;
            ns(self.0[index]) / 1e3
        };
        let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
        write!(f, r#""p50_us":{p50:.2},"p90_us":{p90:.2},"p99_us":{p99:.2},"p999_us":{p999:.2}"#)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }

    fn vector(&mut self, dim: usize) -> Arc<[f32]> {
        (0..dim).map(|_| (self.below(2_001) as f32 - 1_000.0) / 1e3).collect()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, usize::try_from(self.below(i as u64 + 1)).unwrap());
        }
    }
}

fn time(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms.cast_signed())
}

fn ns(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// Time this thread has spent on a CPU, on Linux; zero elsewhere.
fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(schedstat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// Memory of this process that is in RAM, on Linux; 0 elsewhere.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * 4_096)
}
