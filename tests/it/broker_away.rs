//! A real Kafka that restarts, dies and stays away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold::operators::Features;
use nowfold::runtime::{AppState, Streams as Runtime};

use super::instances::{Load, connect, count, start};
use super::own_kafka::OwnKafka;
use super::support::until;

const PATIENCE: Duration = Duration::from_secs(120);

fn is_stale(app: &Runtime, member: &str) -> bool {
    Features::new(app.hub(), app.clock(), "activity").of(member).unwrap().envelope.stale
}

#[track_caller]
fn await_truth(app: &Runtime, truth: &std::collections::BTreeMap<String, u64>) {
    for (member, n) in truth {
        let found = || format!("{member}: {:?} of {n}; {}", count(app, member), app.state());
        until(PATIENCE, found, || count(app, member) == Ok(*n));
    }
}

#[test]
fn a_broker_that_restarts_and_is_killed_under_load_costs_nothing() {
    let Some(mut kafka) = OwnKafka::start("broker_away") else { return };
    let load = Load::start(Arc::new(connect(&kafka.bootstrap)), "restart");
    let app = start(Arc::new(connect(&kafka.bootstrap)), "restart");
    app.await_running(PATIENCE).unwrap();
    let mut before = 0;
    for signal in ["TERM", "KILL"] {
        until(PATIENCE, || "no clicks arrive".into(), || count(&app, "member-0").is_ok_and(|n| n > before));
        kafka.end(signal);
        kafka.revive();
        before = count(&app, "member-0").unwrap();
    }
    until(PATIENCE, || app.state().to_string(), || count(&app, "member-0").is_ok_and(|n| n > before));
    let truth = load.finish();
    await_truth(&app, &truth);
    app.await_running(PATIENCE).unwrap();
    app.close().unwrap();
}

#[test]
fn while_the_broker_is_away_answers_go_on_and_are_stale() {
    let Some(mut kafka) = OwnKafka::start("broker_away") else { return };
    let load = Load::start(Arc::new(connect(&kafka.bootstrap)), "away");
    let app = start(Arc::new(connect(&kafka.bootstrap)), "away");
    app.await_running(PATIENCE).unwrap();
    until(PATIENCE, || "no clicks arrive".into(), || count(&app, "member-0").is_ok_and(|n| n > 5));
    let truth = load.finish();
    await_truth(&app, &truth);
    until(PATIENCE, || "stale at the end of the log".into(), || !is_stale(&app, "member-0"));

    kafka.end("KILL");
    let gone = Instant::now();
    until(Duration::from_secs(10), || "not stale without a broker".into(), || is_stale(&app, "member-0"));
    let away = Duration::from_secs(30);
    until(
        away * 2,
        || "the time stands still".into(),
        || {
            assert!(is_stale(&app, "member-0") && !app.state().is_final(), "{}", app.state());
            gone.elapsed() > away
        },
    );
    await_truth(&app, &truth);

    kafka.revive();
    until(PATIENCE, || "still stale".into(), || !is_stale(&app, "member-0"));
    let load = Load::start(Arc::new(connect(&kafka.bootstrap)), "away");
    until(PATIENCE, || "no clicks arrive".into(), || count(&app, "member-0").is_ok_and(|n| n > truth["member-0"]));
    kafka.end("KILL");
    let closing = Instant::now();
    let closed = app.close();
    assert!(closing.elapsed() < Duration::from_secs(13), "{:?} {closed:?}", closing.elapsed());

    kafka.revive();
    let again = start(Arc::new(connect(&kafka.bootstrap)), "away");
    let mut all = load.finish();
    for (member, n) in truth {
        *all.entry(member).or_default() += n;
    }
    await_truth(&again, &all);
    assert_ne!(again.state(), AppState::Stopped);
    again.close().unwrap();
}
