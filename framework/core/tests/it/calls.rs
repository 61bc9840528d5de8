//! Asynchronous operators: order, backpressure, errors, and what may be committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;

use nowfold_core::dsl::{AsyncIo, KStream, StreamsBuilder, Through};
use nowfold_core::failure::Verdict;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::retry::Retries;
use nowfold_core::state::{Changelog, MemoryKeyValue, StoreSpec};
use nowfold_core::time::{millisecs, seconds};
use nowfold_core::topology::TopologyFault;
use nowfold_testkit::TestDriver;

use crate::support::{Texts, at, driver, pairs, pipe, read, text};

/// Calls that are over when the test says so: values that may go on.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<parking_lot::Mutex<std::collections::BTreeSet<String>>>);

impl Gates {
    fn open(&self, value: &str) {
        self.0.lock().insert(value.to_owned());
    }

    fn call(&self, value: &str) -> impl Future<Output = Result<String, ProcessError>> + Send + use<> {
        let (gates, value) = (self.clone(), value.to_owned());
        std::future::poll_fn(move |_| {
            if gates.0.lock().contains(&value) { Poll::Ready(Ok(value.to_uppercase())) } else { Poll::Pending }
        })
    }

    fn map(&self, input: Texts, io: AsyncIo) -> Texts {
        let gates = self.clone();
        input.map_values_async("call", io, move |_, value| gates.call(value))
    }
}

async fn upper(value: String) -> Result<String, ProcessError> {
    Ok(value.to_uppercase())
}

fn io() -> AsyncIo {
    AsyncIo::new(4, seconds(5))
}

type Pairs = Vec<(String, String)>;

/// 60 records of 5 keys, and what leaves an operator whose calls are over in an order drawn from `seed`.
fn at_random(seed: u64, io: AsyncIo) -> (Pairs, Pairs) {
    let driver = driver(|_, input| {
        input.map_values_async("call", io, |_, value| upper(value.clone())).to("out", text());
    });
    let driver = driver.calls_at_random(seed);
    let (input, mut random) = (driver.input("in", text()), fastrand::Rng::with_seed(seed));
    let records: Vec<_> = (0..60).map(|i| (format!("k{}", random.u8(0..5)), format!("v{i}"))).collect();
    let encode =
        |((key, value), ms): (&(String, String), _)| input.encode(&Record::new(key.clone(), value.clone(), at(ms)));
    records.iter().zip(1..).map(encode).for_each(|record| driver.append(record));
    driver.process().unwrap();
    let expected = records.into_iter().map(|(key, value)| (key, value.to_uppercase())).collect();
    (expected, read(&driver, "out"))
}

fn by_key(pairs: &[(String, String)]) -> BTreeMap<&String, Vec<&String>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    pairs.iter().for_each(|(key, value)| keys.entry(key).or_default().push(value));
    keys
}

#[test]
fn results_of_a_key_keep_their_order_whichever_call_is_over_first() {
    let mut n_in_order = 0;
    for seed in 0..50 {
        let (expected, found) = at_random(seed, AsyncIo::new(7, seconds(5)));
        assert_eq!(by_key(&expected), by_key(&found), "seed {seed}");
        n_in_order += usize::from(expected == found);
    }
    assert!(n_in_order < 10, "results of other keys overtake: {n_in_order} of 50 were in order");
}

#[test]
fn all_results_keep_their_order_on_request() {
    for seed in 0..50 {
        let (expected, found) = at_random(seed, AsyncIo::new(7, seconds(5)).ordered());
        assert_eq!(expected, found, "seed {seed}");
    }
}

#[test]
fn a_task_takes_no_more_records_than_may_wait_for_their_calls() {
    let gates = Gates::default();
    let driver = driver(|_, input| gates.map(input, AsyncIo::new(3, seconds(5))).to("out", text()));
    pipe(&driver, &[("a", "0"), ("b", "1"), ("c", "2"), ("d", "3"), ("e", "4")]);
    assert_eq!(driver.n_calls(), 3);
    gates.open("1");
    driver.process().unwrap();
    assert_eq!((driver.n_calls(), read(&driver, "out")), (3, pairs(&[("b", "1")])));
    ["0", "2", "3", "4"].iter().for_each(|value| gates.open(value));
    driver.process().unwrap();
    assert_eq!((driver.n_calls(), read(&driver, "out").len()), (0, 4));
}

#[test]
fn no_more_calls_run_at_a_time_than_allowed_however_many_a_record_makes() {
    let gates = Gates::default();
    let driver = driver(|_, input| {
        let words = input.flat_map_values("split", |_, v| v.split(' ').map(str::to_owned).collect::<Vec<_>>());
        gates.map(words, AsyncIo::new(2, seconds(5))).to("out", text());
    });
    pipe(&driver, &[("k", "a b c d e"), ("k", "f")]);
    assert_eq!(driver.n_calls(), 2);
    driver.commit();
    assert_eq!(driver.committed("in", 0), Some(0));
    ["a", "b", "c", "d"].iter().for_each(|value| gates.open(value));
    driver.process().unwrap();
    driver.commit();
    assert_eq!((read(&driver, "out").len(), driver.committed("in", 0)), (4, Some(0)), "one of its calls is under way");
    ["e", "f"].iter().for_each(|value| gates.open(value));
    driver.process().unwrap();
    driver.commit();
    assert_eq!((read(&driver, "out"), driver.committed("in", 0)), (pairs(&[("k", "E"), ("k", "F")]), Some(2)));
}

#[test]
fn only_what_lies_before_the_first_call_under_way_is_committed() {
    let gates = Gates::default();
    let driver = driver(|_, input| gates.map(input, io()).to("out", text()));
    pipe(&driver, &[("a", "0"), ("b", "1"), ("c", "2")]);
    for (value, committed) in [("1", 0), ("0", 2), ("2", 3)] {
        gates.open(value);
        driver.process().unwrap();
        driver.commit();
        assert_eq!(driver.committed("in", 0), Some(committed), "{value} is over");
    }
    assert_eq!(read(&driver, "out"), pairs(&[("b", "1"), ("a", "0"), ("c", "2")]));
}

#[test]
fn after_a_crash_the_calls_that_were_under_way_are_made_again() {
    let gates = Gates::default();
    let driver = driver(|_, input| gates.map(input, io()).to("out", text()));
    pipe(&driver, &[("a", "0"), ("b", "1")]);
    gates.open("1");
    driver.process().unwrap();
    driver.commit();
    driver.crash_before_commit().unwrap();
    gates.open("0");
    driver.process().unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[("b", "1"), ("b", "1"), ("a", "0")]));
}

/// Fails on "bad" as often as it is told to.
fn failing(n: u32) -> impl Fn(&str) -> Result<String, ProcessError> + Clone + Send + Sync + 'static {
    let left = Arc::new(AtomicU32::new(n));
    move |value| {
        let fails =
            value == "bad" && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        if fails { Err(ProcessError::new("the service is away")) } else { Ok(value.to_owned()) }
    }
}

fn judged(
    verdict: impl Fn(&nowfold_core::failure::Failure<'_>) -> Verdict + Send + Sync + 'static,
    n: u32,
) -> TestDriver {
    let app = StreamsBuilder::new("app");
    app.on_process_error(verdict);
    let call = failing(n);
    app.stream("in", text())
        .map_values_async("call", io(), move |_, value| std::future::ready(call(value)))
        .to("out", text());
    TestDriver::new(app.build().unwrap())
}

#[test]
fn a_call_that_fails_stops_the_task_at_its_record() {
    let driver = judged(|_| Verdict::Fail, 1);
    let input = driver.input("in", text());
    input.pipe("a", "good", at(1)).unwrap();
    let failure = input.pipe("b", "bad", at(2)).unwrap_err();
    assert_eq!((failure.node.as_str(), failure.offset, failure.cause.as_str()), ("call", 1, "the service is away"));
    driver.commit();
    assert_eq!(driver.committed("in", 0), Some(1));
}

#[test]
fn a_call_that_fails_is_skipped_or_a_dead_letter_and_no_other_waits_for_it() {
    for verdict in [Verdict::Skip, Verdict::DeadLetter] {
        let driver = judged(move |_| verdict, 1);
        pipe(&driver, &[("a", "good"), ("b", "bad"), ("c", "good")]);
        driver.commit();
        assert_eq!((read(&driver, "out").len(), driver.committed("in", 0)), (2, Some(3)));
        let letters = driver.dead_letters();
        assert_eq!(letters.len(), usize::from(verdict == Verdict::DeadLetter));
        letters.iter().for_each(|letter| assert_eq!((letter.offset, letter.node.as_str()), (1, "call")));
    }
}

#[test]
fn a_call_is_made_again_after_a_wait_while_others_go_on_but_those_of_its_key_wait_for_it() {
    let retries = || Retries::up_to(3).backoff(millisecs(100), seconds(1)).then(Verdict::DeadLetter);
    let driver = judged(retries(), 2);
    pipe(&driver, &[("a", "bad"), ("b", "good"), ("a", "next")]);
    assert_eq!((read(&driver, "out"), driver.blocked().len()), (pairs(&[("b", "good")]), 0));
    driver.advance(millisecs(100)).unwrap();
    assert_eq!(read(&driver, "out"), pairs(&[]));
    driver.advance(millisecs(200)).unwrap();
    assert_eq!((read(&driver, "out"), driver.count("retried")), (pairs(&[("a", "bad"), ("a", "next")]), 2));
    let driver = judged(retries(), 9);
    pipe(&driver, &[("a", "bad"), ("a", "next")]);
    driver.advance(millisecs(100)).unwrap();
    driver.advance(millisecs(200)).unwrap();
    assert_eq!((driver.dead_letters().len(), read(&driver, "out")), (1, pairs(&[("a", "next")])));
}

#[test]
fn a_call_that_takes_too_long_is_dropped_and_has_failed() {
    let (app, gates) = (StreamsBuilder::new("app"), Gates::default());
    app.on_process_error(|_| Verdict::DeadLetter);
    gates.map(app.stream("in", text()), io()).to("out", text());
    let driver = TestDriver::new(app.build().unwrap());
    pipe(&driver, &[("a", "slow")]);
    driver.advance(millisecs(4_999)).unwrap();
    assert_eq!((driver.n_calls(), driver.dead_letters().len()), (1, 0));
    driver.advance(millisecs(1)).unwrap();
    gates.open("slow");
    driver.process().unwrap();
    let [letter] = <[_; 1]>::try_from(driver.dead_letters()).unwrap();
    assert_eq!((letter.cause.as_str(), driver.n_calls()), ("the call took longer than 5s", 0));
    assert_eq!(read(&driver, "out"), pairs(&[]));
}

/// Passes records on while it may.
struct Valve(Arc<AtomicBool>);

impl Processor<String, String, String, String> for Valve {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        if !self.0.load(Ordering::Relaxed) {
            return Err(ProcessError::wait("the valve is shut"));
        }
        cx.forward(record)
    }
}

#[test]
fn a_result_that_must_wait_below_waits_as_a_whole_and_its_call_is_not_made_again() {
    let (open, n_calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (valve, calls) = (open.clone(), n_calls.clone());
    let driver = driver(|_, input| {
        let called = input.map_values_async("call", io(), move |_, value| {
            calls.fetch_add(1, Ordering::Relaxed);
            upper(value.clone())
        });
        called.clone().to("first", text());
        called.process("valve", move || Valve(valve.clone()), &[]).to("second", text());
    });
    pipe(&driver, &[("k", "a"), ("l", "b")]);
    assert_eq!((driver.blocked()["0_0"].as_str(), read(&driver, "first")), ("the valve is shut", pairs(&[])));
    driver.commit();
    assert_eq!(driver.committed("in", 0).unwrap_or(0), 0);
    open.store(true, Ordering::Relaxed);
    driver.process().unwrap();
    assert_eq!(read(&driver, "first"), pairs(&[("k", "A"), ("l", "B")]));
    assert_eq!((read(&driver, "second").len(), n_calls.load(Ordering::Relaxed)), (2, 2));
}

#[test]
fn a_record_that_waits_beside_its_call_makes_no_call() {
    let (open, gates) = (Arc::new(AtomicBool::new(false)), Gates::default());
    let valve = open.clone();
    let driver = driver(|_, input| {
        gates.map(input.clone(), io()).to("out", text());
        input.process("valve", move || Valve(valve.clone()), &[]).to("beside", text());
    });
    pipe(&driver, &[("k", "a")]);
    assert_eq!((driver.n_calls(), driver.blocked().len()), (0, 1));
    open.store(true, Ordering::Relaxed);
    driver.process().unwrap();
    assert_eq!((driver.n_calls(), read(&driver, "beside").len()), (1, 1));
}

#[test]
fn timestamps_and_headers_go_along_and_operators_may_follow_each_other() {
    let driver = driver(|_, input| {
        let once = input.map_values_async("once", io(), |_, value| upper(value.clone()));
        let twice = once.map_values_async("twice", io().ordered(), |_, value| upper(format!("{value}{value}")));
        twice.to("out", text());
    });
    let mut record = crate::support::raw("in", Some("k"), Some(b"v"), 7);
    record.headers.push("own", Some("header".into()));
    driver.pipe_raw(record).unwrap();
    let [found] = <[_; 1]>::try_from(driver.output("out", text()).read_all()).unwrap();
    assert_eq!((found.value.as_str(), found.timestamp), ("VV", at(7)));
    assert_eq!(found.headers.last("own").unwrap().value, Some("header".into()));
}

/// Writes an id instead of the value.
struct Name;

impl Processor<String, String, String, String> for Name {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let id = cx.next_event_id();
        cx.forward(record.with_value(id))
    }
}

#[test]
fn ids_made_below_calls_differ_and_do_not_depend_on_which_call_is_over_first() {
    let ids = |seed: Option<u64>| {
        let driver = driver(|_, input| {
            let words = input.flat_map_values("split", |_, v| v.split(' ').map(str::to_owned).collect::<Vec<_>>());
            let called: Texts = words.map_values_async("call", io(), |_, value| upper(value.clone()));
            let keyed: KStream<String, String> = called.process("name", || Name, &[]);
            keyed.through(Through::topic("mid"), text()).process("again", || Name, &[]).to("out", text());
        });
        let driver = seed.map_or(driver.clone(), |seed| driver.calls_at_random(seed));
        pipe(&driver, &[("k", "a b c"), ("k", "a b")]);
        let mut ids: Vec<_> = read(&driver, "out").into_iter().map(|(_, id)| id).collect();
        ids.sort();
        ids
    };
    let first = ids(None);
    assert_eq!(first[0], "in/0/0/1/call.0/mid.0/0".replace("mid.0/", "0/"));
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    (0..10).for_each(|seed| assert_eq!(ids(Some(seed)), first, "seed {seed}"));
}

#[test]
fn a_task_with_stores_gives_out_its_changelog_and_offsets_only_at_rest() {
    let gates = Gates::default();
    let driver = driver(|_, input| {
        input.clone().group_by_key("by-key", text()).count("counts");
        gates.map(input, io()).to("out", text());
    });
    pipe(&driver, &[("a", "0"), ("b", "1")]);
    gates.open("0");
    driver.process().unwrap();
    driver.commit();
    assert_eq!((driver.records("app-counts-changelog").len(), driver.committed("in", 0)), (0, None));
    gates.open("1");
    driver.process().unwrap();
    driver.commit();
    assert_eq!((driver.records("app-counts-changelog").len(), driver.committed("in", 0)), (2, Some(2)));
}

#[test]
fn a_store_that_is_rebuilt_from_an_event_log_cannot_lie_below_a_call() {
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::new("chain", Changelog::EventLog("in".into()), || Box::new(MemoryKeyValue::new())));
    let called = app.stream("in", text()).map_values_async("call", io(), |_, value| upper(value.clone()));
    let named: Texts = called.process("name", || Name, &["chain"]);
    named.for_each("end", |_, _| ());
    let error = app.build().unwrap_err();
    assert_eq!(error.faults(), [TopologyFault::CallAboveEventLog { node: "call".into(), store: "chain".into() }]);
}
