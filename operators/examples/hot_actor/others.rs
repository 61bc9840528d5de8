//! What other actors notice while one is being filled in any order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nowfold_schemas::action::Action;

use super::actions::{AT_ONCE, Kind};
use super::meter::{Latency, timed};
use super::store::Store;

const ACTORS: usize = 10_000;
const ROUNDS: usize = 5;

/// Asks about other actors while the writer rests, while it inserts flat out for actors like them, and while it fills one
/// actor. The rounds take turns.
pub(crate) fn beside_a_hot_actor(kind: Kind, events: usize) {
    let store = Store::new(kind);
    let mut ordinary = kind.actions(5 * ACTORS + events, |number| format!("other-{}", number % ACTORS));
    ordinary.by_ref().take(5 * ACTORS / AT_ONCE).flatten().for_each(|action| store.apply(&action));
    let mut hot = kind.actions(events, |_| "hot".to_owned());
    let mut times: [Vec<_>; 3] = Default::default();
    for round in 0..ROUNDS {
        let n_batches = events / AT_ONCE / ROUNDS;
        times[0].extend(ask_beside(&store, std::iter::empty(), round));
        times[1].extend(ask_beside(&store, ordinary.by_ref().take(n_batches), round));
        times[2].extend(ask_beside(&store, hot.by_ref().take(n_batches), round));
    }
    let latencies = times.map(Latency::of);
    for (latency, writer) in latencies.iter().zip(["idle", "to others, flat out", "to a hot actor, flat out"]) {
        println!(r#"{{"what":"three windows of others","store":"{}","writer":"{writer}",{latency}}}"#, kind.name());
    }
    let [_, to_others, to_hot] = latencies;
    let ratio = |share| to_hot.at(share) / to_others.at(share);
    println!(
        r#"{{"what":"hot actor against others","p50":{:.2},"p99":{:.2},"p999":{:.2}}}"#,
        ratio(5_000),
        ratio(9_900),
        ratio(9_990)
    );
}

/// Asks until the actions are inserted; 20,000 times if there are none.
fn ask_beside(store: &Store, mut actions: impl Iterator<Item = Vec<Action>> + Send, round: usize) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(round as u64);
    let mut ask = || {
        let actor = format!("other-{}", random.usize(..ACTORS));
        timed(|| drop(store.features.of(&actor).unwrap()))
    };
    let Some(first) = actions.next() else {
        return (0..20_000).map(|_| ask()).collect();
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            std::iter::once(first).chain(actions).flatten().for_each(|action| store.apply(&action));
            done.store(true, Ordering::Release);
        });
        let mut times = Vec::new();
        while !done.load(Ordering::Acquire) {
            times.push(ask());
        }
        times
    })
}
