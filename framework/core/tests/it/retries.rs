//! Failed records that are tried again: how often, when, and what becomes of them and of those behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::failure::{Verdict, dead_letter};
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::retry::Retries;
use nowfold_core::task::{Punctuation, PunctuationClock};
use nowfold_core::time::millisecs;
use nowfold_testkit::TestDriver;

use crate::support::{at, pairs, pipe, raw, read, text};

/// Fails on "flaky" as often as it is told to.
fn flaky(verdict: Verdict, n_failures: u32) -> (TestDriver, Arc<AtomicU32>) {
    let (app, tries) = (StreamsBuilder::new("app"), Arc::new(AtomicU32::new(0)));
    app.on_process_error(Retries::up_to(3).backoff(millisecs(100), millisecs(1_000)).then(verdict));
    let seen = tries.clone();
    let map = move |_: &String, value: String| {
        if value == "flaky" && seen.fetch_add(1, Ordering::Relaxed) < n_failures {
            return Err(ProcessError::new("the service is away"));
        }
        Ok(value)
    };
    let input = app.stream("in", text());
    input.clone().to("before", text());
    input.map_values_judged("call", map).to("out", text());
    (TestDriver::new(app.build().unwrap()), tries)
}

#[test]
fn a_record_is_tried_again_after_growing_waits_and_those_behind_it_wait() {
    let (driver, tries) = flaky(Verdict::Fail, 2);
    pipe(&driver, &[("k", "flaky"), ("k", "next")]);
    assert_eq!((tries.load(Ordering::Relaxed), driver.blocked()["0_0"].as_str()), (1, "the service is away"));
    for (ms, n) in [(99, 1), (1, 2), (199, 2)] {
        driver.advance(millisecs(ms)).unwrap();
        driver.process().unwrap();
        assert_eq!((tries.load(Ordering::Relaxed), driver.blocked().len()), (n, 1));
    }
    assert_eq!(read(&driver, "before"), pairs(&[]), "what waits leaves nothing behind");
    driver.commit();
    assert_eq!(driver.committed("in", 0), None);
    driver.advance(millisecs(1)).unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[("k", "flaky"), ("k", "next")]));
    assert_eq!((read(&driver, "before").len(), driver.count("retried"), driver.blocked().len()), (2, 2, 0));
}

#[test]
fn after_the_last_attempt_the_other_verdict_counts_and_a_dead_letter_tells_how_often() {
    let (driver, tries) = flaky(Verdict::DeadLetter, u32::MAX);
    pipe(&driver, &[("k", "flaky"), ("k", "next")]);
    driver.advance(millisecs(100)).unwrap();
    driver.advance(millisecs(200)).unwrap();
    assert_eq!((tries.load(Ordering::Relaxed), read(&driver, "out")), (3, pairs(&[("k", "next")])));
    let [letter] = <[_; 1]>::try_from(driver.dead_letters()).unwrap();
    assert_eq!((letter.node.as_str(), letter.offset), ("call", 0));
    assert_eq!(letter.record.headers.last(dead_letter::ATTEMPTS).unwrap().value, Some("3".into()));
    pipe(&driver, &[("k", "flaky")]);
    assert_eq!(
        (tries.load(Ordering::Relaxed), driver.blocked().len()),
        (4, 1),
        "the next record has attempts of its own"
    );
}

#[test]
fn after_the_last_attempt_a_task_may_stop_and_the_next_start_counts_anew() {
    let (driver, tries) = flaky(Verdict::Fail, u32::MAX);
    pipe(&driver, &[("k", "flaky")]);
    driver.advance(millisecs(100)).unwrap();
    assert_eq!(driver.advance(millisecs(200)).unwrap_err().cause, "the service is away");
    driver.crash_before_commit().unwrap();
    assert_eq!((tries.load(Ordering::Relaxed), driver.blocked().len()), (4, 1));
}

#[test]
fn an_attempt_is_that_of_the_record_wherever_it_fails() {
    let app = StreamsBuilder::new("app");
    let seen = Arc::new(AtomicU32::new(0));
    let largest = seen.clone();
    app.on_process_error(move |failure| {
        largest.fetch_max(failure.attempt, Ordering::Relaxed);
        if failure.attempt < 4 { Verdict::Retry } else { Verdict::Skip }
    });
    let fail = |_: &String, _: String| Err::<String, _>(ProcessError::new("never"));
    app.stream("in", text()).map_values_judged("fail", fail).to("out", text());
    let driver = TestDriver::new(app.build().unwrap());
    pipe(&driver, &[("k", "v")]);
    (0..3).for_each(|_| driver.process().unwrap());
    assert_eq!((seen.load(Ordering::Relaxed), driver.count("skipped"), driver.count("retried")), (4, 1, 3));
}

/// Forwards a tick each 10 ms of wall-clock time, but not at the first two tries.
struct Ticker(Arc<AtomicU32>);

impl Processor<String, String, String, String> for Ticker {
    fn init(&mut self, cx: &mut ProcessorContext<'_, '_, String, String>) -> Result<(), ProcessError> {
        cx.schedule(millisecs(10), PunctuationClock::WallClock);
        Ok(())
    }

    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        cx.forward(record)
    }

    fn punctuate(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        due: Punctuation,
    ) -> Result<(), ProcessError> {
        if self.0.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(ProcessError::new("not yet"));
        }
        cx.forward(Record::new("tick".to_owned(), due.time.as_millis().to_string(), at(0)))
    }
}

#[test]
fn a_punctuation_is_tried_again_after_the_same_waits() {
    let (app, tries) = (StreamsBuilder::new("app"), Arc::new(AtomicU32::new(0)));
    app.on_process_error(Retries::up_to(3).backoff(millisecs(100), millisecs(1_000)).then(Verdict::Fail));
    let shared = tries.clone();
    app.stream("in", text()).process("ticker", move || Ticker(shared.clone()), &[]).to("out", text());
    let driver = TestDriver::new(app.build().unwrap());
    for (ms, n) in [(10, 1), (99, 1), (1, 2), (199, 2), (1, 3)] {
        driver.advance(millisecs(ms)).unwrap();
        assert_eq!(tries.load(Ordering::Relaxed), n);
    }
    assert_eq!(read(&driver, "out"), pairs(&[("tick", "310")]));
}

#[test]
fn failures_of_a_map_end_as_dead_letters_of_the_record_that_was_read() {
    let app = StreamsBuilder::new("app");
    let upper = app.stream("in", text()).map_values("upper", |_, value| value.to_uppercase());
    let (lengths, failed) = upper.try_map_values("length", |_, value| {
        if value.len() < 3 { Ok(value.clone()) } else { Err(format!("{value} is too long")) }
    });
    lengths.to("out", text());
    failed.to_dead_letters("too-long");
    let driver = TestDriver::new(app.build().unwrap());
    let mut record = raw("in", Some("k"), Some(b"abc"), 5);
    record.headers.push("own", Some("header".into()));
    driver.pipe_raw(record).unwrap();
    pipe(&driver, &[("k", "ab")]);
    let [letter] = <[_; 1]>::try_from(driver.dead_letters()).unwrap();
    assert_eq!((letter.node.as_str(), letter.stage.as_str(), letter.offset), ("too-long", "process", 0));
    assert_eq!((letter.cause.as_str(), letter.record.value), ("ABC is too long", Some("abc".into())));
    assert_eq!(letter.record.headers.last("own").unwrap().value, Some("header".into()));
    assert_eq!(letter.record.headers.last(dead_letter::ATTEMPTS), None);
    assert_eq!((read(&driver, "out"), driver.count("dead_letter")), (pairs(&[("k", "AB")]), 1));
}
