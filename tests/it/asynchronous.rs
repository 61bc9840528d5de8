//! Asynchronous operators and waiting records in whole applications: on the embedded log with crashes, and on a real Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use nowfold::core::processor::{Processor, ProcessorContext};
use nowfold::core::record::Record;
use nowfold::core::serde::SerdeEnv;
use nowfold::core::time::millisecs;
use nowfold::embedded::EmbeddedLog;
use nowfold::prelude::*;
use nowfold::runtime::broker::Broker;
use nowfold::runtime::{AppState, Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::doomed::{Doomed, Fate};
use super::durable_stores;
use super::exactly_once::{Counter, Random, assert_exactly_once, await_outputs, config, create_topics, fill, outputs};
use super::support::{test_kafka, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A call that is over after it was polled a few more times, so that calls overtake each other.
fn after_polls(n: u64) -> impl Future<Output = ()> + Send {
    let mut left = n;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

fn spread(text: &str) -> u64 {
    text.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))) % 9
}

/// Passes on what it has counted as well, and 0 where that differs.
struct Check;

impl Processor<String, i64, String, i64> for Check {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, i64>,
    ) -> Result<(), ProcessError> {
        let mut store = cx.key_value("after")?;
        let n = store.get(record.key.as_bytes())?.map_or(0, |n| i64::from_be_bytes(n[..].try_into().unwrap())) + 1;
        store.put(record.key.clone().into(), n.to_be_bytes().to_vec().into())?;
        let value = if n == record.value { n } else { 0 };
        cx.forward(Record { value, ..record })
    }
}

/// Counts before the calls, and again behind them.
pub(crate) fn counted(prefix: &str) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.state_store(StoreSpec::key_value("counts")).state_store(StoreSpec::key_value("after"));
    app.stream(format!("{prefix}-in"), Plain::<String, String>::new())
        .process("count", || Counter, &["counts"])
        .map_values_async("call", AsyncIo::new(8, seconds(5)), |key: &String, n: &i64| {
            let (polls, n) = (spread(&format!("{key}{n}")), *n);
            async move {
                after_polls(polls).await;
                Ok::<_, ProcessError>(n)
            }
        })
        .process("check", || Check, &["after"])
        .to(format!("{prefix}-out"), Plain::new());
    app.build().unwrap()
}

/// The values of `in`, through calls.
fn passed(prefix: &str) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.stream(format!("{prefix}-in"), Plain::<String, String>::new())
        .map_values_async("call", AsyncIo::new(8, seconds(5)), |_: &String, value: &String| {
            let value = value.clone();
            async move {
                after_polls(spread(&value)).await;
                Ok::<_, ProcessError>(value)
            }
        })
        .to(format!("{prefix}-out"), Plain::new());
    app.build().unwrap()
}

pub(crate) fn start(
    broker: Arc<dyn Broker>,
    topology: Topology,
    config: RuntimeConfig,
) -> Result<Runtime, nowfold::runtime::RuntimeError> {
    start_on(broker, topology, config, None)
}

/// The same with a state directory.
pub(crate) fn start_on(
    broker: Arc<dyn Broker>,
    topology: Topology,
    config: RuntimeConfig,
    dir: Option<&Path>,
) -> Result<Runtime, nowfold::runtime::RuntimeError> {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let local = dir.map(|dir| durable_stores::local_of(topology.app(), dir));
    Runtime::start_with_state(topology, platform, config, local)
}

pub(crate) fn at_least_once() -> RuntimeConfig {
    RuntimeConfig { n_workers: 2, commit_interval: Duration::from_millis(10), batch: 20, ..RuntimeConfig::default() }
}

/// One life after another on one log, each ended at some operation on the broker; then one that goes on to the end.
pub(crate) fn lives(
    seed: u64,
    prefix: &str,
    log: &EmbeddedLog,
    topology: &Topology,
    config: &RuntimeConfig,
) -> BTreeMap<String, i64> {
    lives_on(seed, prefix, log, (topology, config), None)
}

/// The same with a state directory that outlives them.
pub(crate) fn lives_on(
    seed: u64,
    prefix: &str,
    log: &EmbeddedLog,
    (topology, config): (&Topology, &RuntimeConfig),
    dir: Option<&Path>,
) -> BTreeMap<String, i64> {
    let start = |broker| start_on(broker, topology.clone(), config.clone(), dir);
    create_topics(log, prefix);
    let mut truth = fill(log, prefix, 400, 13);
    let mut random = Random(seed);
    for _ in 0..5 {
        let fate = Fate::new(random.below(200) + 2, random.below(2) == 0, || {});
        let app = start(Doomed::new(Arc::new(log.clone()), &fate));
        for (key, n) in fill(log, prefix, 100, 13) {
            *truth.entry(key).or_default() += n;
        }
        if let Ok(app) = app {
            app.state_cell().wait(Duration::from_millis(300), AppState::is_final);
            drop(app);
        }
        log.faults().expel_all(&format!("{prefix}-app"));
    }
    let app = start(Arc::new(log.clone())).unwrap();
    await_outputs(log, &app, prefix, 900);
    app.close().unwrap();
    truth
}

#[test]
fn exactly_once_a_process_that_dies_with_calls_under_way_loses_and_doubles_nothing() {
    for seed in 0..4 {
        let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), format!("calls-{seed}"));
        let config = RuntimeConfig { transaction_timeout: Duration::from_millis(500), ..config() };
        let truth = lives(seed, &prefix, &log, &counted(&prefix), &config);
        assert_exactly_once(&log, &prefix, &truth, &format!("seed {seed}"));
    }
}

/// Each value that was written to `in` with its key, as often as it is found in `out`.
fn texts(broker: &dyn Broker, prefix: &str) -> Vec<(String, usize)> {
    let text = |bytes: Option<bytes::Bytes>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let parse = |record: nowfold::core::record::LogRecord| (text(record.key), text(record.value).parse().unwrap());
    outputs(broker, prefix).into_iter().map(parse).collect()
}

#[test]
fn at_least_once_a_process_that_dies_with_calls_under_way_loses_nothing() {
    for seed in 0..4 {
        let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), format!("calls-{seed}"));
        let truth = lives(seed, &prefix, &log, &passed(&prefix), &at_least_once());
        // 400 and five times 100 values, each round numbered from 0.
        let found: BTreeSet<_> = texts(&log, &prefix).into_iter().collect();
        let expected: BTreeSet<_> = (0..400).map(|i| (format!("key-{}", (i * 7 + i / 3) % 13), i)).collect();
        assert_eq!(found, expected, "seed {seed}");
        assert!(texts(&log, &prefix).len() >= usize::try_from(truth.values().sum::<i64>()).unwrap(), "seed {seed}");
    }
}

#[test]
fn a_hand_over_and_a_close_in_order_wait_for_the_calls_and_repeat_none() {
    let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), "calls-hand-over");
    create_topics(&log, prefix);
    fill(&log, prefix, 1_000, 29);
    let first = start(Arc::new(log.clone()), passed(prefix), at_least_once()).unwrap();
    let second = start(Arc::new(log.clone()), passed(prefix), at_least_once()).unwrap();
    second.await_running(PATIENCE).unwrap();
    first.close().unwrap();
    await_outputs(&log, &second, prefix, 1_000);
    second.close().unwrap();
    let found = texts(&log, prefix);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 1_000);
    assert_eq!(found.len(), 1_000, "nothing crashed, so nothing comes twice");
}

#[test]
fn a_call_that_panics_or_uses_tokio_or_takes_too_long_is_a_failure_or_a_result() {
    let app = StreamsBuilder::new("tokio-calls");
    app.on_process_error(|_| Verdict::DeadLetter);
    app.stream("in", Plain::<String, String>::new())
        .map_values_async("call", AsyncIo::new(8, millisecs(300)), |_: &String, value: &String| {
            let value = value.clone();
            async move {
                let wait = if value == "slow" { seconds(3_600) } else { millisecs(10) };
                tokio::time::sleep(wait).await;
                assert_ne!(value, "panic", "it panics");
                Ok::<_, ProcessError>(value)
            }
        })
        .to("out", Plain::new());
    let app = Streams::start(app.build().unwrap(), Config::embedded()).unwrap().wait_running().unwrap();
    let mut producer = app.producer("in", Plain::<String, String>::new()).unwrap();
    for value in ["fine", "panic", "slow", "fine"] {
        producer.send(&value.to_owned(), &value.to_owned(), Timestamp::from_millis(1)).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let log = app.embedded_log().unwrap().clone();
    let count = |topic: &str| {
        let partitions = (0..4).filter_map(|p| log.records(&nowfold::core::names::TopicPartition::new(topic, p)).ok());
        partitions.map(|records| records.len()).sum::<usize>()
    };
    let found = || (count("out"), count("tokio-calls-dead-letters"));
    until(PATIENCE, || format!("{:?}; {}", found(), app.state()), || found() == (2, 2));
    app.close().unwrap();
}

#[test]
fn a_record_that_is_tried_again_holds_up_neither_other_tasks_nor_the_group() {
    let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), "calls-retry");
    create_topics(&log, prefix);
    fill(&log, prefix, 400, 29);
    let (away, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.on_process_error(Retries::up_to(u32::MAX).backoff(millisecs(5), millisecs(50)).then(Verdict::Fail));
    let (is_away, tried) = (away.clone(), tries.clone());
    app.stream(format!("{prefix}-in"), Plain::<String, String>::new())
        .map_values_judged("call", move |key, value: String| {
            if key == "key-0" && is_away.load(Ordering::SeqCst) {
                tried.fetch_add(1, Ordering::SeqCst);
                return Err(ProcessError::new("the service is away"));
            }
            Ok(value)
        })
        .to(format!("{prefix}-out"), Plain::new());
    let config = RuntimeConfig { n_workers: 1, ..at_least_once() };
    let app = start(Arc::new(log.clone()), app.build().unwrap(), config).unwrap();
    let at = |p| nowfold::core::names::TopicPartition::new(format!("{prefix}-in"), p);
    let committed = |p| {
        let found = log.committed(&format!("{prefix}-app"), &[at(p)]).unwrap().pop().flatten();
        found.map_or(0, |found| found.offset) >= log.watermarks(&at(p)).unwrap().high
    };
    let waiting: Vec<_> = {
        let done = || (0..4).filter(|p| committed(*p)).count() == 3 && tries.load(Ordering::SeqCst) >= 10;
        until(PATIENCE, || format!("{} tries; {}", tries.load(Ordering::SeqCst), app.state()), done);
        (0..4).filter(|p| !committed(*p)).collect()
    };
    assert_eq!((waiting.len(), app.task_ids().len()), (1, 4), "it still owns every partition");
    away.store(false, Ordering::SeqCst);
    await_outputs(&log, &app, prefix, 400);
    app.close().unwrap();
    assert_eq!(texts(&log, prefix).len(), 400);
}

#[test]
fn calls_on_kafka_lose_and_double_nothing_and_keep_the_order_of_each_key() {
    let Some(bootstrap) = test_kafka("asynchronous") else { return };
    let prefix = format!("calls-{}", std::process::id());
    let kafka = nowfold::kafka::Kafka::connect(nowfold::kafka::KafkaConfig::new(&bootstrap)).unwrap();
    create_topics(&kafka, &prefix);
    let truth = fill(&kafka, &prefix, 3_000, 97);
    let broker: Arc<dyn Broker> = Arc::new(kafka);
    let config = RuntimeConfig { commit_interval: Duration::from_millis(100), ..config() };
    let app = start(broker.clone(), counted(&prefix), config).unwrap();
    await_outputs(broker.as_ref(), &app, &prefix, 3_000);
    app.close().unwrap();
    assert_exactly_once(broker.as_ref(), &prefix, &truth, "calls on Kafka");
}
