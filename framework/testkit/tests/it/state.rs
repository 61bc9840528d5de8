//! Stateful operators across restarts, partitions and records that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nowfold_core::dsl::{Buffer, Emit, StreamJoined, StreamsBuilder};
use nowfold_core::failure::Verdict;
use nowfold_core::names::TopicName;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::serde::{Plain, TimeWindowed};
use nowfold_core::state::{KeyValueReader, MemoryMap, unstamp};
use nowfold_core::time::millisecs;
use nowfold_core::topology::{PartitionCount, Topology};
use nowfold_core::window::{JoinWindows, TimeWindows};
use nowfold_testkit::TestDriver;

use crate::support::{at, text};

fn counts() -> Topology {
    let app = StreamsBuilder::new("words");
    let words = text(&app, "lines").group_by("by-word", |_, word| word.clone(), Plain::<String, String>::new());
    words.count("counts").to_stream("changes").to("out", Plain::<String, Option<i64>>::new());
    app.build().unwrap()
}

#[test]
fn counts_go_on_after_a_restart_and_meet_across_partitions() {
    let driver = TestDriver::new(counts()).partitions("lines", 4);
    let lines = driver.input("lines", Plain::<String, String>::new());
    for key in ["a", "b", "c", "d", "e"] {
        lines.pipe(key, "word", at(1)).unwrap();
    }
    driver.restart().unwrap();
    lines.pipe("f", "word", at(2)).unwrap();
    let out = driver.output("out", Plain::<String, Option<i64>>::new()).read_pairs();
    let counted: Vec<_> = out.into_iter().map(|(_, n)| n.unwrap()).collect();
    assert_eq!(counted, [1, 2, 3, 4, 5, 6], "equal words meet in one partition, and their count outlives a restart");
}

#[test]
fn internal_topics_have_kafka_streams_names_and_settings() {
    let topology = counts();
    let topic = |name: &str| {
        let known = topology.requirements().iter().find(|topic| topic.name == TopicName::from(name));
        known.unwrap_or_else(|| panic!("no topic {name}")).create.clone().unwrap()
    };
    let repartition = topic("words-by-word-repartition");
    assert_eq!(repartition.partitions, PartitionCount::LargestOf(vec!["lines".into()]));
    assert_eq!(repartition.config["cleanup.policy"], "delete");
    assert_eq!(repartition.config["retention.ms"], "-1");
    assert_eq!(topic("words-counts-changelog").config["cleanup.policy"], "compact");
}

fn windows() -> TimeWindows {
    TimeWindows::tumbling(millisecs(10))
}

fn closing() -> Topology {
    let app = StreamsBuilder::new("closing");
    let windowed = text(&app, "in").group_by_key("by-key", Plain::new()).windowed(windows());
    let counts = windowed.emit(Emit::OnClose { every: millisecs(0) }).count("counts");
    counts.to_stream("changes").to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows()));
    app.build().unwrap()
}

#[test]
fn a_closed_window_is_sent_once_even_across_a_restart() {
    let driver = TestDriver::new(closing());
    let input = driver.input("in", Plain::<String, String>::new());
    input.pipe("a", "1", at(5)).unwrap();
    input.pipe("a", "2", at(12)).unwrap();
    driver.restart().unwrap();
    input.pipe("a", "3", at(13)).unwrap();
    input.pipe("a", "4", at(25)).unwrap();
    let out = driver.output("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows()));
    let sent: Vec<_> = out.read_all().into_iter().map(|r| (r.key.window.start.as_millis(), r.value)).collect();
    assert_eq!(sent, [(0, Some(1)), (10, Some(2))]);
}

#[test]
fn windowed_changelogs_delete_a_day_after_the_retention() {
    let topology = closing();
    let mut topics = topology.requirements().iter();
    let config = &topics.find(|topic| topic.name.as_str() == "closing-counts-changelog").unwrap().create;
    let config = &config.as_ref().unwrap().config;
    assert_eq!(config["cleanup.policy"], "compact,delete");
    assert_eq!(config["retention.ms"], (10 + 86_400_000).to_string());
}

#[test]
fn late_records_go_to_the_side_output_with_their_reason() {
    let app = StreamsBuilder::new("late");
    let windowed = text(&app, "in").group_by_key("by-key", Plain::new()).windowed(windows());
    let (windowed, late) = windowed.late("late-records");
    windowed.count("counts");
    late.map_values("why", |_, late| format!("{}: {late}", late.value)).to("late", Plain::new());
    let driver = TestDriver::new(app.build().unwrap());
    let input = driver.input("in", Plain::<String, String>::new());
    input.pipe("a", "on time", at(25)).unwrap();
    input.pipe("b", "too late", at(5)).unwrap();
    let late = driver.output("late", Plain::<String, String>::new()).read_pairs();
    let reason = "too late: the record is too late for [0, 10]: stream time is 25 ms, and grace 0 ms";
    assert_eq!(late, [("b".to_owned(), reason.to_owned())]);
    assert_eq!(driver.count("late_record"), 1);
}

#[test]
fn suppressed_rows_and_waiting_join_records_outlive_a_restart() {
    let app = StreamsBuilder::new("buffers");
    let serdes = Plain::<String, String>::new;
    let table = app.table("table", "rows", serdes());
    table
        .suppress_until("calm", millisecs(10), Buffer::unbounded(), serdes())
        .to_stream("calmed")
        .to("calm", Plain::new());
    let joined = StreamJoined::within(JoinWindows::of(millisecs(5)), serdes(), serdes()).emit_every(millisecs(0));
    let both = text(&app, "left").left_join_stream("join", text(&app, "right"), joined, |_, l, r| {
        format!("{l}+{}", r.map_or("none", String::as_str))
    });
    both.to("joined", Plain::new());
    let driver = TestDriver::new(app.build().unwrap());
    driver.input("table", serdes()).pipe("a", "1", at(0)).unwrap();
    driver.input("left", serdes()).pipe("k", "l", at(0)).unwrap();
    driver.restart().unwrap();
    driver.input("table", serdes()).pipe("b", "2", at(10)).unwrap();
    driver.input("left", serdes()).pipe("m", "x", at(20)).unwrap();
    let calm = driver.output("calm", Plain::<String, Option<String>>::new()).read_pairs();
    assert_eq!(calm, [("a".to_owned(), Some("1".to_owned()))]);
    assert_eq!(driver.output("joined", serdes()).read_pairs(), [("k".to_owned(), "l+none".to_owned())]);
}

/// Waits while it is told to.
struct Gate(Arc<AtomicBool>);

impl<K: 'static, V: 'static> Processor<K, V, K, V> for Gate {
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, K, V>, record: Record<K, V>) -> Result<(), ProcessError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(ProcessError::wait("the gate is shut"));
        }
        cx.forward(record)
    }
}

#[test]
fn a_record_that_waits_below_a_windowed_count_is_counted_once() {
    let shut = Arc::new(AtomicBool::new(true));
    let app = StreamsBuilder::new("gate");
    let gate = shut.clone();
    let windowed = text(&app, "in").group_by_key("by-key", Plain::new()).windowed(windows());
    let changes = windowed.count("counts").to_stream("changes");
    let passed = changes.process("gate", move || Gate(gate.clone()), &[]);
    passed.to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows()));
    let driver = TestDriver::new(app.build().unwrap());
    driver.input("in", Plain::<String, String>::new()).pipe("a", "x", at(1)).unwrap();
    assert_eq!(driver.blocked().len(), 1);
    driver.process().unwrap();
    shut.store(false, Ordering::SeqCst);
    driver.process().unwrap();
    let out = driver.output("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows()));
    assert_eq!(out.read_all().into_iter().map(|record| record.value).collect::<Vec<_>>(), [Some(1)]);
}

#[test]
fn a_handler_may_have_a_record_tried_again_until_it_passes() {
    let broken = Arc::new(AtomicBool::new(true));
    let app = StreamsBuilder::new("retry");
    app.on_process_error(|_| Verdict::Retry);
    let state = broken.clone();
    let (mapped, failed) = text(&app, "in").try_map_values("length", |_, v| i64::try_from(v.len()));
    failed.for_each("none", |_, _| ());
    let checked = mapped.process_values("check", move || Flaky(state.clone()), &[]);
    checked.group_by_key("by-key", Plain::<String, i64>::new()).count("counts");
    let driver = TestDriver::new(app.build().unwrap());
    driver.input("in", Plain::<String, String>::new()).pipe("a", "x", at(1)).unwrap();
    assert_eq!(driver.blocked().len(), 1, "the record waits");
    broken.store(false, Ordering::SeqCst);
    driver.process().unwrap();
    assert_eq!(driver.blocked().len(), 0);
    let counts = driver.reader::<MemoryMap>("counts", 0).unwrap();
    let (_, count) = unstamp(&counts.get(b"a").unwrap().unwrap()).unwrap();
    assert_eq!(count[..], 1_i64.to_be_bytes());
}

/// Fails while it is told to.
struct Flaky(Arc<AtomicBool>);

impl<K: 'static, V: 'static> Processor<K, V, K, V> for Flaky {
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, K, V>, record: Record<K, V>) -> Result<(), ProcessError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(ProcessError::new("the service is away"));
        }
        cx.forward(record)
    }
}
