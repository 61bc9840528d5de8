//! Processes that are told to end, or that stand still and come back as if nothing had happened, on a real Kafka.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nowfold::core::names::TopicPartition;
use nowfold::kafka::Kafka;
use nowfold::runtime::broker::Broker;
use nowfold::runtime::{AppState, Guarantee, RuntimeConfig};

use super::exactly_once::{
    PARTITIONS, PATIENCE, assert_exactly_once, await_outputs, config, connect, create_topics, fill, start,
};
use super::support::{test_kafka, until};

const PREFIX: &str = "NOWFOLD_TEST_SIGNALLED_PREFIX";
const GUARANTEE: &str = "NOWFOLD_TEST_SIGNALLED_GUARANTEE";

/// A process of the application that runs until SIGTERM.
fn child(prefix: &str, guarantee: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "signalled::a_process_that_runs_until_it_is_told_to_end", "--nocapture"]);
    child.env(PREFIX, prefix).env(GUARANTEE, guarantee).stdout(Stdio::null());
    child.spawn().unwrap()
}

fn config_of(guarantee: &str) -> RuntimeConfig {
    let transaction_timeout = Duration::from_secs(5);
    match guarantee {
        "exactly-once" => RuntimeConfig { transaction_timeout, ..config() },
        _ => RuntimeConfig { guarantee: Guarantee::AtLeastOnce, ..config() },
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{signal} {}: {sent}", child.id());
}

/// Waits until the application has written this many outputs in all, committed or not.
fn await_some(kafka: &Kafka, prefix: &str, n: i64) {
    let end = |p| kafka.log_end(&TopicPartition::new(format!("{prefix}-out"), p)).unwrap_or(0);
    let written = || (0..PARTITIONS).map(end).sum::<i64>();
    until(PATIENCE, || format!("{} of {n} outputs are written", written()), || written() >= n);
}

#[test]
fn a_process_that_stood_still_beyond_its_session_and_its_transaction_doubles_nothing() {
    let Some(bootstrap) = test_kafka("signalled") else { return };
    let prefix = format!("still-{}", std::process::id());
    let kafka = connect(&bootstrap, None);
    create_topics(&kafka, &prefix);
    let mut truth = fill(&kafka, &prefix, 20_000, 97);
    let mut sleeper = child(&prefix, "exactly-once");
    await_some(&kafka, &prefix, 200);
    signal(&sleeper, "STOP");
    let other = start(Arc::new(connect(&bootstrap, None)), &prefix, config_of("exactly-once")).unwrap();
    await_outputs(&kafka, &other, &prefix, 20_000);
    for (key, n) in fill(&kafka, &prefix, 3_000, 97) {
        *truth.entry(key).or_default() += n;
    }
    signal(&sleeper, "CONT");
    await_outputs(&kafka, &other, &prefix, 23_000);
    assert_eq!(sleeper.try_wait().unwrap(), None, "the process that stood still has ended");
    other.close().unwrap();
    for (key, n) in fill(&kafka, &prefix, 3_000, 97) {
        *truth.entry(key).or_default() += n;
    }
    // It has joined again and is the only one now.
    let all_read = || {
        let input = |p| TopicPartition::new(format!("{prefix}-in"), p);
        let committed = |p| kafka.committed(&format!("{prefix}-app"), &[input(p)]).ok()?.pop()?;
        (0..PARTITIONS).all(|p| committed(p).is_some_and(|it| it.offset >= kafka.watermarks(&input(p)).unwrap().high))
    };
    until(PATIENCE, || "the process that stood still does not go on".to_owned(), all_read);
    signal(&sleeper, "TERM");
    assert!(sleeper.wait().unwrap().success());
    assert_exactly_once(&kafka, &prefix, &truth, "a process that stood still");
}

#[test]
fn sigterm_under_load_commits_all_that_was_done_and_ends_with_0() {
    let Some(bootstrap) = test_kafka("signalled") else { return };
    let prefix = format!("told-{}", std::process::id());
    let kafka = connect(&bootstrap, None);
    create_topics(&kafka, &prefix);
    let truth = fill(&kafka, &prefix, 40_000, 97);
    let mut told = child(&prefix, "at-least-once");
    await_some(&kafka, &prefix, 200);
    let asked = Instant::now();
    signal(&told, "TERM");
    assert!(told.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(20), "the end took {:?}", asked.elapsed());
    // Nothing crashed, so even at-least-once nothing is processed again: every count appears once.
    let next = start(Arc::new(connect(&bootstrap, None)), &prefix, config_of("at-least-once")).unwrap();
    await_outputs(&kafka, &next, &prefix, 40_000);
    next.close().unwrap();
    assert_exactly_once(&kafka, &prefix, &truth, "SIGTERM");
}

/// The child of the tests above; nothing by itself.
#[test]
fn a_process_that_runs_until_it_is_told_to_end() {
    let (Ok(prefix), Ok(guarantee)) = (std::env::var(PREFIX), std::env::var(GUARANTEE)) else { return };
    let bootstrap = test_kafka("signalled").unwrap();
    let told = nowfold::end_flag().unwrap();
    let app = start(Arc::new(connect(&bootstrap, None)), &prefix, config_of(&guarantee)).unwrap();
    while !told.load(Ordering::Relaxed)
        && !app.state_cell().wait(Duration::from_millis(20), AppState::is_final).is_final()
    {}
    assert!(told.load(Ordering::Relaxed), "ended by itself: {}", app.state());
    app.close().unwrap();
}
