//! Streams that look up tables and global tables.

use nowfold_core::dsl::{StreamsBuilder, Through};
use nowfold_core::serde::Plain;
use nowfold_core::topology::{PartitionCount, Topology};
use nowfold_testkit::TestDriver;

use crate::support::{at, pairs, raw, read, text};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Inner,
    Left,
}

fn table_join(kind: Kind) -> Topology {
    let app = StreamsBuilder::new("app");
    let names = app.table("names", "names-store", text());
    let visits = app.stream("in", text());
    let joined = match kind {
        Kind::Inner => visits.join_table("join", &names, |k, v, name| format!("{k} {v} {name}")),
        Kind::Left => visits.left_join_table("join", &names, |k, v, name| format!("{k} {v} {name:?}")),
    };
    joined.to("out", text());
    app.build().unwrap()
}

fn global_join(kind: Kind) -> Topology {
    let app = StreamsBuilder::new("app");
    let names = app.global_table("names", text());
    let visits = app.stream("in", text());
    let joined = match kind {
        Kind::Inner => visits.join_global("join", &names, |_, v| v.clone(), |k, v, name| format!("{k} {v} {name}")),
        Kind::Left => {
            visits.left_join_global("join", &names, |_, v| v.clone(), |k, v, name| format!("{k} {v} {name:?}"))
        }
    };
    joined.to("out", text());
    app.build().unwrap()
}

/// Inserts, replaces and deletes a row between visits; `key` and `value` are those of every visit.
fn outputs(topology: Topology, (key, value): (&str, &str)) -> (Vec<String>, u64) {
    let driver = TestDriver::new(topology);
    let (visits, names) = (driver.input("in", text()), driver.input("names", text()));
    let visit = |ms| visits.pipe(key, value, at(ms)).unwrap();
    visit(1);
    names.pipe("row", "Kim", at(2)).unwrap();
    visit(3);
    names.pipe("row", "Lee", at(1)).unwrap();
    visit(3);
    names.delete("row", at(4)).unwrap();
    visit(5);
    (read(&driver, "out").into_iter().map(|(_, value)| value).collect(), driver.count("join_miss"))
}

#[test]
fn inner_joins_find_the_newest_row_in_offset_order_and_count_misses() {
    assert_eq!(outputs(table_join(Kind::Inner), ("row", "v")), (vec!["row v Kim".into(), "row v Lee".into()], 2));
    assert_eq!(outputs(global_join(Kind::Inner), ("k", "row")), (vec!["k row Kim".into(), "k row Lee".into()], 2));
}

#[test]
fn left_joins_give_none_for_a_missing_row() {
    let expected = |k: &str, v: &str| {
        ["None", "Some(\"Kim\")", "Some(\"Lee\")", "None"].map(|name| format!("{k} {v} {name}")).to_vec()
    };
    assert_eq!(outputs(table_join(Kind::Left), ("row", "v")), (expected("row", "v"), 0));
    assert_eq!(outputs(global_join(Kind::Left), ("k", "row")), (expected("k", "row"), 0));
}

#[test]
fn only_the_stream_triggers_results() {
    let driver = TestDriver::new(table_join(Kind::Left));
    driver.input("names", text()).pipe("row", "Kim", at(1)).unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[]));
}

#[test]
fn rows_with_a_null_key_are_dropped_and_counted() {
    let driver = TestDriver::new(table_join(Kind::Inner));
    driver.pipe_raw(raw("names", None, Some(b"Kim"), 1)).unwrap();
    assert_eq!(driver.count("null_key"), 1);
}

#[test]
fn null_keys_of_the_stream_miss_in_inner_joins_and_are_padded_in_left_ones() {
    let nullable = Plain::<Option<String>, String>::new;
    let topology = |left: bool| {
        let app = StreamsBuilder::new("app");
        let names = app.table("names", "names-store", nullable());
        let visits = app.stream("in", nullable());
        let joined = if left {
            visits.left_join_table("join", &names, |_, v, name| format!("{v} {name:?}"))
        } else {
            visits.join_table("join", &names, |_, v, name| format!("{v} {name}"))
        };
        joined.to("out", nullable());
        app.build().unwrap()
    };
    for (left, expected) in [(false, vec![]), (true, vec![(None, "x None".to_owned())])] {
        let driver = TestDriver::new(topology(left));
        driver.pipe_raw(raw("in", None, Some(b"x"), 1)).unwrap();
        assert_eq!(driver.output("out", nullable()).read_pairs(), expected, "left: {left}");
    }
}

#[test]
fn each_task_holds_the_rows_of_its_own_partition() {
    let driver = TestDriver::new(table_join(Kind::Inner)).partitions("in", 4).partitions("names", 4);
    let keys: Vec<_> = (0..20).map(|n| format!("k{n}")).collect();
    keys.iter().for_each(|key| driver.input("names", text()).pipe(key, key, at(1)).unwrap());
    keys.iter().for_each(|key| driver.input("in", text()).pipe(key, "v", at(2)).unwrap());
    let joined: Vec<_> = read(&driver, "out").into_iter().map(|(_, value)| value).collect();
    assert_eq!(joined, keys.iter().map(|key| format!("{key} v {key}")).collect::<Vec<_>>());
    let used: std::collections::BTreeSet<_> = driver.records("in").iter().map(|stored| stored.partition).collect();
    assert_eq!(used.len(), 4);
}

#[test]
fn a_topology_tells_which_topics_must_be_co_partitioned() {
    let app = StreamsBuilder::new("app");
    let names = app.table("names", "names-store", text());
    let visits = app.stream("web", text()).merge("all", app.stream("mobile", text()));
    visits.join_table("join", &names, |_, v, _| v).to("out", text());
    let topology = app.build().unwrap();
    let group = &topology.co_partitions()[0];
    assert_eq!(&*group.node, "join");
    assert_eq!(group.topics, ["mobile".into(), "names".into(), "web".into()]);
}

#[test]
fn an_intermediate_topic_is_sized_by_the_topic_it_is_joined_with() {
    let app = StreamsBuilder::new("app");
    let names = app.table("names", "names-store", text());
    app.stream("in", text())
        .select_key("by-value", |_, v| v.clone())
        .through(Through::topic("by-value-topic"), text())
        .join_table("join", &names, |_, v, name| format!("{v} {name}"))
        .to("out", text());
    let topology = app.build().unwrap();
    let requirement = topology.requirements().iter().find(|r| r.name.as_str() == "by-value-topic").unwrap();
    let partitions = &requirement.create.as_ref().unwrap().partitions;
    assert_eq!(*partitions, PartitionCount::LargestOf(vec!["names".into()]));
    let driver = TestDriver::new(topology).partitions("names", 3);
    driver.input("names", text()).pipe("b", "Bo", at(1)).unwrap();
    driver.input("in", text()).pipe("a", "b", at(2)).unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[("b", "b Bo")]));
}

#[test]
fn intermediate_topics_that_are_joined_with_each_other_get_the_larger_size() {
    let app = StreamsBuilder::new("app");
    let through = |topic: &str, via: &str| app.stream(topic, text()).through(Through::topic(via), text());
    let both = through("a", "via-a").merge("both", through("b", "via-b"));
    let names = app.table("names", "names-store", text());
    both.join_table("join", &names, |_, v, _| v).to("out", text());
    let driver = TestDriver::new(app.build().unwrap()).partitions("a", 2).partitions("b", 5).partitions("names", 5);
    driver.process().unwrap();
}
