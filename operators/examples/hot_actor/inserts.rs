//! Inserts, without a question in between.

use std::time::Duration;

use nowfold_schemas::action::Action;

use super::actions::{AT_ONCE, Kind};
use super::meter::{Latency, cpu_time, ns, timed};
use super::store::Store;

/// Events that are kept back, to come late.
pub(crate) const KEPT_BACK: usize = 30_000;

/// One insert in so many is timed by itself.
const TIMED: usize = 8;

/// Fills a store with an actor's events but for some that are returned.
pub(crate) fn fill(kind: Kind, events: usize) -> (Store, Vec<Action>) {
    let store = Store::new(kind);
    let mut actions = kind.actions(events, |_| "hot".to_owned());
    let n_batches = (events - KEPT_BACK.min(events / 10)) / AT_ONCE;
    let (mut times, mut spent) = (Vec::with_capacity(events / TIMED + 1), Duration::ZERO);
    for batch in actions.by_ref().take(n_batches) {
        let begun = cpu_time();
        for some in batch.chunks(TIMED) {
            let (first, others) = some.split_first().unwrap();
            times.push(timed(|| store.apply(first)));
            others.iter().for_each(|action| store.apply(action));
        }
        spent += cpu_time().saturating_sub(begun);
    }
    let mean = ns(spent) / (n_batches * AT_ONCE) as f64;
    println!(
        r#"{{"what":"insert","store":"{}","events":{events},"mean_cpu_ns":{mean:.0},{},"kept":{},"memory":{}}}"#,
        kind.name(),
        Latency::of(times),
        store.chains.len(),
        store.chains.memory().total()
    );
    (store, actions.flatten().collect())
}
