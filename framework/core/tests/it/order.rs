//! Which record a task takes next, and when it waits.

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::names::TopicPartition;
use nowfold_core::record::{Headers, LogRecord, TimestampType};
use nowfold_core::task::{Processed, Task};
use nowfold_core::topology::Topology;

use crate::support::{at, text};

fn merged() -> Topology {
    let app = StreamsBuilder::new("app");
    app.stream("a", text()).merge("both", app.stream("b", text())).to("out", text());
    app.build().unwrap()
}

fn task(topology: &Topology) -> Task {
    let mut task = Task::new(topology, &topology.subtopologies()[0], 0, |_| 1);
    for topic in ["a", "b"] {
        task.begin(&TopicPartition::new(topic, 0), 0, None);
    }
    task
}

fn record(offset: i64, ms: i64, value: &str) -> LogRecord {
    LogRecord {
        offset,
        key: Some("k".into()),
        value: Some(value.to_owned().into()),
        timestamp: at(ms),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    }
}

/// Hands over records at the given times from offset `from` on, and tells that the partition ends at `end`.
fn add(task: &mut Task, topic: &str, from: i64, times: &[i64], end: i64) {
    let source = TopicPartition::new(topic, 0);
    task.add(&source, (from..).zip(times).map(|(offset, &ms)| record(offset, ms, &format!("{topic}{ms}"))));
    task.observe(&source, from + i64::try_from(times.len()).unwrap(), Some(end));
}

fn values(task: &mut Task) -> Vec<String> {
    let outputs = task.take_effects().outputs.into_iter();
    outputs.map(|output| String::from_utf8(output.value.unwrap().to_vec()).unwrap()).collect()
}

#[test]
fn takes_the_record_with_the_smallest_timestamp_among_the_heads() {
    let topology = merged();
    let mut task = task(&topology);
    add(&mut task, "a", 0, &[1, 9, 2], 3);
    add(&mut task, "b", 0, &[3, 4, 10], 3);
    assert_eq!(task.process(at(0), 100), Ok(Processed::Records(6)));
    assert_eq!(values(&mut task), ["a1", "b3", "b4", "a9", "a2", "b10"]);
    assert_eq!(task.stream_time(), at(10));
}

#[test]
fn sources_take_turns_at_equal_timestamps_the_one_that_filled_first_first() {
    let topology = merged();
    let mut task = task(&topology);
    add(&mut task, "b", 0, &[5, 5, 5], 3);
    add(&mut task, "a", 0, &[5, 5], 2);
    task.process(at(0), 100).unwrap();
    assert_eq!(values(&mut task), ["b5", "a5", "b5", "a5", "b5"]);
}

#[test]
fn waits_while_an_empty_source_is_known_to_hold_more() {
    let topology = merged();
    let mut task = task(&topology);
    add(&mut task, "a", 0, &[5], 1);
    add(&mut task, "b", 0, &[], 1);
    assert_eq!(task.process(at(0), 100), Ok(Processed::Records(0)));
    add(&mut task, "b", 0, &[3], 1);
    task.process(at(0), 100).unwrap();
    assert_eq!(values(&mut task), ["b3", "a5"]);
}

#[test]
fn waits_while_nothing_is_known_about_the_end_of_an_empty_source() {
    let topology = merged();
    let mut task = task(&topology);
    add(&mut task, "a", 0, &[5], 1);
    assert_eq!(task.process(at(0), 100), Ok(Processed::Records(0)));
    task.observe(&TopicPartition::new("b", 0), 0, Some(0));
    assert_eq!(task.process(at(0), 100), Ok(Processed::Records(1)));
}

#[test]
fn goes_on_behind_control_records_and_gaps_at_the_end_of_a_source() {
    let topology = merged();
    let mut task = task(&topology);
    add(&mut task, "a", 0, &[5], 1);
    task.observe(&TopicPartition::new("b", 0), 7, Some(7));
    assert_eq!(task.process(at(0), 100), Ok(Processed::Records(1)));
    assert!(task.offsets().contains(&(TopicPartition::new("b", 0), 7)), "{:?}", task.offsets());
}

#[test]
fn stops_after_the_number_of_records_asked_for() {
    let topology = merged();
    let mut task = task(&topology);
    add(&mut task, "a", 0, &[1, 2, 3], 3);
    add(&mut task, "b", 0, &[], 0);
    assert_eq!(task.process(at(0), 2), Ok(Processed::Records(2)));
    assert_eq!(task.sources()[0].buffered, 1);
}

#[test]
fn offsets_to_commit_are_those_that_moved() {
    let topology = merged();
    let mut task = task(&topology);
    add(&mut task, "a", 0, &[1, 2], 2);
    add(&mut task, "b", 0, &[], 0);
    assert_eq!(task.offsets(), []);
    task.process(at(0), 100).unwrap();
    assert_eq!(task.offsets(), [(TopicPartition::new("a", 0), 2)]);
    task.committed();
    assert_eq!(task.offsets(), []);
}

#[test]
fn a_topic_with_fewer_partitions_has_no_part_in_the_last_tasks() {
    let topology = merged();
    let partitions = |topic: &nowfold_core::names::TopicName| if topic.as_str() == "a" { 2 } else { 1 };
    let last = Task::new(&topology, &topology.subtopologies()[0], 1, partitions);
    let sources: Vec<_> = last.sources().into_iter().map(|source| source.partition).collect();
    assert_eq!(sources, [TopicPartition::new("a", 1)]);
    assert_eq!(last.id().to_string(), "0_1");
}
