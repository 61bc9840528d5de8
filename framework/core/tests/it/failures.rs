//! A record's failure is data: at every stage the handler's verdict decides, and a dead letter tells all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use nowfold_core::dsl::{StreamsBuilder, Through};
use nowfold_core::failure::{Stage, Verdict};
use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::{OutputRecord, Record};
use nowfold_core::serde::{Format, Nullable, Pair, Plain, SerdeError, Serializer, Utf8};
use nowfold_core::state::{Changelog, StateStore, StoreError, StoreSpec};
use nowfold_testkit::TestDriver;

use crate::support::{at, number, pairs, raw, read, text};

/// Refuses values that say so.
struct Picky;

impl Processor<String, String, String, String> for Picky {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        if record.value == "refuse" {
            return Err(ProcessError::new("it asked for it"));
        }
        cx.forward(record)
    }
}

/// Writes text, but not every text.
#[derive(Clone)]
struct Fussy;

impl Format for Fussy {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "fussy".into()
    }
}

impl Serializer<String> for Fussy {
    fn serialize(&self, topic: &TopicName, value: &String) -> Result<Option<Bytes>, SerdeError> {
        if value == "unwritable" {
            return Err(SerdeError::unwritable("fussy text", "of its letters"));
        }
        Utf8.serialize(topic, value)
    }
}

fn topology(verdict: Option<Verdict>) -> TestDriver {
    let app = StreamsBuilder::new("app");
    if let Some(verdict) = verdict {
        app.on_decode_error(move |_| verdict).on_process_error(move |_| verdict).on_produce_error(move |_| verdict);
    }
    let names = app.table("names", "names", text());
    app.stream("in", text()).process("picky", || Picky, &[]).to("out", Pair::new(Utf8, Fussy));
    app.stream("visits", text()).join_table("named", &names, |_, _, name| name).to("named-visits", text());
    TestDriver::new(app.build().unwrap())
}

/// Each way to fail: the record, the stage, the node, and a part of the cause.
fn failing() -> Vec<(OutputRecord, Stage, &'static str, &'static str)> {
    let text = |topic, value: &'static [u8]| raw(topic, Some("k"), Some(value), 5);
    vec![
        (text("in", b"\xff"), Stage::Decode, "in", "UTF-8"),
        (raw("in", None, Some(b"v"), 5), Stage::Decode, "in", "Key is null"),
        (raw("in", Some("k"), None, 5), Stage::Decode, "in", "Value is null"),
        (raw("in", Some("k"), Some(b"v"), -1), Stage::Decode, "in", "negative"),
        (raw("names", Some("k"), Some(b"v"), -1), Stage::Decode, "names", "negative"),
        (text("names", b"\xfe"), Stage::Decode, "names", "UTF-8"),
        (text("in", b"refuse"), Stage::Process, "picky", "it asked for it"),
        (text("in", b"unwritable"), Stage::Produce, "to-out", "of its letters"),
    ]
}

#[test]
fn a_failure_stops_the_task_unless_a_handler_passes_over_it() {
    for verdict in [None, Some(Verdict::Fail)] {
        for (record, stage, node, cause) in failing() {
            let driver = topology(verdict);
            let topic = record.topic.clone();
            let failure = driver.pipe_raw(record).unwrap_err();
            assert_eq!((failure.stage, failure.node.as_str(), failure.offset), (stage, node, 0));
            assert_eq!(failure.source_partition, TopicPartition::new(topic, 0));
            assert!(failure.cause.contains(cause), "{failure}");
            driver.commit();
            assert_eq!(driver.committed(failure.source_partition.topic.clone(), 0), None, "it is not passed over");
        }
    }
}

#[test]
fn a_skipped_failure_is_counted_and_the_next_record_goes_on() {
    for (record, ..) in failing() {
        let driver = topology(Some(Verdict::Skip));
        driver.pipe_raw(record).unwrap();
        driver.pipe_raw(raw("in", Some("k"), Some(b"fine"), 6)).unwrap();
        assert_eq!((driver.count("skipped"), driver.dead_letters().len()), (1, 0));
        assert_eq!(read(&driver, "out"), pairs(&[("k", "fine")]));
    }
}

#[test]
fn a_dead_letter_carries_the_original_record_and_where_and_why_it_failed() {
    for (mut record, stage, node, cause) in failing() {
        let driver = topology(Some(Verdict::DeadLetter));
        driver.pipe_raw(raw(record.topic.as_str(), Some("k"), Some(b"first"), 1)).unwrap();
        record.headers.push("own", Some("header".into()));
        driver.pipe_raw(record.clone()).unwrap();
        driver.pipe_raw(raw("in", Some("k"), Some(b"fine"), 6)).unwrap();
        let [letter] = <[_; 1]>::try_from(driver.dead_letters()).unwrap();
        assert_eq!((letter.source, letter.offset), (TopicPartition::new(record.topic.clone(), 0), 1));
        assert_eq!((letter.stage.as_str(), letter.node.as_str()), (stage.as_str(), node));
        assert!(letter.cause.contains(cause), "{}", letter.cause);
        assert_eq!((letter.record.key, letter.record.value), (record.key, record.value));
        assert_eq!(letter.record.timestamp, record.timestamp.max(at(0)), "a negative time cannot be stored");
        assert_eq!(letter.record.headers.last("own").unwrap().value, Some("header".into()));
        assert_eq!(driver.count("dead_letter"), 1);
        assert_eq!(read(&driver, "out").last().unwrap().1, "fine");
    }
}

#[test]
fn a_tombstone_of_a_table_is_no_failure() {
    let driver = topology(None);
    driver.pipe_raw(raw("names", Some("k"), None, 1)).unwrap();
}

#[test]
fn each_stage_has_a_handler_of_its_own_and_sees_the_record() {
    let app = StreamsBuilder::new("app");
    app.on_decode_error(
        |failure| {
            if failure.record.offset == 0 && failure.node == "in" { Verdict::Skip } else { Verdict::Fail }
        },
    );
    app.stream("in", number()).to("out", number());
    let driver = TestDriver::new(app.build().unwrap());
    driver.pipe_raw(raw("in", Some("k"), Some(b"short"), 1)).unwrap();
    assert_eq!(driver.pipe_raw(raw("in", Some("k"), Some(b"short"), 1)).unwrap_err().offset, 1);
}

#[test]
fn siblings_of_a_failed_record_get_theirs() {
    let app = StreamsBuilder::new("app");
    app.on_process_error(|_| Verdict::DeadLetter);
    let input = app.stream("in", text());
    input.clone().to("before", text());
    input.clone().process("picky", || Picky, &[]).to("out", text());
    input.to("after", text());
    let driver = TestDriver::new(app.build().unwrap());
    driver.pipe_raw(raw("in", Some("k"), Some(b"refuse"), 1)).unwrap();
    assert_eq!([read(&driver, "before").len(), read(&driver, "out").len(), read(&driver, "after").len()], [1, 0, 1]);
}

/// Dead letters are the default on the way to actions, and nowhere else.
#[test]
fn only_the_paths_through_a_lenient_operator_dead_letter_by_default() {
    let driver = || {
        let app = StreamsBuilder::new("app");
        let names = app.table("names", "names", text());
        let input = app.stream("in", text());
        input
            .clone()
            .left_join_table("named", &names, |_, v, _| v)
            .process("above", || Picky, &[])
            .map_values("mark", |_, v| v)
            .dead_letters_by_default()
            .to("lenient", Pair::new(Utf8, Fussy));
        input.map_values("other", |_, v| v).to("strict", Pair::new(Utf8, Fussy));
        TestDriver::new(app.build().unwrap())
    };
    let lenient = [
        raw("in", Some("k"), Some(b"refuse"), 1),
        raw("in", Some("k"), Some(b"\xff"), 1),
        raw("names", Some("k"), Some(b"\xff"), 1),
    ];
    for record in lenient {
        let driver = driver();
        driver.pipe_raw(record).unwrap();
        assert_eq!(driver.dead_letters().len(), 1);
    }
    let driver = driver();
    let failure = driver.pipe_raw(raw("in", Some("k"), Some(b"unwritable"), 1)).unwrap_err();
    assert_eq!(failure.node, "to-strict");
}

/// Forwards and does not care what became of it.
struct Careless;

impl Processor<String, String, String, String> for Careless {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let _ = cx.forward(record.clone());
        let _ = cx.forward(record.with_value("again".to_owned()));
        Ok(())
    }
}

#[test]
fn a_processor_cannot_swallow_a_failure_that_stops_the_task() {
    let app = StreamsBuilder::new("app");
    app.stream("in", text()).process("careless", || Careless, &[]).process("picky", || Picky, &[]).to("out", text());
    let driver = TestDriver::new(app.build().unwrap());
    let failure = driver.pipe_raw(raw("in", Some("k"), Some(b"refuse"), 1)).unwrap_err();
    assert_eq!((failure.node.as_str(), failure.cause.as_str()), ("picky", "it asked for it"));
    assert_eq!(read(&driver, "out"), pairs(&[]));
}

/// Sets a timestamp that no log takes.
struct BackInTime;

impl Processor<String, String, String, String> for BackInTime {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        cx.forward(Record { timestamp: at(-5), ..record })
    }
}

#[test]
fn a_processor_that_sets_a_negative_timestamp_fails() {
    let app = StreamsBuilder::new("app");
    app.stream("in", text()).process("back", || BackInTime, &[]).to("out", text());
    let failure = TestDriver::new(app.build().unwrap()).pipe_raw(raw("in", Some("k"), Some(b"v"), 1)).unwrap_err();
    assert_eq!((failure.stage, failure.node.as_str()), (Stage::Process, "back"));
    assert!(failure.cause.contains("-5"), "{failure}");
}

/// A serde whose registry answers only at times.
#[derive(Clone)]
struct Moody(Arc<AtomicBool>);

impl Format for Moody {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "moody".into()
    }
}

impl Moody {
    fn up(&self) -> Result<(), SerdeError> {
        let down = || SerdeError::RegistryUnavailable { cause: "it sleeps".into() };
        self.0.load(Ordering::Relaxed).then_some(()).ok_or_else(down)
    }
}

impl nowfold_core::serde::Deserializer<String> for Moody {
    fn deserialize(&self, topic: &TopicName, bytes: &Bytes) -> Result<String, SerdeError> {
        self.up()?;
        nowfold_core::serde::Deserializer::deserialize(&Utf8, topic, bytes)
    }
}

impl Serializer<String> for Moody {
    fn serialize(&self, topic: &TopicName, value: &String) -> Result<Option<Bytes>, SerdeError> {
        self.up()?;
        Utf8.serialize(topic, value)
    }
}

#[test]
fn a_record_that_cannot_be_decoded_now_waits_and_nothing_is_lost() {
    let up = Arc::new(AtomicBool::new(false));
    let app = StreamsBuilder::new("app");
    app.on_decode_error(|_| Verdict::DeadLetter);
    app.stream("in", Pair::new(Utf8, Moody(up.clone()))).to("out", text());
    let driver = TestDriver::new(app.build().unwrap());
    driver.pipe_raw(raw("in", Some("k"), Some(b"a"), 1)).unwrap();
    driver.pipe_raw(raw("in", Some("k"), Some(b"b"), 2)).unwrap();
    assert!(driver.blocked()["0_0"].contains("it sleeps"));
    driver.commit();
    assert_eq!((driver.committed("in", 0), driver.dead_letters().len()), (None, 0));
    up.store(true, Ordering::Relaxed);
    driver.process().unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[("k", "a"), ("k", "b")]));
    assert!(driver.blocked().is_empty());
}

#[test]
fn a_result_that_cannot_be_encoded_now_waits_and_leaves_no_half_of_the_record_behind() {
    let up = Arc::new(AtomicBool::new(false));
    let app = StreamsBuilder::new("app");
    let input = app.stream("in", text());
    input.clone().filter("none", |_, _| false).to("nothing", text());
    input.clone().to("first", text());
    input.to("second", Pair::new(Utf8, Moody(up.clone())));
    let driver = TestDriver::new(app.build().unwrap());
    driver.pipe_raw(raw("in", Some("k"), Some(b"a"), 1)).unwrap();
    driver.process().unwrap();
    assert_eq!((read(&driver, "first"), driver.count("filtered")), (pairs(&[]), 0));
    up.store(true, Ordering::Relaxed);
    driver.process().unwrap();
    assert_eq!((read(&driver, "first"), read(&driver, "second")), (pairs(&[("k", "a")]), pairs(&[("k", "a")])));
    assert_eq!(driver.count("filtered"), 1);
}

#[test]
fn a_lookup_key_that_cannot_be_encoded_now_waits_too() {
    let up = Arc::new(AtomicBool::new(true));
    let app = StreamsBuilder::new("app");
    let moody = || Pair::new(Moody(up.clone()), Utf8);
    let (names, all) = (app.table("names", "names", moody()), app.global_table("all", moody()));
    let input = app.stream("in", text());
    input.clone().left_join_table("a", &names, |_, v, _: Option<String>| v).to("out-a", text());
    input.left_join_global("b", &all, |k, _| k.clone(), |_, v, _: Option<&String>| v).to("out-b", text());
    let driver = TestDriver::new(app.build().unwrap());
    driver.process().unwrap();
    up.store(false, Ordering::Relaxed);
    driver.pipe_raw(raw("in", Some("k"), Some(b"a"), 1)).unwrap();
    assert!(driver.blocked()["0_0"].contains("it sleeps"));
    up.store(true, Ordering::Relaxed);
    driver.process().unwrap();
    assert_eq!((read(&driver, "out-a").len(), read(&driver, "out-b").len()), (1, 1));
}

#[test]
fn a_record_that_cannot_be_decoded_moves_no_stream_time() {
    struct Time;
    impl Processor<String, String, String, i64> for Time {
        fn process(
            &mut self,
            cx: &mut ProcessorContext<'_, '_, String, i64>,
            record: Record<String, String>,
        ) -> Result<(), ProcessError> {
            let time = cx.stream_time().as_millis();
            cx.forward(record.with_value(time))
        }
    }
    let app = StreamsBuilder::new("app");
    app.on_decode_error(|_| Verdict::Skip);
    app.stream("in", text()).through(Through::topic("mid"), text()).process("time", || Time, &[]).to("out", number());
    let driver = TestDriver::new(app.build().unwrap());
    for (value, ms) in [(&b"a"[..], 5), (b"\xff", 1_000), (b"b", 3)] {
        driver.pipe_raw(raw("mid", Some("k"), Some(value), ms)).unwrap();
    }
    let times: Vec<_> = driver.output("out", number()).read_pairs().into_iter().map(|(_, time)| time).collect();
    assert_eq!(times, [5, 5]);
}

#[test]
fn a_row_of_a_global_table_that_cannot_be_read_is_skipped_unless_the_handler_fails() {
    let driver = |verdict: Option<Verdict>| {
        let app = StreamsBuilder::new("app");
        if let Some(verdict) = verdict {
            app.on_decode_error(move |_| verdict);
        }
        let _ = app.global_table("all", Plain::<String, i64>::new());
        app.stream("in", text()).for_each("end", |_, _| ());
        TestDriver::new(app.build().unwrap())
    };
    let row = || raw("all", Some("k"), Some(b"short"), 1);
    let lenient = driver(None);
    lenient.pipe_raw(row()).unwrap();
    assert_eq!(lenient.count("global_decode"), 1);
    let failure = driver(Some(Verdict::Fail)).pipe_raw(row()).unwrap_err();
    assert_eq!((failure.stage, failure.node.as_str()), (Stage::Decode, "all"));
}

/// Counts per key, in a key-value store, and shows what it sees of its own writes.
struct Counter;

impl Processor<String, String, String, String> for Counter {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let mut store = cx.key_value("counts")?;
        let n = store.get(record.key.as_bytes())?.map_or(0, |n| n[0]) + 1;
        store.put(Bytes::from(record.key.clone()), Bytes::copy_from_slice(&[n]))?;
        store.put("other".into(), "x".into())?;
        store.delete(b"other")?;
        let all = store.range((std::ops::Bound::Unbounded, std::ops::Bound::Unbounded), 9)?;
        let (with_prefix, one) = (store.prefix(record.key.as_bytes(), 9)?.len(), store.prefix(b"", 1)?.len());
        cx.forward(record.with_value(format!("{n} of {} {with_prefix} {one}", all.len())))
    }
}

#[test]
fn a_record_that_waits_below_a_stateful_step_acts_on_its_store_once() {
    let up = Arc::new(AtomicBool::new(true));
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::key_value("counts"));
    let counted = app.stream("in", text()).process("count", || Counter, &["counts"]);
    counted.clone().to("first", text());
    counted.to("second", Pair::new(Utf8, Moody(up.clone())));
    let driver = TestDriver::new(app.build().unwrap());
    let written = || driver.output::<String, Option<String>>("app-counts-changelog", Pair::new(Utf8, Nullable(Utf8)));
    let changelog = || written().read_pairs().len();
    driver.pipe_raw(raw("in", Some("k"), Some(b"a"), 1)).unwrap();
    assert_eq!((read(&driver, "second"), changelog()), (pairs(&[("k", "1 of 1 1 1")]), 3));
    up.store(false, Ordering::Relaxed);
    driver.pipe_raw(raw("in", Some("k"), Some(b"b"), 2)).unwrap();
    for _ in 0..5 {
        driver.process().unwrap();
        assert!(driver.blocked()["0_0"].contains("it sleeps"));
    }
    assert_eq!(changelog(), 0, "nothing of it is written while it waits");
    up.store(true, Ordering::Relaxed);
    driver.process().unwrap();
    assert_eq!(read(&driver, "second"), pairs(&[("k", "2 of 1 1 1")]));
    assert_eq!((read(&driver, "first").len(), changelog()), (2, 3));
    driver.pipe_raw(raw("in", Some("l"), Some(b"c"), 3)).unwrap();
    assert_eq!(read(&driver, "second"), pairs(&[("l", "1 of 2 1 1")]));
}

/// A store of the user's own: what it holds, and what the present record added.
#[derive(Default)]
struct Tape {
    kept: Vec<String>,
    fresh: Vec<String>,
}

impl StateStore for Tape {
    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn reader(&self) -> Arc<dyn std::any::Any + Send + Sync> {
        Arc::new(())
    }

    fn restore(&mut self, _: &nowfold_core::record::LogRecord) -> Result<(), StoreError> {
        Ok(())
    }

    fn record_done(&mut self) {
        self.kept.append(&mut self.fresh);
    }

    fn record_waits(&mut self) {
        self.fresh.clear();
    }
}

/// Appends to the tape and forwards how long it is.
struct Append;

impl Processor<String, String, String, String> for Append {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let tape = cx.store::<Tape>("tape")?;
        tape.fresh.push(record.value.clone());
        let length = tape.kept.len() + tape.fresh.len();
        cx.forward(record.with_value(length.to_string()))
    }
}

#[test]
fn a_store_of_ones_own_is_told_when_a_record_comes_again() {
    let up = Arc::new(AtomicBool::new(false));
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::new("tape", Changelog::None, || Box::new(Tape::default())));
    let appended = app.stream("in", text()).process("append", || Append, &["tape"]);
    appended.to("out", Pair::new(Utf8, Moody(up.clone())));
    let driver = TestDriver::new(app.build().unwrap());
    driver.pipe_raw(raw("in", Some("k"), Some(b"a"), 1)).unwrap();
    driver.process().unwrap();
    up.store(true, Ordering::Relaxed);
    driver.process().unwrap();
    driver.pipe_raw(raw("in", Some("k"), Some(b"b"), 1)).unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[("k", "1"), ("k", "2")]));
}
