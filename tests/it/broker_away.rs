//! A real Kafka that restarts, dies and stays away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold::core::names::{TopicName, TopicPartition};
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::operators::Features;
use nowfold::runtime::broker::{Broker, TopicSpec};
use nowfold::runtime::membership::{Membership, MembershipEvent, OffsetCommit};
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

/// Follows the group until an event of this kind comes; a member that fails fails the test.
fn follow(member: &mut dyn Membership, what: &str, wanted: fn(&MembershipEvent) -> bool) {
    let mut found = false;
    until(
        PATIENCE,
        || format!("the member is not {what}"),
        || {
            if let Some(event) = member.poll(Duration::from_millis(50)).unwrap() {
                found |= wanted(&event);
            }
            // A commit may still wait for the coordinator; then the release is tried again.
            let released = member.release();
            assert!(released.as_ref().err().is_none_or(|error| error.is_retriable()), "{released:?}");
            found && released.is_ok()
        },
    );
}

/// The commit arrives when the coordinator is back, from a member whose session has ended meanwhile: Kafka answers it as if
/// another process had the instance id.
#[test]
fn a_named_member_that_commits_while_the_broker_is_away_beyond_its_session_joins_again() {
    let Some(mut kafka) = OwnKafka::start("broker_away") else { return };
    let mut config = KafkaConfig::new(&kafka.bootstrap);
    (config.instance_id, config.session_timeout) = (Some("named".into()), Duration::from_secs(6));
    config.request_timeout = Duration::from_secs(2);
    let broker = Kafka::connect(config).unwrap();
    let partition = TopicPartition { topic: TopicName::from("named"), partition: 0 };
    let spec = TopicSpec { name: partition.topic.clone(), partitions: Some(1), config: Default::default() };
    broker.create_topic(&spec).unwrap();
    let mut member = broker.join("named", std::slice::from_ref(&partition.topic)).unwrap();
    let owns = |event: &MembershipEvent| matches!(event, MembershipEvent::Assigned(all) if !all.is_empty());
    follow(&mut *member, "assigned", owns);
    kafka.end("KILL");
    let commit = [OffsetCommit { partition, offset: 0, metadata: String::new() }];
    let error = member.commit(&commit).unwrap_err();
    assert!(error.is_retriable(), "{error}");
    // Until the session is over, and it is told so, where the client notices while the broker is away.
    let gone = Instant::now();
    while gone.elapsed() < Duration::from_secs(9) {
        _ = member.poll(Duration::from_millis(50)).unwrap();
    }
    kafka.revive();
    let mut committed = false;
    until(
        PATIENCE,
        || "the member does not commit again".into(),
        || {
            _ = member.poll(Duration::from_millis(50)).unwrap();
            let released = member.release();
            assert!(released.as_ref().err().is_none_or(|error| error.is_retriable()), "{released:?}");
            committed = committed || member.commit(&commit).is_ok();
            committed
        },
    );
    member.leave(PATIENCE).unwrap();
}
