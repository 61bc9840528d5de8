//! Inserts: many actors with few events, and one with many.

use std::time::Duration;

use nowfold_schemas::action::Action;

use super::events::{self, HOUR, NOW, Vectors};
use super::meter::ns;
use super::options::Options;
use super::random::Random;
use super::store::Store;

pub(crate) fn all(options: &Options) {
    for shared in [false, true] {
        let (_store, spent) = fill(options, options.actors, 5, shared);
        println!(
            r#"{{"what":"insert","actors":{},"events":{},"vectors":"{}","ns_per_event":{:.0}}}"#,
            options.actors,
            options.actors * 5,
            if shared { "shared" } else { "own" },
            ns(spent) / (options.actors * 5) as f64,
        );
    }
    for shuffled in [false, true] {
        hot(options, shuffled);
    }
}

/// A store of `actors` with `events` each, in random order of actors, times roughly ascending; and the CPU time of the
/// inserts.
pub(crate) fn fill(options: &Options, actors: u64, events: u64, shared: bool) -> (Store, Duration) {
    let store = Store::new();
    let mut random = Random(1);
    let vectors = Vectors::new(shared, options.dim, &mut random);
    let (n, mut spent, mut offset) = (actors * events, Duration::ZERO, 0);
    while offset < n {
        let next = |i: u64| {
            let actor = format!("member-{}", (i * 7_919) % actors);
            let t = NOW - 90 * HOUR + i * 90 * HOUR / n - random.below(600_000);
            let vector = vectors.next(&mut random);
            events::action(options, &actor, t, i, vector, &mut random)
        };
        let batch: Vec<Action> = (offset..(offset + 1_000).min(n)).map(next).collect();
        spent += store.apply(&batch, &mut offset);
    }
    assert_eq!(store.chains.len() as u64, n);
    (store, spent)
}

/// One actor with many events, in order of time or shuffled.
fn hot(options: &Options, shuffled: bool) {
    let store = Store::new();
    let mut random = Random(2);
    let mut actions = events::of_one(options, "hot", options.hot, &mut random);
    if shuffled {
        random.shuffle(&mut actions);
    }
    let spent = store.apply(&actions, &mut 0);
    println!(
        r#"{{"what":"insert-hot","events":{},"order":"{}","ns_per_event":{:.0}}}"#,
        options.hot,
        if shuffled { "shuffled" } else { "in order" },
        ns(spent) / options.hot as f64,
    );
}
