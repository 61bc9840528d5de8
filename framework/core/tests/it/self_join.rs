//! Joins of a stream with itself, against the same join of two streams, and where windowed keys go.

use nowfold_core::dsl::{StreamJoined, StreamsBuilder};
use nowfold_core::names::StoreName;
use nowfold_core::partition::partition_for_key;
use nowfold_core::serde::{Plain, SessionWindowed, TimeWindowed};
use nowfold_core::time::millisecs;
use nowfold_core::topology::Topology;
use nowfold_core::window::{JoinWindows, SessionWindows, TimeWindows};
use nowfold_testkit::TestDriver;

use crate::support::{at, read, text};

/// `in` joined with itself: in one store, or with a copy of it in two.
fn joined(windows: JoinWindows, with_a_copy: bool) -> Topology {
    let app = StreamsBuilder::new("app");
    let input = app.stream("in", text());
    // The copy gets each record first, as the left side does.
    let left = if with_a_copy { input.clone().filter("copy", |_, _| true) } else { input.clone() };
    let joined = StreamJoined::within(windows, text(), text());
    left.join_stream("join", input, joined, |_, a, b| format!("{a}+{b}")).to("out", text());
    app.build().unwrap()
}

fn stores(topology: &Topology) -> Vec<&str> {
    topology.stores().keys().map(StoreName::as_str).collect()
}

#[test]
fn a_stream_joined_with_itself_is_kept_once() {
    let windows = JoinWindows::of(millisecs(5));
    assert_eq!(stores(&joined(windows, false)), ["join-left"]);
    assert_eq!(stores(&joined(windows, true)), ["join-left", "join-right"]);
}

#[test]
fn the_results_and_their_order_are_those_of_two_streams() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..60 {
        let (before, after) = (random.i64(-6..12), random.i64(-6..12));
        let windows = JoinWindows::of(millisecs(0)).before_ms(before).after_ms(after);
        if before + after < 0 {
            continue;
        }
        let drivers = [false, true].map(|copy| TestDriver::new(joined(windows, copy)));
        let mut n_results = 0;
        for n in 0..40 {
            let (key, time) = (["a", "b"][random.usize(0..2)], at(random.i64(0..40)));
            let [one, two] = drivers.each_ref().map(|driver| {
                driver.input("in", text()).pipe(key, format!("{n}"), time).unwrap();
                let results = read(driver, "out");
                let times: Vec<_> = driver.records("out").iter().map(|stored| stored.record.timestamp).collect();
                (results, times)
            });
            n_results += one.0.len();
            assert_eq!(one, two, "round {round}, record {n}: {before} before, {after} after");
        }
        assert!(n_results > 0 || before < 0 || after < 0, "round {round}");
    }
}

#[test]
fn a_restart_finds_what_was_kept() {
    let driver = TestDriver::new(joined(JoinWindows::of(millisecs(5)), false));
    driver.input("in", text()).pipe("a", "1", at(1)).unwrap();
    driver.restart().unwrap();
    driver.input("in", text()).pipe("a", "2", at(3)).unwrap();
    let values: Vec<_> = read(&driver, "out").into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["1+1", "2+1", "1+2", "2+2"]);
}

/// The partitions that the windows of a key went to in topics of others.
#[test]
fn windowed_keys_go_to_the_partition_of_the_key_inside() {
    let app = StreamsBuilder::new("app");
    let windows = TimeWindows::tumbling(millisecs(10));
    let grouped = app.stream("in", text()).group_by_key("by-key", text());
    let timed = TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows);
    let counts = grouped.clone().windowed(windows).count("counts").to_stream("changes");
    counts.clone().to("timed", timed.clone());
    counts.to_any_of("route", &["routed"], |_| "routed".into(), timed);
    let sessions = grouped.sessions(SessionWindows::gap(millisecs(3))).count("sessions").to_stream("session-changes");
    sessions.to("sessions-out", SessionWindowed::new(Plain::<String, Option<i64>>::new()));
    let topics = ["timed", "routed", "sessions-out"];
    let driver =
        topics.iter().fold(TestDriver::new(app.build().unwrap()), |driver, topic| driver.partitions(*topic, 7));
    for n in 0..30_i64 {
        driver.input("in", text()).pipe(format!("k{}", n % 5), "v", at(n * 10)).unwrap();
    }
    for (topic, suffix) in [("timed", 8), ("routed", 8), ("sessions-out", 16)] {
        let records = driver.records(topic);
        assert_eq!(records.len(), 30, "{topic}");
        for stored in records {
            let key = stored.record.key.unwrap();
            assert_eq!(stored.partition, partition_for_key(&key[..key.len() - suffix], 7), "{topic}");
        }
    }
}
