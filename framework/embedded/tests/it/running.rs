//! Small applications of the runtime on the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::dsl::{Emit, Joined, StreamsBuilder, Through};
use nowfold_core::names::TopicName;
use nowfold_core::serde::{Plain, SerdeEnv, TimeWindowed};
use nowfold_core::task::TaskIdle;
use nowfold_core::time::Clock as _;
use nowfold_core::topology::Topology;
use nowfold_core::window::TimeWindows;
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::Broker;
use nowfold_runtime::{Platform, RuntimeConfig, RuntimeError, Streams};

use crate::support::{WallClock, append, create, partition, record};

const PATIENCE: Duration = Duration::from_secs(30);

fn text() -> Plain<String, String> {
    Plain::new()
}

fn exists(log: &EmbeddedLog, topic: &str) -> bool {
    log.topics(&[TopicName::from(topic)], PATIENCE).unwrap().pop().flatten().is_some()
}

fn start(log: &EmbeddedLog, topology: Topology, config: RuntimeConfig) -> Result<Streams, RuntimeError> {
    let platform = Platform { broker: Arc::new(log.clone()), clock: Arc::new(WallClock), serdes: SerdeEnv::default() };
    Streams::start(topology, platform, config)
}

/// Waits until `found` gives something, bounded.
#[track_caller]
fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// A rekeyed stream, joined with a table and then with what lies on another topic.
fn twice_joined() -> Topology {
    let app = StreamsBuilder::new("app");
    let (names, more) = (app.table("names", "n", text()), app.table("more", "m", text()));
    app.stream("in", text())
        .select_key("rekey", |_, v| v.clone())
        .join_table(Joined::with("named", text()), &names, |_, v, name| format!("{v} {name}"))
        .join_table("more-of-it", &more, |_, v, more| format!("{v} {more}"))
        .to("out", text());
    app.build().unwrap()
}

#[test]
fn a_join_of_topics_that_differ_is_refused_before_any_topic_is_made() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    [("in", 2), ("names", 3), ("more", 4), ("out", 1)]
        .into_iter()
        .for_each(|(topic, n)| _ = create(&log, topic, n, &[]));
    let error = start(&log, twice_joined(), RuntimeConfig::default()).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, RuntimeError::NotCoPartitioned { .. }), "{message}");
    for part in ["NF132", "app-named-repartition would get 4", "names has 3"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!exists(&log, "app-named-repartition"));
}

#[test]
fn a_rekeyed_stream_finds_its_rows_in_a_topic_of_their_size() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    [("in", 2), ("names", 3), ("more", 3), ("out", 1)]
        .into_iter()
        .for_each(|(topic, n)| _ = create(&log, topic, n, &[]));
    let _app = start(&log, twice_joined(), RuntimeConfig::default()).unwrap().wait_running().unwrap();
    for key in ["a", "b", "c", "d", "e"] {
        append(&log, record("names", key, &format!("{key}1"), 1)).unwrap();
        append(&log, record("more", key, &format!("{key}2"), 1)).unwrap();
        append(&log, record("in", "k", key, 1)).unwrap();
    }
    let partitions =
        log.topics(&["app-named-repartition".into()], PATIENCE).unwrap().pop().flatten().unwrap().partitions;
    assert_eq!(partitions, 3);
    // Nothing says that a row is there before its visit, but that every visit comes to its partition.
    eventually("all five went through the topic", || {
        let ends = (0..3).map(|p| log.watermarks(&partition("app-named-repartition", p)));
        (ends.map(|marks| marks.unwrap().high).sum::<i64>() == 5).then_some(())
    });
}

/// `a` and `b` in one task, into `out`.
fn merged() -> Topology {
    let app = StreamsBuilder::new("app");
    app.stream("a", text()).merge("both", app.stream("b", text())).to("out", text());
    app.build().unwrap()
}

/// The values of `out`, once there are `n`.
#[track_caller]
fn outputs(log: &EmbeddedLog, n: usize) -> Vec<String> {
    let found = || log.records(&partition("out", 0)).unwrap();
    eventually(&format!("{n} outputs"), || (found().len() >= n).then_some(()));
    let value = |record: nowfold_core::record::LogRecord| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
    found().into_iter().map(value).collect()
}

fn waiting(idle: Duration) -> RuntimeConfig {
    RuntimeConfig { max_task_idle: TaskIdle::UpTo(idle), ..RuntimeConfig::default() }
}

#[test]
fn a_task_waits_for_an_empty_topic_and_keeps_the_order_of_time() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    ["a", "b", "out"].into_iter().for_each(|topic| _ = create(&log, topic, 1, &[]));
    let _app = start(&log, merged(), waiting(Duration::from_secs(3_600))).unwrap();
    append(&log, record("a", "k", "a5", 5)).unwrap();
    append(&log, record("a", "k", "a7", 7)).unwrap();
    append(&log, record("b", "k", "b3", 3)).unwrap();
    assert_eq!(outputs(&log, 1), ["b3"]);
    append(&log, record("b", "k", "b6", 6)).unwrap();
    assert_eq!(outputs(&log, 3), ["b3", "a5", "b6"]);
}

#[test]
fn a_task_goes_on_when_it_has_waited_for_an_empty_topic() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    ["a", "b", "out"].into_iter().for_each(|topic| _ = create(&log, topic, 1, &[]));
    let _app = start(&log, merged(), waiting(Duration::from_millis(20))).unwrap();
    append(&log, record("a", "k", "a5", 5)).unwrap();
    assert_eq!(outputs(&log, 1), ["a5"]);
}

/// `in` counted by its values, by way of an internal topic, and copied by way of a topic of the user's.
fn counted() -> Topology {
    let app = StreamsBuilder::new("app");
    let input = app.stream("in", text());
    input.clone().through(Through::topic("copies"), text()).to("out", text());
    input
        .group_by("by-value", |_, v| v.clone(), text())
        .count("counts")
        .to_stream("changes")
        .to("counts", Plain::<String, Option<i64>>::new());
    app.build().unwrap()
}

#[test]
fn repartition_topics_are_purged_of_what_is_committed_and_no_others_are() {
    for guarantee in [RuntimeConfig::default(), RuntimeConfig::exactly_once()] {
        let log = EmbeddedLog::new(Arc::new(WallClock));
        ["in", "out", "counts"].into_iter().for_each(|topic| _ = create(&log, topic, 1, &[]));
        let commit_interval = Duration::from_millis(10);
        let config = RuntimeConfig { purge_interval: Some(Duration::ZERO), commit_interval, ..guarantee };
        for run in 1..=2 {
            let app = start(&log, counted(), config.clone()).unwrap();
            for n in 0..50 {
                append(&log, record("in", "k", ["a", "b", "c"][n % 3], 1)).unwrap();
            }
            let marks = |topic: &str| log.watermarks(&partition(topic, 0)).unwrap();
            eventually("all is counted and its way there is purged", || {
                let way = marks("app-by-value-repartition");
                let n_counted = log.records(&partition("counts", 0)).unwrap().len();
                (n_counted == 50 * run && way.low > 0 && way.low == way.high).then_some(())
            });
            for topic in ["in", "copies", "counts", "app-counts-changelog"] {
                assert_eq!(marks(topic).low, 0, "{topic}");
            }
            app.close().unwrap();
        }
        let last = log.records(&partition("counts", 0)).unwrap().pop().unwrap();
        assert_eq!(
            i64::from_be_bytes(last.value.unwrap().as_ref().try_into().unwrap()),
            34,
            "twice 17 of {:?}",
            last.key
        );
    }
}

#[test]
fn without_an_interval_nothing_is_purged() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    ["in", "out", "counts"].into_iter().for_each(|topic| _ = create(&log, topic, 1, &[]));
    let commit_interval = Duration::from_millis(10);
    let config = RuntimeConfig { purge_interval: None, commit_interval, ..RuntimeConfig::default() };
    let app = start(&log, counted(), config).unwrap();
    append(&log, record("in", "k", "a", 1)).unwrap();
    eventually("the record is counted", || (log.records(&partition("counts", 0)).unwrap().len() == 1).then_some(()));
    app.close().unwrap();
    assert_eq!(log.watermarks(&partition("app-by-value-repartition", 0)).unwrap().low, 0);
}

#[test]
fn windows_close_by_the_machines_clock_when_their_input_is_idle() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    ["in", "out"].into_iter().for_each(|topic| _ = create(&log, topic, 1, &[]));
    let (app, windows) = (StreamsBuilder::new("app"), TimeWindows::tumbling(Duration::from_millis(50)));
    app.stream("in", text())
        .group_by_key("by-key", text())
        .windowed(windows)
        .emit(Emit::on_close())
        .close_when_idle(Duration::from_millis(100))
        .count("counts")
        .to_stream("final")
        .to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
    let _app = start(&log, app.build().unwrap(), RuntimeConfig::default()).unwrap();
    append(&log, record("in", "k", "v", WallClock.now().as_millis())).unwrap();
    let found = eventually("the window is sent", || log.records(&partition("out", 0)).unwrap().pop());
    assert_eq!(found.value.as_deref(), Some(&1_i64.to_be_bytes()[..]));
}
