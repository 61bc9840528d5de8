//! Applications in the simulator.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::serde::Plain;
use nowfold_core::topology::Topology;
use nowfold_runtime::{AppState, Guarantee, RuntimeConfig};
use nowfold_testkit::sim::{Faults, SESSION_TIMEOUT, Simulation, config, record};

const PATIENCE: Duration = Duration::from_secs(60);

/// Counts words by way of a repartition topic.
fn counting() -> Topology {
    let app = StreamsBuilder::new("counting");
    app.stream("words", Plain::<String, String>::new())
        .group_by("by-word", |_, word| word.clone(), Plain::<String, String>::new())
        .count("counts")
        .to_stream("changes")
        .to("totals", Plain::<String, Option<i64>>::new());
    app.build().unwrap()
}

fn simulation(seed: u64) -> Simulation {
    let sim = Simulation::new(seed);
    sim.create_topic("words", 3);
    sim.create_topic("totals", 3);
    sim
}

fn feed(sim: &Simulation, n: usize) {
    for i in 0..n {
        sim.produce(record("words", &i.to_string(), ["a", "b", "c"][i % 3], sim.now()));
    }
}

/// The counts of each word in the order in which they came.
fn totals(sim: &Simulation) -> BTreeMap<String, Vec<i64>> {
    let mut totals = BTreeMap::<String, Vec<i64>>::new();
    for record in sim.all_records("totals") {
        let word = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        totals.entry(word).or_default().push(i64::from_be_bytes(record.value.unwrap()[..].try_into().unwrap()));
    }
    totals
}

#[track_caller]
fn counts_once(sim: &Simulation, n: i64) {
    let expected: BTreeMap<_, _> = ["a", "b", "c"].map(|word| (word.to_owned(), (1..=n).collect())).into();
    sim.run_until(PATIENCE, || totals(sim) == expected);
    sim.run_for(SESSION_TIMEOUT * 2);
    assert_eq!(totals(sim), expected);
}

fn exactly_once() -> RuntimeConfig {
    config(Guarantee::ExactlyOnce)
}

/// A run with all sorts of trouble; returns what it was.
fn troubled(seed: u64) -> u64 {
    let sim = simulation(seed);
    let instances = ["a", "b"].map(|name| sim.start(name, counting(), exactly_once()));
    assert!(sim.run_until(PATIENCE, || instances.iter().all(|it| it.state() == AppState::Running)));
    instances[0].set_faults(Faults::one_in(10));
    feed(&sim, 30);
    sim.run_for(Duration::from_millis(500));
    instances[1].crash_in(40);
    feed(&sim, 30);
    sim.run_for(Duration::from_secs(2));
    instances[0].heal();
    counts_once(&sim, 20);
    sim.trace()
}

#[test]
fn a_seed_goes_one_way_and_another_seed_another() {
    let [first, again, other] = [11, 11, 12].map(troubled);
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn an_hour_passes_as_soon_as_everybody_waits_for_it() {
    let sim = simulation(1);
    let app = sim.start("a", counting(), config(Guarantee::AtLeastOnce));
    assert!(sim.run_until(PATIENCE, || app.state() == AppState::Running));
    sim.run_for(Duration::from_secs(600));
    assert!(sim.elapsed() >= Duration::from_secs(600));
    assert_eq!(app.close().uncommitted, 0);
}

#[test]
fn instances_share_the_tasks_and_take_over_those_of_a_dead_one() {
    let sim = simulation(2);
    let [a, b] = ["a", "b"].map(|name| sim.start(name, counting(), exactly_once()));
    assert!(sim.run_until(PATIENCE, || [&a, &b].map(|it| it.task_ids().len()) == [3, 3]));
    feed(&sim, 30);
    sim.run_for(Duration::from_millis(40));
    a.crash();
    assert!(sim.run_until(PATIENCE, || b.task_ids().len() == 6));
    counts_once(&sim, 10);
}

#[test]
fn what_a_zombie_still_writes_is_never_read() {
    for seed in 0..10 {
        let sim = simulation(seed);
        let [a, b] = ["a", "b"].map(|name| sim.start(name, counting(), exactly_once()));
        assert!(sim.run_until(PATIENCE, || [&a, &b].map(|it| it.task_ids().len()) == [3, 3]));
        feed(&sim, 30);
        sim.run_for(Duration::from_millis(sim.below(100)));
        a.stand_still(SESSION_TIMEOUT * 2);
        feed(&sim, 30);
        counts_once(&sim, 20);
        assert!(sim.run_until(PATIENCE, || [&a, &b].map(|it| it.task_ids().len()) == [3, 3]), "it joins again");
    }
}

#[test]
fn an_instance_that_was_cut_off_goes_on_when_it_reaches_the_broker_again() {
    let sim = simulation(3);
    let app = sim.start("a", counting(), exactly_once());
    assert!(sim.run_until(PATIENCE, || app.state() == AppState::Running));
    feed(&sim, 30);
    app.cut_off(SESSION_TIMEOUT * 3);
    sim.run_for(SESSION_TIMEOUT);
    feed(&sim, 30);
    counts_once(&sim, 20);
    assert!(!app.is_over());
}

#[test]
fn a_start_that_dies_at_any_call_leaves_no_thread_behind() {
    for calls in 0..70 {
        let sim = simulation(calls);
        let app = sim.start("a", counting(), RuntimeConfig { n_workers: 3, ..exactly_once() });
        app.crash_in(calls);
        // The end of the simulation waits for its threads, and panics when there is no end to them.
        sim.run_for(Duration::from_secs(5));
    }
}

#[test]
fn stores_are_rebuilt_by_whoever_starts_next() {
    let sim = simulation(4);
    let app = sim.start("a", counting(), exactly_once());
    feed(&sim, 30);
    counts_once(&sim, 10);
    app.crash();
    sim.start("b", counting(), exactly_once());
    feed(&sim, 30);
    counts_once(&sim, 20);
}

/// Members come and go in order while requests to the broker are lost: none of that is a crash.
#[test]
fn hand_overs_in_order_process_nothing_twice_though_commits_fail() {
    for seed in 0..30 {
        let sim = simulation(seed);
        let start = |name| sim.start(name, counting(), config(Guarantee::AtLeastOnce));
        let [a, b] = ["a", "b"].map(start);
        assert!(sim.run_until(PATIENCE, || [&a, &b].map(|it| it.task_ids().len()) == [3, 3]));
        [&a, &b].into_iter().for_each(|it| it.set_faults(Faults { request_lost: 3, ..Faults::none() }));
        feed(&sim, 30);
        sim.run_for(Duration::from_millis(sim.below(200)));
        let c = start("c");
        feed(&sim, 30);
        assert!(sim.run_until(PATIENCE, || [&a, &b, &c].map(|it| it.task_ids().len()) == [2, 2, 2]));
        feed(&sim, 30);
        sim.run_for(Duration::from_millis(sim.below(200)));
        a.ask_to_close();
        assert!(sim.run_until(PATIENCE, || a.is_over()), "seed {seed}");
        counts_once(&sim, 30);
    }
}
