//! What an application does about topics that forget or change, registries that are late, and hand-overs that hang.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nowfold::core::names::{Offset, TopicName, TopicPartition};
use nowfold::core::record::OutputRecord;
use nowfold::core::serde::{Deserializer, Format, Pair, SerdeEnv, SerdeError, Utf8};
use nowfold::embedded::EmbeddedLog;
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, BrokerError, TopicSpec};
use nowfold::runtime::membership::{Membership, MembershipEvent, OffsetCommit};
use nowfold::runtime::{AppState, Platform, RuntimeConfig, RuntimeError, Streams as Runtime, SystemClock};

use super::meddler::Meddler;
use super::support::until;

const PATIENCE: Duration = Duration::from_secs(30);

fn log_with(topics: &[(&str, i32)]) -> EmbeddedLog {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    for (name, partitions) in topics {
        let config = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        let spec = TopicSpec { name: (*name).into(), partitions: Some(*partitions), config };
        log.create_topic(&spec).unwrap();
    }
    log
}

fn config() -> RuntimeConfig {
    RuntimeConfig { n_workers: 2, commit_interval: Duration::from_millis(10), batch: 50, ..RuntimeConfig::default() }
}

fn try_start(broker: Arc<dyn Broker>, topology: Topology, config: RuntimeConfig) -> Result<Runtime, RuntimeError> {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    Runtime::start(topology, platform, config)
}

fn copying() -> Topology {
    let app = StreamsBuilder::new("robust");
    app.stream("in", Plain::<String, String>::new()).to("out", Plain::new());
    app.build().unwrap()
}

fn send(log: &EmbeddedLog, topic: &str, partition: i32, values: impl IntoIterator<Item = String>) {
    let mut producer = log.producer().unwrap();
    for value in values {
        let (key, value) = (Some(Bytes::from("key")), Some(Bytes::from(value)));
        let (topic, timestamp, headers) = (TopicName::from(topic), SystemClock.now(), Default::default());
        producer.send(OutputRecord { topic, partition: Some(partition), key, value, timestamp, headers }).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn commit(log: &EmbeddedLog, group: &str, topic: &str, offset: Offset) {
    let mut member = log.join(group, &[topic.into()]).unwrap();
    until(PATIENCE, || "no partitions".into(), || member.poll(Duration::from_millis(5)).unwrap().is_some());
    let partition = TopicPartition::new(topic, 0);
    member.commit(&[OffsetCommit { partition, offset, metadata: String::new() }]).unwrap();
    member.leave(PATIENCE).unwrap();
}

/// A member that notes how often each partition's offset was committed.
#[derive(Debug)]
struct Noting {
    inner: Box<dyn Membership>,
    commits: Arc<Mutex<BTreeMap<TopicPartition, u32>>>,
}

impl Membership for Noting {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        self.inner.poll(timeout)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        self.inner.release()
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let mut commits = self.commits.lock().unwrap();
        offsets.iter().for_each(|offset| *commits.entry(offset.partition.clone()).or_default() += 1);
        self.inner.commit(offsets)
    }

    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.inner.leave(timeout)
    }
}

#[test]
fn offsets_of_idle_partitions_are_committed_again_and_again() {
    let log = log_with(&[("in", 2), ("out", 1)]);
    let commits = Arc::new(Mutex::new(BTreeMap::new()));
    let noted = commits.clone();
    let wrap = move |inner| Box::new(Noting { inner, commits: noted.clone() }) as Box<dyn Membership>;
    let config = RuntimeConfig { recommit_interval: Duration::from_millis(30), ..config() };
    let app = try_start(Meddler::new(Arc::new(log.clone()), wrap), copying(), config).unwrap();
    let idle = TopicPartition::new("in", 1);
    let n = || commits.lock().unwrap().get(&idle).copied().unwrap_or(0);
    until(PATIENCE, || format!("{} commits", n()), || n() >= 5);
    app.close().unwrap();
    assert_eq!(log.committed("robust", &[idle]).unwrap().pop().flatten().map(|it| it.offset), Some(0));
}

#[test]
fn without_new_records_nothing_is_committed_before_the_time() {
    let log = log_with(&[("in", 2), ("out", 1)]);
    let commits = Arc::new(Mutex::new(BTreeMap::new()));
    let noted = commits.clone();
    let wrap = move |inner| Box::new(Noting { inner, commits: noted.clone() }) as Box<dyn Membership>;
    let app = try_start(Meddler::new(Arc::new(log.clone()), wrap), copying(), config()).unwrap();
    app.await_running(PATIENCE).unwrap();
    let busy = || commits.lock().unwrap().get(&TopicPartition::new("in", 0)).copied().unwrap_or(0);
    for i in 0..20 {
        let before = busy();
        send(&log, "in", 0, [i.to_string()]);
        until(PATIENCE, || "the busy partition is not committed".into(), || busy() > before);
    }
    app.close().unwrap();
    let idle = commits.lock().unwrap().get(&TopicPartition::new("in", 1)).copied().unwrap_or(0);
    assert!(idle <= 2, "one commit for each opening of a task, not {idle}");
}

/// A format that needs a registry which is away for some calls.
#[derive(Clone)]
struct Late {
    set_ups: Arc<AtomicU32>,
    away: Arc<AtomicBool>,
    fatal: bool,
}

impl Late {
    fn new(set_ups: u32, away: bool) -> Self {
        Self { set_ups: Arc::new(AtomicU32::new(set_ups)), away: Arc::new(AtomicBool::new(away)), fatal: false }
    }
}

fn unavailable() -> SerdeError {
    SerdeError::RegistryUnavailable { cause: "it is late".into() }
}

impl Format for Late {
    fn name(&self) -> Cow<'static, str> {
        "late".into()
    }

    fn configure(&self, _: &SerdeEnv) -> Result<(), SerdeError> {
        if self.fatal {
            return Err(SerdeError::invalid("late", "never"));
        }
        let left = self.set_ups.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_or(Ok(()), |_| Err(unavailable()))
    }
}

impl Deserializer<String> for Late {
    fn deserialize(&self, _: &TopicName, bytes: &Bytes) -> Result<String, SerdeError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(unavailable());
        }
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

fn with_table(late: &Late) -> Topology {
    let app = StreamsBuilder::new("robust");
    let _: GlobalTable<String, String> = app.global_table("table", Pair::new(Utf8, late.clone()));
    app.stream("in", Plain::<String, String>::new()).to("out", Plain::new());
    app.build().unwrap()
}

#[test]
fn serdes_that_a_late_registry_keeps_waiting_are_set_up_by_asking_again() {
    let log = log_with(&[("in", 1), ("out", 1), ("table", 1)]);
    let late = Late::new(3, false);
    let app = try_start(Arc::new(log), with_table(&late), config()).unwrap();
    app.await_running(PATIENCE).unwrap();
    app.close().unwrap();
    assert_eq!(late.set_ups.load(Ordering::Relaxed), 0);
}

#[test]
fn serdes_that_can_never_be_set_up_fail_at_once_and_a_silent_registry_after_the_time() {
    let log = log_with(&[("in", 1), ("out", 1), ("table", 1)]);
    let begun = Instant::now();
    let late = Late { fatal: true, ..Late::new(0, false) };
    let error = try_start(Arc::new(log.clone()), with_table(&late), config()).unwrap_err();
    assert!(!error.is_retriable() && begun.elapsed() < PATIENCE, "{error}");
    let config = RuntimeConfig { stall_timeout: Duration::from_millis(300), ..config() };
    let error = try_start(Arc::new(log), with_table(&Late::new(u32::MAX, false)), config).unwrap_err();
    assert!(error.is_retriable() && error.to_string().starts_with("NF107"), "{error}");
}

#[test]
fn a_global_table_waits_for_a_late_registry_and_says_what_it_waits_for_when_that_takes_too_long() {
    let log = log_with(&[("in", 1), ("out", 1), ("table", 1)]);
    send(&log, "table", 0, (0..10).map(|i| i.to_string()));
    let late = Late::new(0, true);
    let impatient = RuntimeConfig { stall_timeout: Duration::from_millis(300), ..config() };
    let error = try_start(Arc::new(log.clone()), with_table(&late), impatient).unwrap_err().to_string();
    assert!(error.starts_with("NF124"), "{error}");
    for word in ["table-0", "0 of 10", "it is late", "stall_timeout"] {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    let back = late.away.clone();
    let registry = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(300));
        back.store(false, Ordering::Relaxed);
    });
    let app = try_start(Arc::new(log), with_table(&late), config()).unwrap();
    registry.join().unwrap();
    app.await_running(PATIENCE).unwrap();
    app.close().unwrap();
}

#[test]
fn a_topic_that_ends_before_the_committed_offset_was_created_again_and_is_not_read() {
    let log = log_with(&[("in", 1), ("out", 1)]);
    send(&log, "in", 0, (0..5).map(|i| i.to_string()));
    commit(&log, "robust", "in", 100);
    let app = try_start(Arc::new(log.clone()), copying(), config()).unwrap();
    let state = app.state_cell().wait(PATIENCE, AppState::is_final);
    let AppState::Failed { reason } = state else { panic!("{state}") };
    assert!(reason.starts_with("NF122") && reason.contains("--reset-offsets"), "{reason}");
    assert!(log.records(&TopicPartition::new("out", 0)).unwrap().is_empty());
    assert!(app.close().is_err());
}

#[test]
fn a_partition_that_is_left_has_no_lag_here_any_more() {
    let render = nowfold::serve::install_recorder().unwrap();
    let log = log_with(&[("lagging", 1), ("out", 1)]);
    send(&log, "lagging", 0, (0..7).map(|i| i.to_string()));
    let late = Late::new(0, true);
    let app = StreamsBuilder::new("robust");
    let lagging = app.stream::<String, String>("lagging", Pair::new(Utf8, late));
    lagging.to("out", Plain::new());
    let app = try_start(Arc::new(log), app.build().unwrap(), config()).unwrap();
    let lag = || {
        let page = render();
        let line = page.lines().find(|line| line.starts_with("nowfold_lag_records") && line.contains("lagging"));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, lag)| lag.to_owned())
    };
    until(PATIENCE, || format!("{:?}", lag()), || lag().as_deref() == Some("7"));
    app.close().unwrap();
    assert_eq!(lag().as_deref(), Some("0"));
}

/// A gate that the mapping waits at.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicBool, AtomicU32)>);

impl Gate {
    fn pass(&self) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
        while !self.0.0.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    fn open(&self) {
        self.0.0.store(true, Ordering::Relaxed);
    }

    fn n_waiting(&self) -> u32 {
        self.0.1.load(Ordering::Relaxed)
    }
}

fn gated(gate: &Gate) -> Topology {
    let gate = gate.clone();
    let app = StreamsBuilder::new("robust");
    let copies = app.stream("in", Plain::<String, String>::new()).peek("gate", move |_, value| {
        if value == "wait" {
            gate.pass();
        }
    });
    copies.to("out", Plain::new());
    app.build().unwrap()
}

#[test]
fn an_operator_that_hangs_does_not_hold_its_partition_back_from_the_next_owner() {
    let log = log_with(&[("in", 2), ("out", 1)]);
    let gate = Gate::default();
    let config = RuntimeConfig { n_workers: 1, handover_timeout: Duration::from_millis(300), ..config() };
    let first = try_start(Arc::new(log.clone()), gated(&gate), config.clone()).unwrap();
    first.await_running(PATIENCE).unwrap();
    (0..2).for_each(|partition| send(&log, "in", partition, ["wait".to_owned()]));
    until(PATIENCE, || "nothing waits".into(), || gate.n_waiting() == 1);
    let second = try_start(Arc::new(log.clone()), copying(), config).unwrap();
    until(PATIENCE, || format!("{:?}", second.task_ids()), || second.task_ids().len() == 1);
    second.await_running(PATIENCE).unwrap();
    gate.open();
    let copies = || log.records(&TopicPartition::new("out", 0)).unwrap().len();
    until(PATIENCE, || copies().to_string(), || copies() >= 2);
    first.close().unwrap();
    second.close().unwrap();
}

#[test]
fn a_close_during_a_hand_over_that_hangs_is_bounded() {
    let log = log_with(&[("in", 2), ("out", 1)]);
    let gate = Gate::default();
    let config = RuntimeConfig { n_workers: 1, close_timeout: Duration::from_millis(500), ..config() };
    let first = try_start(Arc::new(log.clone()), gated(&gate), config.clone()).unwrap();
    first.await_running(PATIENCE).unwrap();
    (0..2).for_each(|partition| send(&log, "in", partition, ["wait".to_owned()]));
    until(PATIENCE, || "nothing waits".into(), || gate.n_waiting() == 1);
    let second = try_start(Arc::new(log.clone()), copying(), config).unwrap();
    let closing = Instant::now();
    let closed = first.close();
    assert!(closing.elapsed() < Duration::from_secs(5), "{:?} {closed:?}", closing.elapsed());
    gate.open();
    until(PATIENCE, || format!("{:?}", second.task_ids()), || second.task_ids().len() == 2);
    second.close().unwrap();
}

#[test]
fn a_close_tells_how_many_partitions_it_could_not_commit() {
    let log = log_with(&[("in", 2), ("out", 1)]);
    let config = RuntimeConfig { commit_interval: PATIENCE, close_timeout: Duration::from_millis(500), ..config() };
    let app = try_start(Arc::new(log.clone()), copying(), config).unwrap();
    app.await_running(PATIENCE).unwrap();
    (0..2).for_each(|partition| send(&log, "in", partition, ["value".to_owned()]));
    let copies = || log.records(&TopicPartition::new("out", 0)).unwrap().len();
    until(PATIENCE, || copies().to_string(), || copies() == 2);
    // They are tried again for as long as a close may take.
    log.faults().fail_commits(100_000);
    let report = app.close().unwrap();
    assert_eq!(report.uncommitted, 2);
    assert!(report.to_string().contains("2 partitions uncommitted"), "{report}");
}
