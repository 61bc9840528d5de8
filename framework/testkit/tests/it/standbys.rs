//! Standbys, in simulated time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::serde::Plain;
use nowfold_core::task::TaskId;
use nowfold_core::topology::Topology;
use nowfold_runtime::{AppState, Guarantee, RuntimeConfig};
use nowfold_testkit::sim::{Instance, Simulation, config, record};

const PATIENCE: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 4;
const N: u64 = 2_000;

fn counting() -> Topology {
    let app = StreamsBuilder::new("counting");
    app.stream("words", Plain::<String, String>::new())
        .group_by_key("by-word", Plain::new())
        .count("counts")
        .to_stream("changes")
        .to("totals", Plain::<String, Option<i64>>::new());
    app.build().unwrap()
}

fn simulation(seed: u64) -> Simulation {
    let sim = Simulation::new(seed);
    sim.create_topic("words", PARTITIONS);
    sim.create_topic("totals", PARTITIONS);
    sim
}

fn with_standbys(guarantee: Guarantee, num_standbys: usize) -> RuntimeConfig {
    let heartbeat_interval = Duration::from_millis(200);
    RuntimeConfig { num_standbys, discovery: true, heartbeat_interval, ..config(guarantee) }
}

fn feed(sim: &Simulation, numbers: std::ops::Range<u64>) {
    numbers.for_each(|i| sim.produce(record("words", &format!("k{}", i % 40), "x", sim.now())));
}

/// The last count of each word.
fn totals(sim: &Simulation) -> BTreeMap<String, i64> {
    let count = |value: &[u8]| i64::from_be_bytes(value.try_into().unwrap());
    let last = |record: nowfold_core::record::LogRecord| {
        let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        (key, count(&record.value.unwrap()))
    };
    sim.all_records("totals").into_iter().map(last).collect()
}

fn is_counted(sim: &Simulation, n: u64) -> bool {
    let totals = totals(sim);
    totals.len() == 40 && totals.values().all(|count| u64::try_from(*count) == Ok(n / 40))
}

fn all() -> BTreeSet<TaskId> {
    (0..PARTITIONS).map(|partition| TaskId { subtopology: 0, partition }).collect()
}

/// Whether every task has one owner among these, and `n` copies elsewhere that lack nothing.
fn are_warm(instances: &[&Instance], n: usize) -> bool {
    all().into_iter().all(|id| {
        let owners = instances.iter().filter(|it| it.task_ids().contains(&id)).count();
        let is_warm = |it: &&&Instance| {
            let copies = it.standbys();
            !it.task_ids().contains(&id) && copies.iter().any(|copy| copy.task == id && copy.lag == Some(0))
        };
        owners == 1 && instances.iter().filter(is_warm).count() == n
    }) && instances.iter().all(|it| it.state() == AppState::Running)
}

#[track_caller]
fn await_warm(sim: &Simulation, instances: &[&Instance], n: usize) {
    let warm = || are_warm(instances, n);
    let found = || instances.iter().map(|it| (it.state(), it.task_ids(), it.standbys())).collect::<Vec<_>>();
    assert!(sim.run_until(PATIENCE, warm), "{:#?}", found());
}

/// One of two dies; the other goes on from its copies.
fn take_over(seed: u64, guarantee: Guarantee, has_disks: bool) {
    let sim = simulation(seed);
    let start = if has_disks { Simulation::start_with_disk } else { Simulation::start };
    let [a, b] = ["a", "b"].map(|name| start(&sim, name, counting(), with_standbys(guarantee, 1)));
    feed(&sim, 0..N);
    assert!(sim.run_until(PATIENCE, || is_counted(&sim, N)), "{:?}", totals(&sim));
    await_warm(&sim, &[&a, &b], 1);
    let before = b.restored().topic;
    assert!(!a.task_ids().is_empty());
    a.crash();
    feed(&sim, N..N + 40);
    assert!(sim.run_until(PATIENCE, || is_counted(&sim, N + 40)), "{:?}", totals(&sim));
    assert!(sim.run_until(PATIENCE, || b.state() == AppState::Running && b.task_ids().len() == all().len()));
    assert_eq!(b.restored().topic - before, 0, "a changelog was read again");
    assert!(b.standbys().is_empty(), "nobody is left to own anything: {:?}", b.standbys());
    assert_eq!(b.close().uncommitted, 0);
}

#[test]
fn a_standby_takes_over_without_reading_the_changelog_again() {
    take_over(31, Guarantee::AtLeastOnce, false);
    take_over(32, Guarantee::ExactlyOnce, false);
    take_over(33, Guarantee::AtLeastOnce, true);
}

#[test]
fn without_standbys_the_changelog_is_read_again() {
    let sim = simulation(34);
    let [a, b] = ["a", "b"].map(|name| sim.start(name, counting(), with_standbys(Guarantee::AtLeastOnce, 0)));
    feed(&sim, 0..N);
    assert!(sim.run_until(PATIENCE, || is_counted(&sim, N)));
    assert!(b.standbys().is_empty());
    let before = b.restored().topic;
    a.crash();
    let all_are_there = || b.state() == AppState::Running && b.task_ids().len() == all().len();
    assert!(sim.run_until(PATIENCE, all_are_there));
    assert!(b.restored().topic - before > N / 4, "{:?}", b.restored());
    b.close();
}

#[test]
fn each_task_has_as_many_copies_as_asked_for_while_processes_come_and_go() {
    let sim = simulation(35);
    let start = |name| sim.start(name, counting(), with_standbys(Guarantee::AtLeastOnce, 2));
    let [a, b, c] = ["a", "b", "c"].map(start);
    feed(&sim, 0..400);
    await_warm(&sim, &[&a, &b, &c], 2);
    let d = start("d");
    await_warm(&sim, &[&a, &b, &c, &d], 2);
    a.close();
    await_warm(&sim, &[&b, &c, &d], 2);
    b.crash();
    await_warm(&sim, &[&c, &d], 1);
    feed(&sim, 400..800);
    assert!(sim.run_until(PATIENCE, || is_counted(&sim, 800)), "{:?}", totals(&sim));
    await_warm(&sim, &[&c, &d], 1);
}

#[test]
fn a_standby_under_exactly_once_has_nothing_of_a_transaction_that_is_not_committed() {
    let sim = simulation(36);
    let [a, b] = ["a", "b"].map(|name| sim.start(name, counting(), with_standbys(Guarantee::ExactlyOnce, 1)));
    feed(&sim, 0..400);
    assert!(sim.run_until(PATIENCE, || is_counted(&sim, 400)));
    await_warm(&sim, &[&a, &b], 1);
    for round in 0..10 {
        feed(&sim, 400 + round * 40..440 + round * 40);
        // Somewhere in a transaction, or between two.
        sim.run_for(Duration::from_millis(sim.below(300)));
        if round == 5 {
            a.crash_in(sim.below(20) + 1);
        }
    }
    assert!(sim.run_until(PATIENCE, || is_counted(&sim, 800)), "{:?}", totals(&sim));
    let n = sim.all_records("totals").len();
    assert_eq!(n, 800, "each word has each of its counts once");
    b.close();
}
