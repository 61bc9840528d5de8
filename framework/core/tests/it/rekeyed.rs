//! Joins of streams whose key was changed: they go through a topic on the way.

use nowfold_core::dsl::{Joined, Repartition, StreamJoined, StreamsBuilder};
use nowfold_core::serde::Plain;
use nowfold_core::time::{hours, millisecs};
use nowfold_core::topology::{PartitionCount, Topology, TopologyFault};
use nowfold_core::window::JoinWindows;
use nowfold_testkit::TestDriver;

use crate::support::{Texts, at, pairs, raw, read, text};

fn internal(topology: &Topology) -> Vec<String> {
    let names = topology.requirements().iter().map(|topic| topic.name.to_string());
    names.filter(|name| name.ends_with("-repartition")).collect()
}

fn by_value(stream: Texts, name: &str) -> Texts {
    stream.select_key(name, |_, v| v.chars().take(1).collect())
}

fn with_names(left: bool) -> Topology {
    let app = StreamsBuilder::new("app");
    let names = app.table("names", "names-store", text());
    let visits = by_value(app.stream("in", text()), "rekey");
    let with = Joined::with("join", text());
    let joined = if left {
        visits.left_join_table(with, &names, |_, v, name| format!("{v} {name:?}"))
    } else {
        visits.join_table(with, &names, |_, v, name| format!("{v} {name}"))
    };
    joined.to("out", text());
    app.build().unwrap()
}

#[test]
fn a_stream_meets_the_table_behind_a_topic_that_is_named_after_the_join() {
    let topology = with_names(false);
    assert_eq!(internal(&topology), ["app-join-repartition"]);
    let driver = TestDriver::new(topology).partitions("names", 5).partitions("in", 3);
    for key in ["a", "b", "c", "d"] {
        driver.input("names", text()).pipe(key, format!("row of {key}"), at(1)).unwrap();
    }
    for (key, value) in [("1", "apple"), ("2", "beet"), ("3", "cress"), ("4", "dill")] {
        driver.input("in", text()).pipe(key, value, at(2)).unwrap();
    }
    let mut found = read(&driver, "out");
    found.sort();
    let expected = [("a", "apple row of a"), ("b", "beet row of b"), ("c", "cress row of c"), ("d", "dill row of d")];
    assert_eq!(found, pairs(&expected));
    assert_eq!(driver.records("app-join-repartition").len(), 4);
}

#[test]
fn a_stream_that_kept_its_key_is_joined_where_it_is() {
    let app = StreamsBuilder::new("app");
    let names = app.table("names", "names-store", text());
    let visits = app.stream("in", text()).filter("any", |_, _| true);
    visits.join_table(Joined::with("join", text()), &names, |_, v, _| v).to("out", text());
    assert_eq!(internal(&app.build().unwrap()), [""; 0]);
}

#[test]
fn null_keys_reach_a_left_join_and_end_before_an_inner_one() {
    let nullable = Plain::<Option<String>, String>::new;
    for (left, reached, dropped) in [(true, 1, 0), (false, 0, 1)] {
        let app = StreamsBuilder::new("app");
        let names = app.table("names", "names-store", nullable());
        let visits = app.stream("in", nullable()).select_key("rekey", |_, _| None);
        let with = Joined::with("join", nullable());
        if left {
            visits.left_join_table(with, &names, |_, v, _| v).to("out", nullable());
        } else {
            visits.join_table(with, &names, |_, v, _| v).to("out", nullable());
        }
        let driver = TestDriver::new(app.build().unwrap());
        driver.pipe_raw(raw("in", Some("k"), Some(b"v"), 1)).unwrap();
        let topic = driver.records("app-join-repartition").len();
        assert_eq!((topic, driver.count("null_key")), (reached, dropped), "left: {left}");
    }
}

fn joined() -> StreamJoined<Plain<String, String>, Plain<String, String>> {
    StreamJoined::within(JoinWindows::of(millisecs(10)), text(), text())
}

#[test]
fn each_side_of_a_stream_join_has_a_topic_of_its_own_if_its_key_was_changed() {
    let build = |left: bool, right: bool| {
        let app = StreamsBuilder::new("app");
        let side = |topic: &str, changed: bool| {
            let stream = app.stream(topic, text());
            if changed { by_value(stream, &format!("{topic}-rekey")) } else { stream }
        };
        let other = side("b", right);
        side("a", left).join_stream("join", other, joined(), |_, l, r| format!("{l}{r}")).to("out", text());
        internal(&app.build().unwrap())
    };
    assert_eq!(build(false, false), [""; 0]);
    assert_eq!(build(true, false), ["app-join-left-repartition"]);
    assert_eq!(build(false, true), ["app-join-right-repartition"]);
    assert_eq!(build(true, true), ["app-join-left-repartition", "app-join-right-repartition"]);
}

#[test]
fn sides_of_different_sizes_meet_in_topics_of_the_larger() {
    let app = StreamsBuilder::new("app");
    let side = |topic: &str| by_value(app.stream(topic, text()), &format!("{topic}-rekey"));
    let other = side("b");
    side("a").join_stream("join", other, joined(), |_, l, r| format!("{l} {r}")).to("out", text());
    let driver = TestDriver::new(app.build().unwrap()).partitions("a", 2).partitions("b", 7);
    for fruit in ["apple", "banana", "cherry", "date", "elder"] {
        driver.input("a", text()).pipe("k", fruit, at(1)).unwrap();
        driver.input("b", text()).pipe("l", fruit, at(2)).unwrap();
    }
    assert_eq!(read(&driver, "out").len(), 5);
}

#[test]
fn a_join_that_waits_for_its_table_brings_the_stream_there_too() {
    let app = StreamsBuilder::new("app");
    let names = app.versioned_table("names", "names-store", hours(1), text());
    let visits = by_value(app.stream("in", text()), "rekey");
    visits.join_table_after("join", &names, millisecs(5), text(), |_, v, name| format!("{v} {name}")).to("out", text());
    let topology = app.build().unwrap();
    assert_eq!(internal(&topology), ["app-join-repartition"]);
    let driver = TestDriver::new(topology);
    driver.input("in", text()).pipe("1", "apple", at(10)).unwrap();
    driver.input("names", text()).pipe("a", "Ann", at(9)).unwrap();
    driver.input("in", text()).pipe("1", "beet", at(20)).unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[("a", "apple Ann")]));
}

/// Chains a rekeyed stream to a table, and the result to another rekeyed stream.
#[test]
fn topics_on_the_way_get_the_size_of_what_is_joined_further_up() {
    let app = StreamsBuilder::new("app");
    let names = app.table("names", "names-store", text());
    let first = by_value(app.stream("a", text()), "a-rekey");
    let named = first.join_table(Joined::with("named", text()), &names, |_, v, _| v);
    let other = by_value(app.stream("b", text()), "b-rekey");
    named.join_stream("pairs", other, joined(), |_, l, r| format!("{l} {r}")).to("out", text());
    let topology = app.build().unwrap();
    let size = |name: &str| {
        let topic = topology.requirements().iter().find(|topic| topic.name.as_str() == name).unwrap();
        topic.create.as_ref().unwrap().partitions.clone()
    };
    let of_the_table = PartitionCount::LargestOf(vec!["names".into()]);
    assert_eq!(size("app-named-repartition"), of_the_table);
    assert_eq!(size("app-pairs-right-repartition"), of_the_table);
}

#[test]
fn repartitions_of_different_fixed_sizes_are_refused_when_joined() {
    let app = StreamsBuilder::new("app");
    let side =
        |topic: &str, n: i32| app.stream(topic, text()).repartition(Repartition::named(topic).partitions(n), text());
    let other = side("b", 3);
    side("a", 2).join_stream("join", other, joined(), |_, l, _| l.clone()).to("out", text());
    let error = app.build().unwrap_err();
    let expected = TopologyFault::NotCoPartitioned {
        node: "join".into(),
        counts: "app-a-repartition gets 2, app-b-repartition gets 3".into(),
    };
    assert_eq!(error.faults(), [expected]);
}
