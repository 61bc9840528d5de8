//! The budget of memory: what a process reads, caches and writes stays within it, and nothing is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold::core::names::TopicPartition;
use nowfold::core::record::OutputRecord;
use nowfold::core::serde::SerdeEnv;
use nowfold::embedded::EmbeddedLog;
use nowfold::operators::chain::WhenFull;
use nowfold::prelude::*;
use nowfold::runtime::broker::Broker;
use nowfold::runtime::{Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::exactly_once::{PARTITIONS, PATIENCE, create_topics};
use super::record_cache::n_counted;
use super::remote::{Remote, Scale};
use super::support::until;

const BUDGET: u64 = 2 << 20;

/// Without discovery, so that only the records of the topology are weighed.
fn config(memory_budget: Option<u64>) -> RuntimeConfig {
    let commit_interval = Duration::from_millis(100);
    RuntimeConfig { n_workers: 2, commit_interval, memory_budget, discovery: false, ..RuntimeConfig::default() }
}

fn start(broker: Arc<dyn Broker>, topology: Topology, budget: Option<u64>) -> Runtime {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    Runtime::start(topology, platform, config(budget)).unwrap()
}

/// Records with values of `n_bytes`, of as many keys.
fn fill(log: &EmbeddedLog, prefix: &str, n: usize, n_bytes: usize) {
    let mut producer = log.producer().unwrap();
    for i in 0..n {
        let record = OutputRecord {
            topic: format!("{prefix}-in").into(),
            partition: None,
            key: Some(format!("key-{i}").into()),
            value: Some("v".repeat(n_bytes).into()),
            timestamp: SystemClock.now(),
            headers: Default::default(),
        };
        producer.send(record).unwrap();
    }
    assert!(producer.flush(PATIENCE).unwrap().is_empty());
}

fn n_outputs(log: &EmbeddedLog, prefix: &str) -> usize {
    (0..PARTITIONS).map(|p| log.records(&TopicPartition::new(format!("{prefix}-out"), p)).unwrap().len()).sum()
}

/// Passes records on, each let go of by the scale as it is processed; `out` is to be weighed by itself.
fn passing_on(prefix: &str, scale: &Arc<Scale>) -> Topology {
    let (app, scale) = (StreamsBuilder::new(&format!("{prefix}-app")), scale.clone());
    app.stream(format!("{prefix}-in"), Plain::<String, String>::new())
        .map_values("pass", move |_, value| {
            scale.done(value.len());
            value
        })
        .to(format!("{prefix}-out"), Plain::<String, String>::new());
    app.build().unwrap()
}

/// The most that was read, or written, and not let go of, of 40 MB in large records.
fn most_held(prefix: &str, budget: Option<u64>) -> (i64, u64) {
    let (log, scale) = (EmbeddedLog::new(Arc::new(SystemClock)), Arc::new(Scale::default()));
    create_topics(&log, prefix);
    fill(&log, prefix, 400, 100_000);
    let app = start(Remote::new(Arc::new(log.clone()), &scale), passing_on(prefix, &scale), budget);
    until(
        PATIENCE,
        || format!("{} of 400; {}", n_outputs(&log, prefix), app.state()),
        || n_outputs(&log, prefix) == 400,
    );
    let accounted = app.memory_held().most;
    app.close().unwrap();
    (scale.most(), accounted)
}

#[test]
fn a_flood_of_large_records_is_read_no_faster_than_the_budget_allows() {
    let ((with, accounted), (without, _)) = (most_held("bounded", Some(BUDGET)), most_held("free", None));
    // Each of four sources may give a record more than fits, and the first reads do not know how large records are.
    let limit = i64::try_from(BUDGET).unwrap();
    assert!(with <= limit + 4 * 16 * 100_000, "{with} bytes held of {limit}");
    assert!(accounted >= u64::try_from(with).unwrap() * 9 / 10, "{accounted} accounted for, {with} held");
    assert!(without > 3 * with, "without a budget {without} bytes are held, with one {with}");
    println!("held at most {with} ({accounted} accounted for) of {limit}, and {without} without a budget");
}

#[test]
fn while_nothing_can_be_stored_no_more_is_held_than_the_budget_and_nothing_is_lost() {
    let (log, scale, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), Arc::new(Scale::default()), "away");
    create_topics(&log, prefix);
    scale.set_away(true);
    fill(&log, prefix, 20_000, 1_000);
    let app = start(Remote::new(Arc::new(log.clone()), &scale), passing_on(prefix, &scale), Some(BUDGET));
    let held = || app.memory_held();
    until(PATIENCE, || format!("{:?}; {}", held(), app.state()), || held().writing >= BUDGET);
    let (since, before) = (Instant::now(), scale.most());
    until(PATIENCE, || "the time stands still".to_owned(), || since.elapsed() > Duration::from_secs(5));
    let limit = i64::try_from(BUDGET).unwrap();
    // Two workers may read a batch each at the same moment, into the same room.
    let slack = 2 * 500 * 1_000;
    println!("held at most {} of {limit}", scale.most());
    assert!(scale.most() <= limit + slack, "{} bytes are held, {before} were before", scale.most());
    assert!(!app.state().is_final() && n_outputs(&log, prefix) == 0, "{}", app.state());
    scale.set_away(false);
    until(PATIENCE, || format!("{:?}; {}", held(), app.state()), || n_outputs(&log, prefix) == 20_000);
    let mut keys: BTreeMap<_, usize> = BTreeMap::new();
    for p in 0..PARTITIONS {
        for record in log.records(&TopicPartition::new(format!("{prefix}-out"), p)).unwrap() {
            *keys.entry(record.key).or_default() += 1;
        }
    }
    assert!(keys.len() == 20_000 && keys.values().all(|n| *n == 1), "each is there once");
    until(PATIENCE, || format!("{:?}", held()), || held().writing == 0);
    app.close().unwrap();
}

#[test]
fn record_caches_are_emptied_before_they_outgrow_the_budget() {
    let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), "caches");
    create_topics(&log, prefix);
    fill(&log, prefix, 30_000, 20);
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.stream(format!("{prefix}-in"), Plain::<String, String>::new())
        .group_by_key("by-key", Plain::new())
        .count(Materialized::named("counts").cached(1 << 30))
        .to_stream("changes")
        .to(format!("{prefix}-out"), Plain::<String, Option<i64>>::new());
    let platform =
        Platform { broker: Arc::new(log.clone()), clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    // Commits alone would let the caches grow for an hour.
    let config = RuntimeConfig { commit_interval: Duration::from_secs(3_600), ..config(Some(BUDGET)) };
    let app = Runtime::start(app.build().unwrap(), platform, config).unwrap();
    let held = || app.memory_held();
    // 30,000 rows of some 200 bytes are three times the budget: most of them have to go before the close.
    until(PATIENCE, || format!("{}; {}", n_counted(&app), app.state()), || n_counted(&app) == 30_000);
    until(
        PATIENCE,
        || format!("{} {:?}; {}", n_outputs(&log, prefix), held(), app.state()),
        || n_outputs(&log, prefix) > 15_000,
    );
    assert!(held().most < BUDGET + BUDGET / 2, "{:?}", held());
    app.close().unwrap();
    assert_eq!(n_outputs(&log, prefix), 30_000, "each key changed once");
}

#[test]
fn the_budget_of_the_environment_is_a_number_of_bytes_with_or_without_a_unit() {
    let read = |text: &str| Config::from_variables(|name| (name == "NOWFOLD_MEMORY_BUDGET").then(|| text.to_owned()));
    for text in ["1048576", "256m", "2G", "4096k"] {
        let _ = read(text).unwrap();
    }
    for text in ["much", "12", "-1m", "m", "99999999999999g", "1mb"] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("NOWFOLD_MEMORY_BUDGET") && error.contains(text), "{error}");
    }
}

#[test]
fn a_store_without_room_stops_the_application_and_says_what_to_do() {
    let app = StreamsBuilder::new("full-app");
    app.stream("full-in", Plain::<String, String>::new())
        .to_actions("standardize", |member, _| Action::new(member, "view", "job").at_ms(1_000))
        .through("full-actions")
        .materialize(
            Actions::named("activity")
                .memory_limit(200_000, WhenFull::Stop)
                .features([feature("n").count().within(hours(1))]),
        );
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    create_topics(&log, "full");
    fill(&log, "full", 20_000, 1);
    let app = Streams::start(app.build().unwrap(), Config::embedded_on(log)).unwrap();
    until(PATIENCE, || app.state().to_string(), || app.state().is_final());
    let said = app.state().to_string();
    for words in ["activity", "200000 bytes", "Actions::memory_limit", "WhenFull::DropOldest"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
}
