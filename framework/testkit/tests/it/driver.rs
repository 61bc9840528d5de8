//! Piping, topics, partitions and time.

use std::time::Duration;

use nowfold_core::dsl::{StreamsBuilder, Through};
use nowfold_core::names::TopicPartition;
use nowfold_core::record::TimestampType;
use nowfold_core::serde::Plain;
use nowfold_core::task::TaskIdle;
use nowfold_core::time::seconds;
use nowfold_testkit::TestDriver;

use crate::support::{at, counting, text};

#[test]
fn processes_a_record_through_every_sub_topology_before_pipe_returns() {
    let app = StreamsBuilder::new("two-hops");
    text(&app, "in")
        .select_key("by-value", |_, value| value.clone())
        .through(Through::topic("first"), Plain::new())
        .through(Through::topic("second").partitions(3), Plain::new())
        .to("out", Plain::new());
    let driver = TestDriver::new(app.build().unwrap()).partitions("in", 4);
    driver.input("in", Plain::<String, String>::new()).pipe("a", "b", at(5)).unwrap();
    let out = driver.output("out", Plain::<String, String>::new());
    let records = out.read_all();
    assert_eq!((records[0].key.as_str(), records[0].timestamp), ("b", at(5)));
    assert_eq!(out.read_all(), [], "a read drains");
    assert_eq!(driver.records("out").len(), 1, "records stay on the log");
}

#[test]
fn sizes_intermediate_topics_by_their_writers_and_changelogs_by_their_store() {
    let driver = TestDriver::new(counting()).partitions("in", 8);
    let input = driver.input("in", Plain::<String, String>::new());
    ["a", "b", "c", "d", "e"].iter().for_each(|key| input.pipe(*key, "x", at(1)).unwrap());
    let partitions: Vec<_> = driver.records("counting-counts-changelog").iter().map(|s| s.partition).collect();
    let sources: Vec<_> = driver.records("in").iter().map(|s| s.partition).collect();
    assert_eq!(partitions, sources);
    assert!(sources.iter().any(|&p| p > 0), "{sources:?}");
}

#[test]
fn stamps_records_with_the_wall_clock_where_the_topic_says_so() {
    let app = StreamsBuilder::new("stamped");
    text(&app, "in")
        .through(Through::topic("mid").config("message.timestamp.type", "LogAppendTime"), Plain::new())
        .to("out", Plain::new());
    let driver = TestDriver::new(app.build().unwrap()).log_append_time("in").starting_at(at(100));
    let input = driver.input("in", Plain::<String, String>::new());
    input.pipe("a", "x", at(5)).unwrap();
    driver.advance(seconds(1)).unwrap();
    input.pipe("a", "x", at(5)).unwrap();
    for topic in ["in", "mid"] {
        let stamps: Vec<_> = driver.records(topic).iter().map(|s| s.record.timestamp).collect();
        assert_eq!(stamps, [at(100), at(1_100)], "{topic}");
        assert_eq!(driver.records(topic)[0].record.timestamp_type, TimestampType::LogAppendTime);
    }
}

#[test]
fn applies_global_tables_before_any_task_runs() {
    let app = StreamsBuilder::new("names");
    let names = app.global_table("names", Plain::<String, String>::new());
    text(&app, "in")
        .join_global("named", &names, |key, _| key.clone(), |_, _, name| name.clone())
        .to("out", Plain::new());
    let driver = TestDriver::new(app.build().unwrap()).partitions("names", 2);
    let (visits, rows) =
        (driver.input("in", Plain::<String, String>::new()), driver.input("names", Plain::<String, String>::new()));
    driver.append(visits.encode(&nowfold_core::record::Record::new("k".into(), "v".into(), at(1))));
    driver.append(rows.encode(&nowfold_core::record::Record::new("k".into(), "Kim".into(), at(9))));
    driver.process().unwrap();
    assert_eq!(driver.output("out", Plain::<String, String>::new()).read_pairs(), [("k".into(), "Kim".into())]);
    rows.delete("k", at(10)).unwrap();
    visits.pipe("k", "v", at(11)).unwrap();
    assert_eq!((driver.count("join_miss"), names.len()), (1, 0));
}

#[test]
#[should_panic(expected = "join \"named\" needs equal numbers of partitions")]
fn refuses_joined_topics_with_unequal_numbers_of_partitions() {
    let app = StreamsBuilder::new("names");
    let names = app.table("names", "names", Plain::<String, String>::new());
    text(&app, "in").join_table("named", &names, |_, _, name| name).to("out", Plain::new());
    let driver = TestDriver::new(app.build().unwrap()).partitions("in", 2);
    let _ = driver.process();
}

#[test]
fn stays_stopped_at_a_record_that_fails_and_meets_it_again_after_a_restart() {
    let app = StreamsBuilder::new("numbers");
    app.stream("in", Plain::<String, i64>::new()).to("out", Plain::new());
    let driver = TestDriver::new(app.build().unwrap());
    let (texts, numbers) =
        (driver.input("in", Plain::<String, String>::new()), driver.input("in", Plain::<String, i64>::new()));
    numbers.pipe("a", 1, at(1)).unwrap();
    let failure = texts.pipe("a", "not a number", at(2)).unwrap_err();
    assert_eq!((failure.source_partition.clone(), failure.offset), (TopicPartition::new("in", 0), 1));
    assert_eq!(numbers.pipe("a", 3, at(3)).unwrap_err(), failure);
    assert_eq!(driver.restart().unwrap_err(), failure);
    assert_eq!(driver.output("out", Plain::<String, i64>::new()).read_pairs(), [("a".into(), 1)]);
    assert_eq!(driver.committed("in", 0), Some(1));
}

#[test]
fn a_task_waits_for_an_empty_topic_by_the_drivers_clock() {
    let app = StreamsBuilder::new("app");
    text(&app, "a").merge("both", text(&app, "b")).to("out", Plain::<String, String>::new());
    let idle = TaskIdle::UpTo(Duration::from_millis(100));
    let driver = TestDriver::new(app.build().unwrap()).max_task_idle(idle);
    let pipe = |topic: &str, value: &str, ms| {
        driver.input(topic, Plain::<String, String>::new()).pipe("k", value, at(ms)).unwrap();
    };
    let values = || {
        let out = driver.output("out", Plain::<String, String>::new()).read_pairs();
        out.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    pipe("a", "a5", 5);
    driver.advance(Duration::from_millis(99)).unwrap();
    assert_eq!(values(), [""; 0]);
    pipe("b", "b3", 3);
    assert_eq!(values(), ["b3"], "a5 waits for what may still come");
    driver.advance(Duration::from_millis(100)).unwrap();
    assert_eq!(values(), ["a5"]);
}
