//! Every stateless operator, and how streams part and meet.

use std::sync::{Arc, Mutex};

use nowfold_core::dsl::{StreamsBuilder, Through};
use nowfold_core::record::{Headers, Record};
use nowfold_core::serde::Plain;
use nowfold_testkit::TestDriver;

use crate::support::{Texts, at, driver, number, pairs, pipe, raw, read, text};

type Case = (&'static str, fn(Texts) -> Texts, &'static [(&'static str, &'static str)]);

const INPUT: &[(&str, &str)] = &[("k", "apple pie"), ("l", "beet"), ("k", "")];

const CASES: &[Case] = &[
    ("filter", |s| s.filter("op", |_, v| v.starts_with('a')), &[("k", "apple pie")]),
    ("filter_not", |s| s.filter_not("op", |k, _| k == "l"), &[("k", "apple pie"), ("k", "")]),
    ("map", |s| s.map("op", |k, v| (v, k)), &[("apple pie", "k"), ("beet", "l"), ("", "k")]),
    (
        "map_values",
        |s| s.map_values("op", |k, v| format!("{k}:{v}")),
        &[("k", "k:apple pie"), ("l", "l:beet"), ("k", "k:")],
    ),
    (
        "flat_map",
        |s| s.flat_map("op", |k, v| [(v, "1".to_owned()), (k, "2".to_owned())]),
        &[("apple pie", "1"), ("k", "2"), ("beet", "1"), ("l", "2"), ("", "1"), ("k", "2")],
    ),
    ("flat_map to nothing", |s| s.flat_map("op", |_, _| []), &[]),
    (
        "flat_map_values",
        |s| s.flat_map_values("op", |_, v| v.split_whitespace().map(str::to_owned).collect::<Vec<_>>()),
        &[("k", "apple"), ("k", "pie"), ("l", "beet")],
    ),
    (
        "select_key",
        |s| s.select_key("op", |_, v| v.chars().take(1).collect::<String>()),
        &[("a", "apple pie"), ("b", "beet"), ("", "")],
    ),
    ("peek", |s| s.peek("op", |_, _| ()), INPUT),
    ("through", |s| s.through(Through::topic("mid"), text()), INPUT),
    (
        "merge with itself",
        |s| s.clone().filter("a", |k, _| k == "l").merge("op", s),
        &[("k", "apple pie"), ("l", "beet"), ("l", "beet"), ("k", "")],
    ),
];

#[test]
fn operators_turn_records_into_the_expected_ones() {
    for (name, operator, expected) in CASES {
        let driver = driver(|_, input| operator(input).to("out", text()));
        pipe(&driver, INPUT);
        assert_eq!(read(&driver, "out"), pairs(expected), "{name}");
    }
}

#[test]
fn stateless_operators_pass_timestamp_and_headers_on() {
    let mut headers = Headers::new();
    headers.push("h", Some("1".into()));
    headers.push("h", None);
    for (name, operator, expected) in CASES {
        let driver = driver(|_, input| operator(input).to("out", text()));
        let record = Record { key: "k".into(), value: "apple pie".into(), timestamp: at(42), headers: headers.clone() };
        driver.input("in", text()).pipe_record(&record).unwrap();
        let out = driver.output("out", text()).read_all();
        assert!(expected.is_empty() || !out.is_empty(), "{name}");
        assert!(out.iter().all(|record| record.timestamp == at(42) && record.headers == headers), "{name}: {out:?}");
    }
}

#[test]
fn filtered_records_are_counted() {
    let driver = driver(|_, input| input.filter("some", |_, v| v.len() > 4).to("out", text()));
    pipe(&driver, INPUT);
    assert_eq!(driver.count("filtered"), 2);
}

#[test]
fn peek_and_for_each_see_every_record_in_order() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |place: &'static str| {
        let seen = seen.clone();
        move |value: &str| seen.lock().unwrap().push(format!("{place} {value}"))
    };
    let (peeked, ended) = (note("peek"), note("end"));
    let driver =
        driver(move |_, input| input.peek("look", move |_, v| peeked(v)).for_each("end", move |_, v| ended(&v)));
    pipe(&driver, &[("k", "1"), ("k", "2")]);
    assert_eq!(*seen.lock().unwrap(), ["peek 1", "end 1", "peek 2", "end 2"]);
}

#[test]
fn split_gives_each_record_to_the_first_branch_that_takes_it() {
    let driver = driver(|_, input| {
        let [a, long, rest] = input
            .split("by-kind")
            .branch("a", |_, v| v.starts_with('a'))
            .branch("long", |_, v| v.len() > 3)
            .default_branch("rest");
        a.to("out-a", text());
        long.to("out-long", text());
        rest.to("out-rest", text());
    });
    pipe(&driver, &[("1", "apple"), ("2", "beet"), ("3", "fig"), ("4", "a")]);
    assert_eq!(read(&driver, "out-a"), pairs(&[("1", "apple"), ("4", "a")]));
    assert_eq!(read(&driver, "out-long"), pairs(&[("2", "beet")]));
    assert_eq!(read(&driver, "out-rest"), pairs(&[("3", "fig")]));
}

#[test]
fn split_without_default_drops_and_counts_what_no_branch_takes() {
    let driver = driver(|_, input| {
        let [a] = input.split("only-a").branch("a", |_, v| v.starts_with('a')).no_default_branch();
        a.to("out", text());
    });
    pipe(&driver, INPUT);
    assert_eq!((read(&driver, "out"), driver.count("filtered")), (pairs(&[("k", "apple pie")]), 2));
}

#[test]
fn a_cloned_stream_feeds_its_uses_depth_first_in_the_order_they_were_added() {
    let driver = driver(|_, input| {
        let left = input.clone().map_values("left", |_, v| format!("L{v}"));
        let right = input.flat_map_values("right", |_, v| [format!("R1{v}"), format!("R2{v}")]);
        left.merge("both", right).to("out", text());
    });
    pipe(&driver, &[("k", "a"), ("k", "b")]);
    let values: Vec<_> = read(&driver, "out").into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["La", "R1a", "R2a", "Lb", "R1b", "R2b"]);
}

#[test]
fn every_clone_gets_a_record_of_its_own() {
    let driver = driver(|_, input| {
        for topic in ["a", "b", "c"] {
            input.clone().map(&format!("change-{topic}"), move |k, v| (k + topic, v + topic)).to(topic, text());
        }
        input.to("same", text());
    });
    pipe(&driver, &[("k", "v")]);
    assert_eq!(read(&driver, "b"), pairs(&[("kb", "vb")]));
    assert_eq!(read(&driver, "same"), pairs(&[("k", "v")]));
}

#[test]
fn several_streams_can_end_in_one_topic() {
    let driver = driver(|_, input| {
        let [a, rest] = input.split("parts").branch("a", |_, v| v.starts_with('a')).default_branch("rest");
        a.map_values("mark", |_, v| v + "!").to("out", text());
        rest.to("out", text());
    });
    pipe(&driver, &[("1", "apple"), ("2", "beet")]);
    assert_eq!(read(&driver, "out"), pairs(&[("1", "apple!"), ("2", "beet")]));
}

#[test]
fn optional_keys_and_values_let_nulls_through_as_in_kafka_streams() {
    let app = StreamsBuilder::new("app");
    let nullable = Plain::<Option<String>, Option<String>>::new;
    app.stream("in", nullable()).map("swap", |k, v| (v, k)).to("out", nullable());
    let driver = TestDriver::new(app.build().unwrap());
    driver.pipe_raw(raw("in", None, Some(b"x"), 1)).unwrap();
    driver.pipe_raw(raw("in", Some("k"), None, 2)).unwrap();
    let out = driver.output("out", nullable()).read_pairs();
    assert_eq!(out, [(Some("x".to_owned()), None), (None, Some("k".to_owned()))]);
}

#[test]
fn sinks_write_to_the_partition_of_kafkas_default_partitioner() {
    let app = StreamsBuilder::new("app");
    app.stream("in", number()).to("out", number());
    let driver = TestDriver::new(app.build().unwrap()).partitions("out", 7);
    for key in ["a", "b", "member-111"] {
        driver.input("in", number()).pipe(key, 1, at(1)).unwrap();
        let stored = driver.output("out", number()).read_raw();
        assert_eq!(stored[0].partition, nowfold_core::partition::partition_for_key(key.as_bytes(), 7), "{key}");
    }
}
