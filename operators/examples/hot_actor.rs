//! Measures one actor with very many events that arrive in any order: each insert by itself, then questions over three
//! windows, and an explanation. Prints one JSON object per line.
//!
//! Run with `cargo run --release -p nowfold-operators --example hot_actor [events]`; 1,000,000 events by default. Times
//! are wall time: other load on the machine shows in the tails.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measuring program")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::names::StoreName;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp, hours};
use nowfold_operators::Features;
use nowfold_operators::chain::{Appended, ChainConfig, Dedup, EventChains};
use nowfold_operators::feature::{FeatureSet, feature};
use nowfold_schemas::action::{Action, Attribute};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 400_000 * HOUR;
const DIM: usize = 64;

/// The clock stands still.
#[derive(Debug)]
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW)
    }
}

fn main() {
    let n: usize = std::env::args().nth(1).map_or(1_000_000, |n| n.parse().unwrap());
    let plain = ChainConfig::new(hours(97));
    let (mut capped, mut versions) = (plain.clone(), plain.clone());
    capped.max_events_per_actor = Some(100_000);
    versions.dedup = Dedup::LatestWins;
    measure("plain", plain, n);
    measure("at most 100,000", capped, n);
    measure("latest wins", versions, n);
}

fn measure(name: &str, config: ChainConfig, n: usize) {
    let actions = actions(n);
    let set = FeatureSet::compile(
        "activity",
        &config,
        [
            feature("applied").mean("object.embedding").verb("apply").within([hours(1), hours(24), hours(96)]),
            feature("n").count().within([hours(1), hours(24), hours(96)]),
        ],
    );
    let (chains, hub) = (Arc::new(EventChains::new(config)), Arc::new(StoreHub::new()));
    let store = StoreName::from("activity");
    hub.declare(store.clone(), "actions".into(), 1, Arc::new(set.unwrap()));
    let progress = Arc::new(ProgressCell::restoring());
    progress.update(|progress| {
        (progress.readiness, progress.lag) = (Readiness::Running, Lag::None);
        progress.known_at = Timestamp::from_millis(NOW);
    });
    hub.open(&store, 0, &PartitionHandle { reader: chains.clone(), progress });
    let features = Features::new(hub, Arc::new(Now), "activity");

    let mut inserts = Vec::with_capacity(n);
    let mut queries = Vec::new();
    for (offset, action) in (0..).zip(&actions) {
        let appended = Appended::new(offset, Timestamp::from_millis(NOW));
        let started = Instant::now();
        chains.apply(action, appended);
        inserts.push(started.elapsed());
        // Questions between inserts meet partial sums that late events have undone.
        if offset % 1_000 == 999 {
            queries.push(timed(|| drop(features.of("hot").unwrap())));
        }
    }
    print(name, "insert, any order", n, inserts);
    print(name, "three windows, between inserts", n, queries);
    let at_rest = (0..2_000).map(|_| timed(|| drop(features.of("hot").unwrap())));
    print(name, "three windows, at rest", n, at_rest.collect());
    let explained = (0..200).map(|_| timed(|| drop(features.explain("applied", "hot").get().unwrap())));
    print(name, "explain, 100 events a window", n, explained.collect());
    println!(r#"{{"store":"{name}","kept":{},"bytes":{}}}"#, chains.len(), chains.bytes());
}

/// Actions of one actor over the last 96 hours, shuffled; embeddings are those of 20,000 objects.
fn actions(n: usize) -> Vec<Action> {
    let mut random = fastrand::Rng::with_seed(7);
    let pool: Vec<Arc<[f32]>> = (0..20_000).map(|_| (0..DIM).map(|_| random.f32()).collect()).collect();
    let action = |number: usize| {
        let t = NOW - 96 * HOUR + i64::try_from(number).unwrap() * 96 * HOUR / i64::try_from(n).unwrap();
        let (object, verb) = (random.usize(..pool.len()), ["apply", "view", "save"].get(random.usize(..3)).unwrap());
        let vector = Attribute::Vector(pool.get(object).unwrap().clone());
        let action = Action::new("hot", *verb, format!("job-{object}")).at_ms(t + 1).id(format!("event-{number}"));
        action.sequence(i64::try_from(number).unwrap()).object_attribute("embedding", vector)
    };
    let mut actions: Vec<_> = (0..n).map(action).collect();
    fastrand::Rng::with_seed(8).shuffle(&mut actions);
    actions
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn print(store: &str, what: &str, events: usize, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 10_000).map_or(0, Duration::as_nanos);
    let mean = times.iter().sum::<Duration>().as_nanos() / times.len() as u128;
    println!(
        r#"{{"store":"{store}","what":"{what}","events":{events},"mean_ns":{mean},"p50_ns":{},"p99_ns":{},"p99_9_ns":{}}}"#,
        at(5_000),
        at(9_900),
        at(9_990)
    );
}
