//! What a task rebuilds after a restart, and what it keeps quiet about while it does.

use std::any::Any;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::failure::{Stage, Verdict};
use nowfold_core::names::TopicPartition;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::{LogRecord, Record};
use nowfold_core::state::{Changelog, KeyValueReader, MemoryMap, StateStore, StoreError, StoreSpec};
use nowfold_core::topology::{PartitionCount, StartPolicy};
use nowfold_testkit::TestDriver;
use proptest::prelude::*;

use crate::support::{at, pipe, raw, read, text};

/// Puts, deletes and counts by command.
struct Commands;

impl Processor<String, String, String, String> for Commands {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let mut store = cx.key_value("kv")?;
        match record.value.as_str() {
            "delete" => store.delete(record.key.as_bytes())?,
            value => store.put(record.key.clone().into(), Bytes::copy_from_slice(value.as_bytes()))?,
        }
        Ok(())
    }
}

fn commands() -> TestDriver {
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::key_value("kv"));
    app.stream("in", text()).process("commands", || Commands, &["kv"]).to("out", text());
    TestDriver::new(app.build().unwrap()).partitions("in", 2)
}

fn content(driver: &TestDriver) -> Vec<(Bytes, Bytes)> {
    let handles = driver.hub().with_store("kv", |_, entry| entry.partitions.clone()).unwrap();
    let readers = handles.values().map(|handle| handle.reader.clone().downcast::<MemoryMap>().unwrap());
    readers.flat_map(|map| map.prefix(b"", usize::MAX).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_store_equals_the_live_one(steps in prop::collection::vec(("[a-e]", "delete|[xyz]"), 0..40)) {
        let driver = commands();
        let input = driver.input("in", text());
        for (key, value) in steps {
            input.pipe(key, value, at(1)).unwrap();
        }
        let live = content(&driver);
        driver.restart().unwrap();
        prop_assert_eq!(content(&driver), live);
    }
}

#[test]
fn changelogs_are_compacted_and_sized_by_the_topics_their_own_store_is_fed_from() {
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::key_value("a")).state_store(StoreSpec::key_value("b-a"));
    let sink = |topic: &str, name: &str, store: &str| {
        app.stream(topic, text()).process::<String, String, _>(name, || Commands, &[store]).to("out", text());
    };
    sink("one", "first", "a");
    sink("two", "second", "b-a");
    let topology = app.build().unwrap();
    for (store, source) in [("a", "one"), ("b-a", "two")] {
        let name = format!("app-{store}-changelog");
        let requirement = topology.requirements().iter().find(|r| r.name.as_str() == name).unwrap();
        let create = requirement.create.as_ref().unwrap();
        assert_eq!(create.partitions, PartitionCount::LargestOf(vec![source.into()]), "{name}");
        assert_eq!(create.config["cleanup.policy"], "compact");
        assert_eq!(requirement.rules[0].code, "NF130");
    }
}

/// A set of texts, each with where it was read; what it refuses is a dead letter.
struct Chain(Arc<Mutex<Vec<String>>>);

impl StateStore for Chain {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        self.0.clone()
    }

    fn restore(&mut self, _: &LogRecord) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Admit;

impl Processor<String, String, String, String> for Admit {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        if record.value == "late" {
            cx.count("late_dropped");
            cx.dead_letter(Stage::Admission, "too late");
            return Ok(());
        }
        cx.store::<Chain>("chain")?.0.lock().unwrap().push(record.value.clone());
        cx.forward(record)
    }
}

fn event_log() -> TestDriver {
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::new("chain", Changelog::EventLog("in".into()), || Box::new(Chain(Arc::default()))));
    app.dead_letters("dead").on_decode_error(|_| Verdict::DeadLetter);
    app.stream("in", text()).process("admit", || Admit, &["chain"]).to("out", text());
    let topology = app.build().unwrap();
    assert_eq!(topology.subtopologies()[0].sources[0].start, StartPolicy::EventLog);
    TestDriver::new(topology)
}

fn chain(driver: &TestDriver) -> Vec<String> {
    let (_, handle) = driver.hub().owner_of("chain", b"k").unwrap();
    let events = handle.reader.downcast::<Mutex<Vec<String>>>().unwrap();
    events.lock().unwrap().clone()
}

#[test]
fn an_event_log_is_read_from_its_start_and_its_other_effects_are_not_repeated() {
    let driver = event_log();
    pipe(&driver, &[("k", "a"), ("k", "late"), ("k", "b")]);
    driver.pipe_raw(raw("in", Some("k"), Some(b"\xff"), 9)).unwrap();
    let counts = driver.counts();
    assert_eq!((counts["late_dropped"], counts["dead_letter"]), (1, 2));
    driver.restart().unwrap();
    assert_eq!(chain(&driver), ["a", "b"]);
    assert_eq!((read(&driver, "out").len(), driver.dead_letters().len(), driver.counts()), (2, 2, counts));
}

#[test]
fn an_event_log_repeats_the_effects_that_were_not_committed() {
    let driver = event_log();
    pipe(&driver, &[("k", "a")]);
    driver.commit();
    pipe(&driver, &[("k", "late"), ("k", "b")]);
    driver.crash_before_commit().unwrap();
    assert_eq!(chain(&driver), ["a", "b"]);
    let outputs: Vec<_> = read(&driver, "out").into_iter().map(|(_, value)| value).collect();
    assert_eq!(outputs, ["a", "b", "b"], "at least once, for what was not committed only");
    assert_eq!(driver.dead_letters().len(), 2);
}

#[test]
fn effects_begin_where_the_shell_says_though_the_store_is_still_being_rebuilt() {
    let driver = event_log();
    let topology = driver.topology();
    let mut task = nowfold_core::task::Task::new(&topology, &topology.subtopologies()[0], 0, |_| 1);
    let source = TopicPartition::new("in", 0);
    pipe(&driver, &[("k", "a"), ("k", "b"), ("k", "late")]);
    task.begin(&source, 0, Some(3));
    task.effects_from(&source, 1);
    task.add(&source, driver.records("in").into_iter().map(|stored| stored.record));
    task.process(at(0), 2).unwrap();
    assert!(!task.is_restored());
    task.process(at(0), 2).unwrap();
    assert!(task.is_restored());
    let effects = task.take_effects();
    assert_eq!((effects.outputs.len(), effects.dead_letters.len(), effects.counts()["late_dropped"]), (1, 1, 1));
}

/// A shell may commit at any time; a crash after that must not make old records look new.
#[test]
fn a_rebuild_never_takes_committed_offsets_back() {
    let driver = event_log();
    let topology = driver.topology();
    let mut task = nowfold_core::task::Task::new(&topology, &topology.subtopologies()[0], 0, |_| 1);
    let source = TopicPartition::new("in", 0);
    pipe(&driver, &[("k", "a"), ("k", "b"), ("k", "c")]);
    task.begin(&source, 0, Some(3));
    task.effects_from(&source, 2);
    task.add(&source, driver.records("in").into_iter().map(|stored| stored.record));
    for expected in [vec![], vec![(source.clone(), 2)], vec![(source.clone(), 3)]] {
        task.process(at(0), 1).unwrap();
        assert_eq!(task.offsets(), expected);
    }
}
