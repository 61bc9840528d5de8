//! Exactly-once: a stateful topology whose user dies again and again, on the embedded log and on a real Kafka.
//!
//! Every input is counted in a store, and the count of its key goes out: each key's outputs must be 1, 2, 3, ... as if
//! nothing had happened. A lost record leaves a gap or ends too early, one that counts twice makes the last count too
//! high, and one that is written twice repeats a number.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nowfold::core::names::{TopicName, TopicPartition};
use nowfold::core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold::core::record::{LogRecord, OutputRecord, Record};
use nowfold::core::serde::SerdeEnv;
use nowfold::embedded::EmbeddedLog;
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, TopicSpec};
use nowfold::runtime::{AppState, Platform, RuntimeConfig, RuntimeError, Streams as Runtime, SystemClock};

use super::doomed::{Doomed, Fate};
use super::own_kafka::OwnKafka;
use super::support::{test_kafka, until};

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const PARTITIONS: i32 = 4;

/// Counts the records of each key in a store, and sends the count on.
pub(crate) struct Counter;

impl Processor<String, String, String, i64> for Counter {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let mut counts = cx.key_value("counts")?;
        let before = counts.get(record.key.as_bytes())?.map_or(0, |n| i64::from_be_bytes(n[..].try_into().unwrap()));
        counts.put(record.key.clone().into(), Bytes::copy_from_slice(&(before + 1).to_be_bytes()))?;
        cx.forward(Record { value: before + 1, key: record.key, timestamp: record.timestamp, headers: record.headers })
    }
}

pub(crate) fn topology(prefix: &str) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.state_store(StoreSpec::key_value("counts"));
    app.stream(format!("{prefix}-in"), Plain::<String, String>::new())
        .process("count", || Counter, &["counts"])
        .to(format!("{prefix}-out"), Plain::new());
    app.build().unwrap()
}

pub(crate) fn create_topics(broker: &dyn Broker, prefix: &str) {
    for name in ["in", "out"] {
        let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let spec = TopicSpec { name: format!("{prefix}-{name}").into(), partitions: Some(PARTITIONS), config };
        broker.create_topic(&spec).unwrap();
    }
}

/// Writes `n` records of `n_keys` keys; returns how many each key has.
pub(crate) fn fill(broker: &dyn Broker, prefix: &str, n: usize, n_keys: usize) -> BTreeMap<String, i64> {
    let (mut producer, mut truth) = (broker.producer().unwrap(), BTreeMap::new());
    for i in 0..n {
        let key = format!("key-{}", (i * 7 + i / 3) % n_keys);
        let record = OutputRecord {
            topic: TopicName::from(format!("{prefix}-in")),
            partition: None,
            key: Some(Bytes::from(key.clone())),
            value: Some(Bytes::from(i.to_string())),
            timestamp: SystemClock.now(),
            headers: Default::default(),
        };
        producer.send(record).unwrap();
        *truth.entry(key).or_default() += 1;
    }
    // What a fault keeps from being stored is sent again.
    loop {
        let failures = producer.flush(PATIENCE).unwrap();
        if failures.is_empty() {
            return truth;
        }
        failures.into_iter().for_each(|failure| producer.send(failure.record).unwrap());
    }
}

pub(crate) fn config() -> RuntimeConfig {
    RuntimeConfig {
        n_workers: 2,
        commit_interval: Duration::from_millis(10),
        batch: 20,
        ..RuntimeConfig::exactly_once()
    }
}

pub(crate) fn start(broker: Arc<dyn Broker>, prefix: &str, config: RuntimeConfig) -> Result<Runtime, RuntimeError> {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    Runtime::start(topology(prefix), platform, config)
}

/// All that a reader of committed records finds in the output topic.
pub(crate) fn outputs(broker: &dyn Broker, prefix: &str) -> Vec<LogRecord> {
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let partition = TopicPartition::new(format!("{prefix}-out"), partition);
        let end = broker.log_end(&partition).unwrap();
        let mut reader = broker.reader(&partition, 0, Arc::new(|| {})).unwrap();
        let started = Instant::now();
        while reader.position() < end {
            reader.poll(1_000, &mut all).unwrap();
            assert!(started.elapsed() < PATIENCE, "{partition} is read up to {} of {end}", reader.position());
        }
    }
    all
}

/// Each key's counts, in the order of the log.
fn counts(records: &[LogRecord]) -> BTreeMap<String, Vec<i64>> {
    let mut counts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records {
        let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
        let value = record.value.clone().unwrap();
        counts.entry(key).or_default().push(i64::from_be_bytes(value[..].try_into().unwrap()));
    }
    counts
}

#[track_caller]
pub(crate) fn assert_exactly_once(broker: &dyn Broker, prefix: &str, truth: &BTreeMap<String, i64>, what: &str) {
    let found = counts(&outputs(broker, prefix));
    for (key, n) in truth {
        let expected: Vec<_> = (1..=*n).collect();
        let found = found.get(key).cloned().unwrap_or_default();
        let first = expected.iter().zip(&found).position(|(a, b)| a != b);
        assert_eq!(found.len(), expected.len(), "{what}: {key} differs at {first:?}: {found:?}");
        assert_eq!(first, None, "{what}: {key}: {found:?}");
    }
    assert_eq!(found.len(), truth.len(), "{what}");
}

pub(crate) fn await_outputs(broker: &dyn Broker, app: &Runtime, prefix: &str, n: usize) {
    let input = |p| TopicPartition::new(format!("{prefix}-in"), p);
    let done = || {
        (0..PARTITIONS).all(|p| {
            let committed = broker.committed(&format!("{prefix}-app"), &[input(p)]);
            let committed = committed.ok().and_then(|mut found| found.pop()?).map_or(0, |it| it.offset);
            committed >= broker.watermarks(&input(p)).unwrap().high
        })
    };
    until(PATIENCE, || format!("{n} records are not processed; {}", app.state()), done);
}

/// One life after another on one log, each ended by its fate.
fn lives(seed: u64, process_id: Option<&str>) {
    let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), format!("seed-{seed}"));
    create_topics(&log, &prefix);
    let mut truth = fill(&log, &prefix, 400, 13);
    let mut random = Random(seed);
    let config = RuntimeConfig {
        process_id: process_id.map(str::to_owned),
        transaction_timeout: Duration::from_millis(200),
        ..config()
    };
    for _ in 0..6 {
        let fate = Fate::new(random.below(300) + 2, random.below(2) == 0, || {});
        let app = start(Doomed::new(Arc::new(log.clone()), &fate), &prefix, config.clone());
        for (key, n) in fill(&log, &prefix, 100, 13) {
            *truth.entry(key).or_default() += n;
        }
        if let Ok(app) = app {
            app.state_cell().wait(Duration::from_millis(400), AppState::is_final);
            drop(app);
        }
        log.faults().expel_all(&format!("{prefix}-app"));
    }
    let app = start(Arc::new(log.clone()), &prefix, config).unwrap();
    await_outputs(&log, &app, &prefix, 1_000);
    app.close().unwrap();
    assert_exactly_once(&log, &prefix, &truth, &format!("seed {seed}"));
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n).try_into().unwrap()
    }
}

fn seeds() -> u64 {
    std::env::var("NOWFOLD_CRASH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(8)
}

#[test]
fn a_process_that_dies_at_any_operation_and_comes_back_under_its_name_loses_and_doubles_nothing() {
    (0..seeds()).for_each(|seed| lives(seed, Some("me")));
}

#[test]
fn a_process_that_dies_at_any_operation_and_is_replaced_by_another_loses_and_doubles_nothing() {
    (1_000..1_000 + seeds()).for_each(|seed| lives(seed, None));
}

#[test]
fn members_that_are_expelled_and_appends_commits_and_answers_that_fail_lose_and_double_nothing() {
    for seed in 0..4 {
        let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), format!("storm-{seed}"));
        create_topics(&log, &prefix);
        let group = format!("{prefix}-app");
        let both = [0, 1].map(|_| start(Arc::new(log.clone()), &prefix, config()).unwrap());
        let (mut truth, mut random): (BTreeMap<String, i64>, _) = (BTreeMap::new(), Random(seed));
        for _ in 0..15 {
            for (key, n) in fill(&log, &prefix, 150, 13) {
                *truth.entry(key).or_default() += n;
            }
            match random.below(5) {
                0 => log.faults().lose_answers(2),
                1 => _ = log.faults().expel_all(&group),
                2 => log.faults().fail_commits(2),
                3 => log.faults().fail_appends(3),
                _ => {
                    let at = TopicPartition::new(format!("{prefix}-in"), i32::try_from(random.below(4)).unwrap());
                    log.faults().expel_owner(&group, &at);
                }
            }
            std::thread::park_timeout(Duration::from_millis(u64::try_from(random.below(60)).unwrap()));
        }
        log.faults().clear();
        await_outputs(&log, &both[0], &prefix, 15 * 150);
        both.into_iter().for_each(|app| _ = app.close().unwrap());
        assert_exactly_once(&log, &prefix, &truth, &format!("storm {seed}"));
    }
}

#[test]
fn a_hand_over_while_records_flow_loses_and_doubles_nothing() {
    let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), "hand-over");
    create_topics(&log, prefix);
    let mut truth = fill(&log, prefix, 2_000, 29);
    let first = start(Arc::new(log.clone()), prefix, config()).unwrap();
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(start(Arc::new(log.clone()), prefix, config()).unwrap());
        for (key, n) in fill(&log, prefix, 1_000, 29) {
            *truth.entry(key).or_default() += n;
        }
        if others.len() > 1 {
            others.remove(0).close().unwrap();
        }
    }
    await_outputs(&log, &first, prefix, 5_000);
    others.into_iter().for_each(|app| _ = app.close().unwrap());
    first.close().unwrap();
    assert_exactly_once(&log, prefix, &truth, "hand-over");
}

#[test]
fn a_record_that_is_refused_becomes_a_dead_letter_once() {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    for (name, settings) in [("big-in", vec![]), ("big-out", vec![("max.message.bytes", "200")]), ("letters", vec![])] {
        let config = settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        log.create_topic(&TopicSpec { name: name.into(), partitions: Some(1), config }).unwrap();
    }
    let app = StreamsBuilder::new("big");
    app.dead_letters("letters");
    app.on_produce_error(|_| Verdict::DeadLetter);
    app.stream("big-in", Plain::<String, String>::new()).to("big-out", Plain::new());
    let platform =
        Platform { broker: Arc::new(log.clone()), clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let app = Runtime::start(app.build().unwrap(), platform, config()).unwrap();
    let mut producer = log.producer().unwrap();
    for (i, length) in [10, 500, 10].into_iter().enumerate() {
        let (key, value) = (Some(Bytes::from(i.to_string())), Some(Bytes::from("x".repeat(length))));
        let (topic, timestamp, headers) = (TopicName::from("big-in"), SystemClock.now(), Default::default());
        producer.send(OutputRecord { topic, partition: Some(0), key, value, timestamp, headers }).unwrap();
    }
    let n = |topic: &str| log.records(&TopicPartition::new(topic, 0)).unwrap().len();
    until(PATIENCE, || app.state().to_string(), || (n("big-out"), n("letters")) == (2, 1));
    app.close().unwrap();
    assert_eq!((n("big-out"), n("letters")), (2, 1));
}

const PREFIX: &str = "NOWFOLD_TEST_EOS_PREFIX";
const NAME: &str = "NOWFOLD_TEST_EOS_NAME";
const DEATH: &str = "NOWFOLD_TEST_EOS_DEATH";

pub(crate) fn connect(bootstrap: &str, name: Option<String>) -> Kafka {
    let mut config = KafkaConfig::new(bootstrap);
    config.session_timeout = Duration::from_secs(6);
    config.instance_id = name;
    Kafka::connect(config).unwrap()
}

#[test]
fn a_broker_that_restarts_and_is_killed_in_the_middle_of_transactions_loses_and_doubles_nothing() {
    let Some(mut broker) = OwnKafka::start("exactly_once") else { return };
    let (kafka, prefix) = (connect(&broker.bootstrap, None), "restarts");
    create_topics(&kafka, prefix);
    let mut truth = fill(&kafka, prefix, 2_000, 97);
    let app = start(Arc::new(connect(&broker.bootstrap, None)), prefix, config()).unwrap();
    for signal in ["KILL", "TERM"] {
        let before = kafka.log_end(&TopicPartition::new(format!("{prefix}-out"), 0)).unwrap();
        for (key, n) in fill(&kafka, prefix, 6_000, 97) {
            *truth.entry(key).or_default() += n;
        }
        let grows = || kafka.log_end(&TopicPartition::new(format!("{prefix}-out"), 0)).is_ok_and(|end| end > before);
        until(PATIENCE, || format!("no outputs; {}", app.state()), grows);
        broker.end(signal);
        broker.revive();
    }
    await_outputs(&kafka, &app, prefix, 14_000);
    app.close().unwrap();
    assert_exactly_once(&kafka, prefix, &truth, "broker restarts");
}

/// A process that dies at operation `death`, counted from its start; static membership brings its partitions back at once.
fn child(prefix: &str, name: &str, death: i64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "exactly_once::a_process_that_dies_at_its_nth_operation", "--nocapture"]);
    child.env(PREFIX, prefix).env(NAME, name).env(DEATH, death.to_string()).stdout(Stdio::null());
    child.spawn().unwrap()
}

#[test]
fn kill_9_of_two_processes_on_kafka_loses_and_doubles_nothing() {
    let Some(bootstrap) = test_kafka("exactly_once") else { return };
    let prefix = format!("eos-{}", std::process::id());
    let kafka = connect(&bootstrap, None);
    create_topics(&kafka, &prefix);
    let (mut truth, mut random, mut killed) = (BTreeMap::<String, i64>::new(), Random(9), 0);
    for round in 0..5 {
        for (key, n) in fill(&kafka, &prefix, 3_000, 97) {
            *truth.entry(key).or_default() += n;
        }
        let deaths = [random.below(1_500) + 20, random.below(1_500) + 20];
        let children = [("one", deaths[0]), ("two", deaths[1])].map(|(name, death)| child(&prefix, name, death));
        for mut child in children {
            let status = child.wait().unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            assert!(signal == Some(9) || status.success(), "round {round}: {status}");
            killed += u32::from(signal == Some(9));
        }
    }
    assert!(killed >= 5, "{killed} of 10 were killed at work");
    let config = RuntimeConfig { process_id: Some("one".into()), ..config() };
    let app = start(Arc::new(connect(&bootstrap, Some("one".into()))), &prefix, config).unwrap();
    await_outputs(&kafka, &app, &prefix, 15_000);
    app.close().unwrap();
    assert_exactly_once(&kafka, &prefix, &truth, "kill -9");
}

/// The child of the test above; nothing by itself. It ends in order when there is nothing left to do.
#[test]
fn a_process_that_dies_at_its_nth_operation() {
    let (Ok(prefix), Ok(name), Ok(death)) = (std::env::var(PREFIX), std::env::var(NAME), std::env::var(DEATH)) else {
        return;
    };
    let bootstrap = test_kafka("exactly_once").unwrap();
    let death: i64 = death.parse().unwrap();
    let fate = Fate::new(death, death % 2 == 0, || {
        Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
        loop {
            std::thread::park();
        }
    });
    let kafka = connect(&bootstrap, Some(name.clone()));
    let config = RuntimeConfig { process_id: Some(name), ..config() };
    let app = start(Doomed::new(Arc::new(kafka), &fate), &prefix, config).unwrap();
    app.state_cell().wait(Duration::from_secs(12), AppState::is_final);
    app.close().unwrap();
}
