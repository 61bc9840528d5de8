//! Erasing an actor: what is written to the actions topic survives restarts, replays, and raw events that are mapped again.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold::core::names::TopicPartition;
use nowfold::operators::position::Position;
use nowfold::prelude::*;
use nowfold::runtime::SystemClock;
use nowfold::runtime::broker::TopicSpec;

use super::support::{Click, test_kafka};

const PATIENCE: Duration = Duration::from_secs(60);

/// The pipeline as an application of this name: another name reads the raw events from the beginning again.
fn topology(application: &str, prefix: &str) -> Topology {
    let app = StreamsBuilder::new(application);
    app.stream(format!("{prefix}-clicks"), Json::<Option<String>, Click>::new())
        .to_actions("standardize", |_, c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .through(format!("{prefix}-actions"))
        .materialize(Actions::named("activity").features([feature("all").count().within(hours(96))]));
    app.build().unwrap()
}

fn start(application: &str, prefix: &str, config: Config) -> Streams {
    let app = Streams::start(topology(application, prefix), config).unwrap();
    app.await_running(PATIENCE).unwrap();
    app
}

fn now_ms() -> i64 {
    SystemClock.now().as_millis()
}

fn send(app: &Streams, prefix: &str, member: &str, ages_ms: impl IntoIterator<Item = i64>) {
    let mut clicks = app.producer(&format!("{prefix}-clicks"), Json::<Option<String>, Click>::new()).unwrap();
    let now = now_ms();
    for age in ages_ms {
        let click = Click::new(member, "apply", "job-1", now - age);
        clicks.send(&Some(member.to_owned()), &click, Timestamp::from_millis(now)).unwrap();
    }
    clicks.flush(PATIENCE).unwrap();
}

/// The actor's count once it is `n`, with all that stands in its partition by then; bounded.
#[track_caller]
fn await_count(app: &Streams, member: &str, n: u64) {
    let features = app.features("activity").unwrap();
    let counted = || features.of(member).unwrap().count("all").unwrap();
    super::support::until(PATIENCE, || format!("{member} has {} of {n}", counted()), || counted() == n);
}

/// Waits until the store has applied all that stands in the actions topic.
fn await_end(app: &Streams, prefix: &str, member: &str) -> u64 {
    let ends = (0..app.hub().with_store("activity", |_, entry| entry.n_partitions).unwrap()).map(|number| {
        let partition = TopicPartition::new(format!("{prefix}-actions"), number);
        let high = app.broker().watermarks(&partition).unwrap().high;
        (partition, high - 1)
    });
    let all =
        ends.filter(|(_, last)| *last >= 0).fold(Position::new(), |all, (partition, last)| all.with(partition, last));
    let features = app.features("activity").unwrap();
    features.query(member).at_least(&all).wait_up_to(PATIENCE).get().unwrap().count("all").unwrap()
}

/// Erases while the application runs, then starts it again as itself, and then as one that maps all raw events anew.
fn an_erasure_lasts(prefix: &str, config: impl Fn() -> Config) {
    let app = start(&format!("{prefix}-one"), prefix, config());
    send(&app, prefix, "m", (1..=40).map(|i| i * 60_000));
    send(&app, prefix, "other", [60_000, 120_000]);
    await_count(&app, "m", 40);
    await_count(&app, "other", 2);
    let features = app.features("activity").unwrap();
    let erased = features.erase("m").run().unwrap();
    let after = features.query("m").at_least(&erased.position).get().unwrap();
    assert!(!after.envelope.found, "{after:?}");
    let explained = features.explain("all", "m").get().unwrap();
    assert_eq!(
        explained.dropped.iter().map(|dropped| (dropped.reason, dropped.n)).collect::<Vec<_>>(),
        [("erased", 40)]
    );
    features.erase("m").run().unwrap();
    super::support::until(PATIENCE, || "the clock stands still".into(), || now_ms() > erased.up_to.as_millis() + 50);
    send(&app, prefix, "m", [0]);
    await_count(&app, "m", 1);
    assert_eq!(await_end(&app, prefix, "other"), 2);
    app.close().unwrap();
    assert_eq!(features.erase("m").run().unwrap_err().code(), "NF021", "the handle outlives its application");

    let app = start(&format!("{prefix}-one"), prefix, config());
    assert_eq!((await_end(&app, prefix, "m"), await_end(&app, prefix, "other")), (1, 2), "after a restart");
    app.close().unwrap();

    let app = start(&format!("{prefix}-two"), prefix, config());
    assert_eq!((await_end(&app, prefix, "m"), await_end(&app, prefix, "other")), (1, 2), "mapped anew");
    let kept_out = app.features("activity").unwrap().explain("all", "m").get().unwrap();
    assert!(kept_out.dropped.iter().any(|dropped| dropped.reason == "erase_dropped"), "{:?}", kept_out.dropped);
    app.close().unwrap();
}

#[test]
fn an_erasure_survives_restarts_replays_and_raw_events_that_are_mapped_again() {
    let dir = tempfile::tempdir().unwrap();
    an_erasure_lasts("feed", || Config::embedded().data_dir(dir.path()));
}

#[test]
fn an_erasure_survives_them_on_a_real_kafka() {
    let Some(bootstrap) = test_kafka("erasure") else { return };
    let prefix = format!("erase-{}", std::process::id());
    let mut config = Config::kafka(bootstrap.clone());
    let spec = TopicSpec { name: format!("{prefix}-clicks").into(), partitions: Some(3), config: BTreeMap::new() };
    config.broker().unwrap().create_topic(&spec).unwrap();
    an_erasure_lasts(&prefix, || Config::kafka(bootstrap.clone()));
}

#[test]
fn a_handle_without_a_log_says_that_it_only_reads() {
    let app = start("read-only", "read-only", Config::embedded());
    let features = nowfold::operators::Features::new(app.hub(), app.clock(), "activity");
    let error = features.erase("m").run().unwrap_err();
    assert_eq!(error.code(), "NF026", "{error}");
    for actor in [String::new(), "x".repeat(1_025)] {
        assert_eq!(app.features("activity").unwrap().erase(&actor).run().unwrap_err().code(), "NF016");
    }
    app.close().unwrap();
}
