//! Restores that stand still, in simulated time.

use std::time::Duration;

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::record::{Headers, OutputRecord};
use nowfold_core::serde::Plain;
use nowfold_core::topology::Topology;
use nowfold_runtime::broker::{Broker, TransactionalProducer, TransactionalSpec};
use nowfold_runtime::{AppState, Guarantee, RuntimeConfig};
use nowfold_testkit::sim::{Instance, Simulation, config, record};

const PATIENCE: Duration = Duration::from_secs(60);

fn counting() -> Topology {
    let app = StreamsBuilder::new("counting");
    app.stream("words", Plain::<String, String>::new()).group_by_key("by-word", Plain::new()).count("counts");
    app.build().unwrap()
}

fn watched() -> RuntimeConfig {
    RuntimeConfig { restore_stall_timeout: Duration::from_secs(3), ..config(Guarantee::AtLeastOnce) }
}

/// A changelog of 60 records, and nobody who owns it.
fn counted(seed: u64) -> Simulation {
    let sim = Simulation::new(seed);
    sim.create_topic("words", 1);
    let first = sim.start("a", counting(), watched());
    (0..60).for_each(|i| sim.produce(record("words", &format!("k{}", i % 7), "x", sim.now())));
    assert!(sim.run_until(PATIENCE, || sim.all_records("counting-counts-changelog").len() == 60));
    first.close();
    sim
}

/// Begins a transaction that writes to the changelog and does not end.
fn hang(sim: &Simulation) -> Box<dyn TransactionalProducer> {
    let spec = TransactionalSpec { id: "hangs".to_owned(), timeout: Duration::from_secs(3_600) };
    let mut producer = sim.log().transactional_producer(&spec).unwrap();
    producer.begin().unwrap();
    let (topic, partition, key) = ("counting-counts-changelog".into(), Some(0), Some("k0".into()));
    let (value, headers) = (Some(vec![0; 8].into()), Headers::new());
    producer.send(OutputRecord { topic, partition, key, value, timestamp: sim.now(), headers }).unwrap();
    producer.flush(Duration::from_secs(1)).unwrap();
    producer
}

/// Waits until the restore is said to stand still, and returns the cause.
#[track_caller]
fn await_stall(sim: &Simulation, instance: &Instance, expected: &str) -> String {
    let stall = || instance.restores().into_iter().find_map(|restore| restore.stall).map(|stall| stall.to_string());
    let is_said = || stall().is_some_and(|words| words.contains(expected));
    assert!(sim.run_until(PATIENCE, is_said), "{:?}: {:?}", instance.state(), stall());
    stall().unwrap_or_default()
}

#[test]
fn a_restore_before_a_transaction_that_hangs_says_so_and_goes_on_when_it_ends() {
    let sim = counted(21);
    let mut hanging = hang(&sim);
    let instance = sim.start("b", counting(), watched());
    let words = await_stall(&sim, &instance, "a transaction is open");
    for word in ["NF129", "task 0_0", "offset 60 of counting-counts-changelog-0", "find-hanging", "last stable offset"]
    {
        assert!(words.contains(word), "{words}");
    }
    assert_eq!(instance.trouble(), Some(words));
    let restore = instance.restores().remove(0);
    assert_eq!((restore.done, restore.total), (60, 61));
    hanging.abort(Duration::from_secs(1)).unwrap();
    assert!(sim.run_until(PATIENCE, || instance.state() == AppState::Running), "{}", instance.state());
    assert_eq!((instance.trouble(), instance.restores().len()), (None, 0));
    instance.close();
}

#[test]
fn a_restore_whose_broker_is_away_says_that() {
    let sim = counted(22);
    let _hanging = hang(&sim);
    let instance = sim.start("b", counting(), watched());
    assert!(sim.run_until(PATIENCE, || matches!(instance.state(), AppState::Restoring { done: 60, .. })));
    instance.cut_off(Duration::from_secs(50));
    await_stall(&sim, &instance, "nothing has been heard of the simulated broker");
    instance.crash();
}
