//! How long a task waits for sources that are empty, and which record it takes when sources tell timestamps themselves.

use std::time::Duration;

use nowfold_core::dsl::{StreamsBuilder, TimestampContext};
use nowfold_core::names::TopicPartition;
use nowfold_core::processor::ProcessError;
use nowfold_core::record::{Headers, LogRecord, TimestampType};
use nowfold_core::task::{Processed, Task, TaskIdle};
use nowfold_core::time::Timestamp;
use nowfold_core::topology::Topology;

use crate::support::{at, text};

/// Tells the time that stands behind the last `@` of the value.
#[expect(clippy::ptr_arg, reason = "the signature of extractors")]
fn told(_: &String, value: &String, _: &TimestampContext<'_>) -> Result<Timestamp, ProcessError> {
    let (_, ms) = value.rsplit_once('@').ok_or_else(|| ProcessError::new("its time is missing"))?;
    Ok(Timestamp::from_millis(ms.parse()?))
}

fn merged(tells: bool) -> Topology {
    let app = StreamsBuilder::new("app");
    let read = |topic: &str| if tells { app.stream_at(topic, text(), told) } else { app.stream(topic, text()) };
    read("a").merge("both", read("b")).to("out", text());
    app.build().unwrap()
}

fn task(topology: &Topology, idle: TaskIdle) -> Task {
    let mut task = Task::new(topology, &topology.subtopologies()[0], 0, |_| 1).idling(idle);
    ["a", "b"].into_iter().for_each(|topic| task.begin(&TopicPartition::new(topic, 0), 0, None));
    task
}

/// Hands over records of these times and values from offset `from` on, and tells that the partition ends at `end`.
fn add(task: &mut Task, topic: &str, from: i64, records: &[(i64, &str)], end: i64) {
    let source = TopicPartition::new(topic, 0);
    let record = |(offset, &(ms, value)): (i64, &(i64, &str))| LogRecord {
        offset,
        key: Some("k".into()),
        value: Some(value.to_owned().into()),
        timestamp: at(ms),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    };
    task.add(&source, (from..).zip(records).map(record));
    task.observe(&source, from + i64::try_from(records.len()).unwrap(), Some(end));
}

fn values(task: &mut Task) -> Vec<String> {
    let outputs = task.take_effects().outputs.into_iter();
    outputs.map(|output| String::from_utf8(output.value.unwrap().to_vec()).unwrap()).collect()
}

const WAIT: TaskIdle = TaskIdle::UpTo(Duration::from_millis(100));

#[test]
fn a_source_known_to_be_empty_is_waited_for_as_long_as_the_setting_says() {
    let topology = merged(false);
    let mut task = task(&topology, WAIT);
    add(&mut task, "a", 0, &[(5, "a5")], 1);
    add(&mut task, "b", 0, &[], 0);
    assert_eq!(task.process(at(1_000), 10), Ok(Processed::Records(0)));
    assert_eq!(task.idles_until(), Some(at(1_100)));
    assert_eq!(task.process(at(1_099), 10), Ok(Processed::Records(0)));
    assert_eq!(task.process(at(1_100), 10), Ok(Processed::Records(1)));
    assert_eq!(task.idles_until(), None);
}

#[test]
fn what_comes_while_a_task_waits_is_taken_in_the_order_of_time() {
    let topology = merged(false);
    let mut task = task(&topology, WAIT);
    add(&mut task, "a", 0, &[(5, "a5")], 1);
    add(&mut task, "b", 0, &[], 0);
    task.process(at(1_000), 10).unwrap();
    add(&mut task, "b", 0, &[(3, "b3")], 1);
    assert_eq!(task.process(at(1_050), 10), Ok(Processed::Records(1)), "the other source is empty now, and waited for");
    assert_eq!(values(&mut task), ["b3"]);
    assert_eq!(task.process(at(1_149), 10), Ok(Processed::Records(0)));
    assert_eq!(task.process(at(1_150), 10), Ok(Processed::Records(1)));
    assert_eq!(values(&mut task), ["a5"]);
}

#[test]
fn a_wait_begins_anew_after_the_source_had_more() {
    let topology = merged(false);
    let mut task = task(&topology, WAIT);
    add(&mut task, "a", 0, &[(5, "a5")], 1);
    add(&mut task, "b", 0, &[], 0);
    task.process(at(1_000), 10).unwrap();
    task.observe(&TopicPartition::new("b", 0), 0, Some(1));
    assert_eq!(task.process(at(2_000), 10), Ok(Processed::Records(0)), "the log holds one more");
    assert_eq!(task.idles_until(), None, "and it is waited for without a limit");
    task.observe(&TopicPartition::new("b", 0), 1, Some(1));
    assert_eq!(task.process(at(2_100), 10), Ok(Processed::Records(0)));
    assert_eq!(task.process(at(2_200), 10), Ok(Processed::Records(1)));
}

#[test]
fn a_task_that_never_waits_takes_what_it_has_whatever_the_log_holds() {
    let topology = merged(false);
    let mut task = task(&topology, TaskIdle::Never);
    add(&mut task, "a", 0, &[(5, "a5")], 1);
    add(&mut task, "b", 0, &[], 9);
    assert_eq!(task.process(at(0), 10), Ok(Processed::Records(1)));
}

#[test]
fn a_task_of_one_source_does_not_wait() {
    let app = StreamsBuilder::new("app");
    app.stream("a", text()).to("out", text());
    let topology = app.build().unwrap();
    let mut task = Task::new(&topology, &topology.subtopologies()[0], 0, |_| 1).idling(WAIT);
    task.begin(&TopicPartition::new("a", 0), 0, None);
    add(&mut task, "a", 0, &[(5, "a5")], 7);
    assert_eq!(task.process(at(0), 10), Ok(Processed::Records(1)));
}

#[test]
fn the_told_timestamps_decide_which_record_is_next() {
    let topology = merged(true);
    let mut task = task(&topology, TaskIdle::default());
    add(&mut task, "a", 0, &[(1, "a@40"), (2, "a@10"), (3, "a@60")], 3);
    add(&mut task, "b", 0, &[(9, "b@20"), (8, "b@50")], 2);
    task.process(at(0), 10).unwrap();
    assert_eq!(values(&mut task), ["b@20", "a@40", "a@10", "b@50", "a@60"]);
    assert_eq!(task.stream_time(), at(60));
}

#[test]
fn a_told_and_an_own_timestamp_compare() {
    let app = StreamsBuilder::new("app");
    app.stream_at("a", text(), told).merge("both", app.stream("b", text())).to("out", text());
    let topology = app.build().unwrap();
    let mut task = task(&topology, TaskIdle::default());
    add(&mut task, "a", 0, &[(1, "a@40"), (2, "a@70")], 2);
    add(&mut task, "b", 0, &[(30, "b30"), (50, "b50")], 2);
    task.process(at(0), 10).unwrap();
    assert_eq!(values(&mut task), ["b30", "a@40", "b50", "a@70"]);
}

#[test]
fn an_extractor_is_asked_once_for_each_record_and_knows_the_time_of_those_before() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let app = StreamsBuilder::new("app");
    let log = seen.clone();
    let tell = move |key: &String, value: &String, cx: &TimestampContext<'_>| {
        log.lock().unwrap().push((value.clone(), cx.partition_time.map(Timestamp::as_millis)));
        told(key, value, cx)
    };
    app.stream_at("a", text(), tell).merge("both", app.stream("b", text())).to("out", text());
    let topology = app.build().unwrap();
    let mut task = task(&topology, TaskIdle::default());
    add(&mut task, "a", 0, &[(0, "x@40"), (0, "y@10"), (0, "z@60")], 3);
    add(&mut task, "b", 0, &[(50, "b50")], 1);
    task.process(at(0), 10).unwrap();
    let expected = [("x@40", None), ("y@10", Some(40)), ("z@60", Some(40))];
    assert_eq!(*seen.lock().unwrap(), expected.map(|(value, time)| (value.to_owned(), time)));
}

#[test]
fn a_record_whose_time_cannot_be_told_fails_as_soon_as_it_is_the_first() {
    let topology = merged(true);
    let mut task = task(&topology, TaskIdle::default());
    add(&mut task, "a", 0, &[(100, "timeless")], 1);
    add(&mut task, "b", 0, &[(9, "b@20")], 1);
    let failure = task.process(at(0), 10).unwrap_err();
    assert!(failure.cause.contains("its time is missing"), "{failure}");
    assert_eq!(values(&mut task), [""; 0]);
}

#[test]
fn a_negative_time_drops_the_record_at_once() {
    let topology = merged(true);
    let mut task = task(&topology, TaskIdle::default());
    add(&mut task, "a", 0, &[(0, "a@-5"), (0, "a@30")], 2);
    add(&mut task, "b", 0, &[(0, "b@20")], 1);
    task.process(at(0), 10).unwrap();
    let mut effects = task.take_effects();
    assert_eq!(effects.take_counts().values().sum::<u64>(), 1);
    assert_eq!(effects.outputs.len(), 2);
}
