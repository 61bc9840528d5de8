//! Questions about the actor.

use std::time::Duration;

use nowfold_core::time::hours;
use nowfold_operators::feature::{Window, feature};
use nowfold_schemas::action::Action;

use super::actions::Kind;
use super::meter::{Latency, cpu_time, ns, timed};
use super::store::{Store, now};

/// Late events between two questions.
const LATE: usize = 1_000;

/// The three windows of the store, and windows of other kinds.
pub(crate) fn at_rest(kind: Kind, store: &Store, events: usize) {
    drop(store.features.of("hot").unwrap());
    let times = (0..2_000).map(|_| timed(|| drop(store.features.of("hot").unwrap())));
    print("three windows, at rest", kind, events, &Latency::of(times.collect()));
    let mean = || feature("other").mean(kind.attribute()).verb("apply");
    let others = [
        ("mean, 24h offset by 1h", mean().window(Window::sliding(hours(24)).offset(hours(1)))),
        ("mean, 24h end excluded", mean().window(Window::sliding(hours(24)).end_excluded())),
        ("mean, previous day", mean().window(Window::tumbling(hours(24)).previous())),
    ];
    for (what, feature) in others {
        let ask = || drop(store.features.query("hot").adhoc(feature.clone()).as_of(now()).get().unwrap());
        let times = (0..50).map(|_| timed(ask));
        print(what, kind, events, &Latency::of(times.collect()));
    }
}

/// The three windows, each time right after a number of events that came late.
pub(crate) fn after_late_events(kind: Kind, store: &Store, rest: &[Action], events: usize) {
    for n in [1, LATE] {
        let (mut spent, mut times) = (Duration::ZERO, Vec::new());
        for late in rest.chunks(n).take(30) {
            late.iter().for_each(|action| store.apply(action));
            let begun = cpu_time();
            times.push(timed(|| drop(store.features.of("hot").unwrap())));
            spent += cpu_time().saturating_sub(begun);
        }
        let mean = ns(spent) / times.len() as f64 / 1e3;
        let what = format!("three windows, right after {n} late events");
        println!(
            r#"{{"what":"{what}","store":"{}","events":{events},"mean_cpu_us":{mean:.1},{}}}"#,
            kind.name(),
            Latency::of(times)
        );
    }
}

pub(crate) fn explained(kind: Kind, store: &Store, events: usize) {
    let times = (0..50).map(|_| timed(|| drop(store.features.explain("applied", "hot").get().unwrap())));
    print("explain, 100 events a window", kind, events, &Latency::of(times.collect()));
}

fn print(what: &str, kind: Kind, events: usize, latency: &Latency) {
    println!(r#"{{"what":"{what}","store":"{}","events":{events},{latency}}}"#, kind.name());
}
