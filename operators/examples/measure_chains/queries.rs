//! Queries of actors of one size, while another thread does nothing or inserts as fast as it can.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use nowfold_operators::chain::Appended;

use super::events::{self, HOUR, NOW};
use super::meter::Latency;
use super::options::Options;
use super::random::Random;
use super::store::{Store, now};

pub(crate) fn all(options: &Options) {
    options.sizes().into_iter().for_each(|events| beside_writer(options, events));
}

fn beside_writer(options: &Options, events: u64) {
    let store = Store::new();
    let mut random = Random(3);
    let n_actors = (1_000_000 / events).clamp(1, options.spread);
    let mut offset = 0;
    for actor in 0..n_actors {
        store.apply(&events::of_one(options, &format!("actor-{actor}"), events, &mut random), &mut offset);
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
        let action = events::action(options, &actor, t, offset, vector.clone(), &mut random);
        store.chains.apply(&action, Appended::new(offset.cast_signed(), now()));
        offset += 1;
    }
    written.store(offset, Ordering::SeqCst);
}
