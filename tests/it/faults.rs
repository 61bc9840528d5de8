//! The runtime on an embedded log that fails: lost members, failing commits and appends, panics, groups that hang.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nowfold::core::names::{TopicName, TopicPartition};
use nowfold::core::record::OutputRecord;
use nowfold::core::serde::SerdeEnv;
use nowfold::embedded::EmbeddedLog;
use nowfold::operators::Features;
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, BrokerError, TopicSpec};
use nowfold::runtime::membership::{Generation, Membership, MembershipEvent, OffsetCommit};
use nowfold::runtime::{AppState, Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::meddler::Meddler;
use super::support::{Click, until};

const PATIENCE: Duration = Duration::from_secs(30);
const N_MEMBERS: usize = 37;

fn topology() -> Topology {
    let app = StreamsBuilder::new("faulty");
    app.stream("clicks", Json::<(), Click>::new())
        .to_actions("standardize", |(), c| {
            assert!(c.kind != "panic", "the mapping does not like this click");
            Action::new(c.member, c.kind, c.job).at_ms(c.at_ms)
        })
        .through("actions")
        .materialize(Actions::named("activity").features([feature("all").count().within(hours(96))]));
    app.build().unwrap()
}

fn log_with(topics: &[(&str, i32)]) -> EmbeddedLog {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    for (name, partitions) in topics {
        let spec = TopicSpec { name: (*name).into(), partitions: Some(*partitions), config: BTreeMap::new() };
        log.create_topic(&spec).unwrap();
    }
    log
}

fn config() -> RuntimeConfig {
    RuntimeConfig { n_workers: 2, commit_interval: Duration::from_millis(10), batch: 50, ..RuntimeConfig::default() }
}

fn start_on(broker: Arc<dyn Broker>, topology: Topology, config: RuntimeConfig) -> Runtime {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    Runtime::start(topology, platform, config).unwrap()
}

fn start(broker: Arc<dyn Broker>) -> Runtime {
    let app = start_on(broker, topology(), config());
    app.await_running(PATIENCE).unwrap();
    app
}

fn send(log: &EmbeddedLog, clicks: impl IntoIterator<Item = Click>) -> BTreeMap<String, u64> {
    let mut producer = Producer::open(log, &SerdeEnv::default(), "clicks", Json::<String, Click>::new()).unwrap();
    let mut truth = BTreeMap::new();
    for click in clicks {
        producer.send(&click.member, &click, SystemClock.now()).unwrap();
        *truth.entry(click.member).or_default() += 1;
    }
    producer.flush(PATIENCE).unwrap();
    truth
}

fn click(i: usize) -> Click {
    Click::new(&format!("member-{}", i % N_MEMBERS), "apply", "job", SystemClock.now().as_millis() - 1_000)
}

/// Waits until every member's count is right, bounded.
#[track_caller]
fn await_truth(app: &Runtime, truth: &BTreeMap<String, u64>) {
    let features = Features::new(app.hub(), app.clock(), "activity");
    let count = |member: &String| features.of(member.as_str()).map(|answer| answer.count("all").unwrap());
    for (member, n) in truth {
        until(
            PATIENCE,
            || format!("{member}: {:?} of {n}; {}", count(member), app.state()),
            || count(member) == Ok(*n),
        );
    }
}

fn committed(log: &EmbeddedLog, topic: &str, partition: i32) -> i64 {
    let at = TopicPartition::new(topic, partition);
    log.committed("faulty", &[at]).unwrap().pop().flatten().map_or(0, |committed| committed.offset)
}

#[test]
fn expelled_members_come_back_and_every_event_counts_once() {
    let log = log_with(&[("clicks", 4)]);
    let app = start(Arc::new(log.clone()));
    let mut truth: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..20_usize {
        let sent = send(&log, (0..400).map(|i| click(i * 7 + round)));
        sent.into_iter().for_each(|(member, n)| *truth.entry(member).or_default() += n);
        if round % 3 == 0 {
            log.faults().expel_all("faulty");
        } else {
            let at = TopicPartition::new(["clicks", "actions"][round % 2], i32::try_from(round % 4).unwrap());
            log.faults().expel_owner("faulty", &at);
        }
    }
    await_truth(&app, &truth);
    app.await_running(PATIENCE).unwrap();
    assert_eq!(app.task_ids().len(), 8);
    app.close().unwrap();
    let total: i64 = (0..4).map(|p| committed(&log, "clicks", p)).sum();
    assert_eq!(total, 20 * 400, "everything is committed");
}

#[test]
fn an_application_that_lost_its_partitions_is_not_running_but_answers_on() {
    let log = log_with(&[("clicks", 4)]);
    let gate = Arc::new(AtomicBool::new(false));
    let closed = gate.clone();
    let broker = Meddler::new(Arc::new(log.clone()), move |inner| Box::new(Gated { inner, closed: closed.clone() }));
    let app = start(broker);
    let truth = send(&log, (0..200).map(click));
    await_truth(&app, &truth);
    gate.store(true, Ordering::Relaxed);
    log.faults().expel_all("faulty");
    let state = app.state_cell().wait(PATIENCE, |state| *state == AppState::Rebalancing);
    assert_eq!((state, app.task_ids().len()), (AppState::Rebalancing, 0));
    await_truth(&app, &truth);
    gate.store(false, Ordering::Relaxed);
    app.await_running(PATIENCE).unwrap();
    app.close().unwrap();
}

/// A member that hears of losses only, while `closed`.
#[derive(Debug)]
struct Gated {
    inner: Box<dyn Membership>,
    closed: Arc<AtomicBool>,
}

impl Membership for Gated {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        if !self.closed.load(Ordering::Relaxed) {
            return self.inner.poll(timeout);
        }
        let event = self.inner.poll(timeout)?;
        if let Some(MembershipEvent::Assigned(_)) = event {
            while self.closed.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        }
        Ok(event)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        self.inner.release()
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        self.inner.commit(offsets)
    }

    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.inner.leave(timeout)
    }
}

/// A worker's commit that was under way when its tasks were lost must not reach the group after the rejoin: by then the
/// broker takes it for the new generation's, and another member may have gone further.
#[test]
fn offsets_of_lost_tasks_are_not_committed_in_the_next_generation() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        lost_before_the_commit(RuntimeConfig { guarantee, ..config() });
    }
}

fn lost_before_the_commit(config: RuntimeConfig) {
    let log = log_with(&[("clicks", 1)]);
    let late = Arc::new(AtomicU32::new(0));
    let (seen, records) = (late.clone(), log.clone());
    let broker = Meddler::new(Arc::new(log.clone()), move |inner| {
        let (log, late) = (records.clone(), seen.clone());
        Box::new(Zombie { inner, log, late, stage: Stage::Before })
    });
    let app = start_on(broker, topology(), config);
    app.await_running(PATIENCE).unwrap();
    let truth = send(&log, (0..100).map(click));
    await_truth(&app, &truth);
    until(PATIENCE, || "never rejoined".to_owned(), || committed(&log, "clicks", 0) == 100);
    app.close().unwrap();
    assert_eq!(late.load(Ordering::Relaxed), 0, "commits of tasks that had been lost");
}

#[derive(Debug, PartialEq)]
enum Stage {
    Before,
    Lost,
    Released,
    Over,
}

/// Once some clicks are mapped and their commit is due, the member loses everything, and notes every commit between
/// its rejoin and the next assignment.
#[derive(Debug)]
struct Zombie {
    inner: Box<dyn Membership>,
    log: EmbeddedLog,
    late: Arc<AtomicU32>,
    stage: Stage,
}

impl Zombie {
    /// Actions that were written, committed or not.
    fn n_actions(&self) -> i64 {
        self.log.log_end(&TopicPartition::new("actions", 0)).unwrap_or(0)
    }
}

impl Membership for Zombie {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        if self.stage == Stage::Before && self.log.watermarks(&TopicPartition::new("clicks", 0))?.high == 100 {
            // The poll takes its time, as one may; the worker maps clicks and asks for its commit meanwhile. It maps no more
            // while it waits for the answer, so all of them cannot be awaited here.
            let since = Instant::now();
            while self.n_actions() == 0 || since.elapsed() < Duration::from_millis(300) {
                std::thread::yield_now();
            }
            assert!(self.log.faults().expel_all("faulty"));
            self.stage = Stage::Lost;
        }
        if self.stage == Stage::Released {
            // The coordinator serves what waits before it polls.
            self.stage = Stage::Over;
        }
        self.inner.poll(timeout)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        if self.stage == Stage::Lost {
            self.stage = Stage::Released;
        }
        self.inner.release()
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        if self.stage == Stage::Released {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        self.inner.commit(offsets)
    }

    fn generation(&self) -> Result<Generation, BrokerError> {
        if self.stage == Stage::Released {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        self.inner.generation()
    }

    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.inner.leave(timeout)
    }
}

#[test]
fn a_panic_in_a_mapping_fails_the_application_with_its_words() {
    let log = log_with(&[("clicks", 4)]);
    let app = start(Arc::new(log.clone()));
    let mut poison = click(0);
    poison.kind = "panic".to_owned();
    send(&log, [poison]);
    let state = app.state_cell().wait(PATIENCE, AppState::is_final);
    let AppState::Failed { reason } = state else { panic!("{state}") };
    assert!(reason.contains("does not like this click"), "{reason}");
    assert!(app.close().is_err());
}

/// Answers the first calls of `release` with "try again", or hangs in `commit`.
#[derive(Debug)]
struct Troubled {
    inner: Box<dyn Membership>,
    failing_releases: u32,
    hanging: Arc<AtomicBool>,
}

impl Membership for Troubled {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        self.inner.poll(timeout)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        if self.failing_releases > 0 {
            self.failing_releases -= 1;
            return Err(BrokerError::Unavailable {
                operation: "release".into(),
                cause: "a commit is under way".into(),
            });
        }
        self.inner.release()
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        while self.hanging.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        self.inner.commit(offsets)
    }

    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.inner.leave(timeout)
    }
}

fn troubled(log: &EmbeddedLog, failing_releases: u32, hanging: &Arc<AtomicBool>) -> Arc<dyn Broker> {
    let hanging = hanging.clone();
    Meddler::new(Arc::new(log.clone()), move |inner| {
        Box::new(Troubled { inner, failing_releases, hanging: hanging.clone() })
    })
}

#[test]
fn a_release_that_the_broker_does_not_take_yet_is_tried_again() {
    let log = log_with(&[("clicks", 4)]);
    let first = start(troubled(&log, 3, &Arc::default()));
    let truth = send(&log, (0..500).map(click));
    await_truth(&first, &truth);
    let second = start_on(Arc::new(log.clone()), topology(), config());
    until(PATIENCE, || first.state().to_string(), || second.task_ids().len() == 4 && first.task_ids().len() == 4);
    first.close().unwrap();
    until(PATIENCE, || second.state().to_string(), || second.task_ids().len() == 8);
    await_truth(&second, &truth);
    second.close().unwrap();
}

#[test]
fn a_close_is_bounded_while_the_group_does_not_answer() {
    let log = log_with(&[("clicks", 4)]);
    let hanging = Arc::new(AtomicBool::new(false));
    let config = RuntimeConfig { close_timeout: Duration::from_millis(500), ..config() };
    let app = start_on(troubled(&log, 0, &hanging), topology(), config);
    app.await_running(PATIENCE).unwrap();
    hanging.store(true, Ordering::Relaxed);
    send(&log, (0..100).map(click));
    let started = Instant::now();
    let error = app.close().unwrap_err().to_string();
    let took = started.elapsed();
    hanging.store(false, Ordering::Relaxed);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(error.contains("close_timeout"), "{error}");
}

#[test]
fn an_instance_for_which_no_partition_is_left_is_running() {
    let log = log_with(&[("clicks", 1)]);
    let first = start(Arc::new(log.clone()));
    let others: Vec<_> = (0..3).map(|_| start_on(Arc::new(log.clone()), topology(), config())).collect();
    others.iter().for_each(|app| app.await_running(PATIENCE).unwrap());
    let all = || others.iter().chain([&first]).map(|app| app.task_ids().len()).sum::<usize>();
    until(PATIENCE, || format!("{} tasks", all()), || all() == 2);
    for app in others {
        app.close().unwrap();
    }
    first.close().unwrap();
}

#[test]
fn storms_of_failing_appends_and_commits_lose_and_double_nothing() {
    for seed in [1, 2, 3] {
        let log = log_with(&[("clicks", 4)]);
        let app = start(Arc::new(log.clone()));
        let clicks: Vec<_> = (0..3_000).map(click).collect();
        let truth = send(&log, clicks);
        log.faults().fail_randomly(seed, 3);
        await_truth(&app, &truth);
        log.faults().fail_appends(50);
        log.faults().fail_commits(50);
        app.await_running(PATIENCE).unwrap();
        log.faults().clear();
        app.close().unwrap();
        let total: i64 = (0..4).map(|p| committed(&log, "clicks", p)).sum();
        assert_eq!(total, 3_000);
    }
}

/// The last record of a key is its state, in changelogs and tables: a record that is sent again must not overtake a later
/// one.
#[test]
fn the_newest_record_of_a_key_stays_the_last_when_an_older_one_is_sent_again() {
    let log = log_with(&[("numbers", 1), ("copies", 1)]);
    let app = StreamsBuilder::new("faulty");
    app.stream("numbers", Plain::<String, i64>::new()).map_values("same", |_, n| n).to("copies", Plain::new());
    let app = start_on(Arc::new(log.clone()), app.build().unwrap(), config());
    app.await_running(PATIENCE).unwrap();
    let mut producer = log.producer().unwrap();
    let record = |i: i64| OutputRecord {
        topic: TopicName::from("numbers"),
        partition: Some(0),
        key: Some(format!("key-{}", i % 5).into_bytes().into()),
        value: Some(i.to_be_bytes().to_vec().into()),
        timestamp: SystemClock.now(),
        headers: Default::default(),
    };
    (0..1_000).for_each(|i| producer.send(record(i)).unwrap());
    producer.flush(PATIENCE).unwrap();
    log.faults().fail_randomly(7, 4);
    let copies = TopicPartition::new("copies", 0);
    until(PATIENCE, || app.state().to_string(), || committed(&log, "numbers", 0) == 1_000);
    log.faults().clear();
    let mut last = BTreeMap::new();
    for record in log.records(&copies).unwrap() {
        last.insert(record.key.clone().unwrap(), record.value.clone().unwrap());
    }
    let last: Vec<_> = last.into_values().map(|value| i64::from_be_bytes(value[..].try_into().unwrap())).collect();
    assert_eq!(last, [995, 996, 997, 998, 999]);
    app.close().unwrap();
}

#[test]
fn a_panic_while_tasks_are_handed_over_ends_the_wait_for_them() {
    let log = log_with(&[("clicks", 4)]);
    let gate = Arc::new(AtomicU32::new(0));
    let (entered, app) = (gate.clone(), StreamsBuilder::new("faulty"));
    app.stream("clicks", Json::<(), Click>::new())
        .map_values("stuck", move |(), click: Click| {
            entered.store(1, Ordering::Relaxed);
            while entered.load(Ordering::Relaxed) < 2 {
                std::thread::yield_now();
            }
            panic!("the mapping gives up on {}", click.member)
        })
        .for_each("never", |(), ()| {});
    let stuck = start_on(Arc::new(log.clone()), app.build().unwrap(), config());
    stuck.await_running(PATIENCE).unwrap();
    send(&log, [click(0)]);
    until(PATIENCE, || "not mapped".into(), || gate.load(Ordering::Relaxed) == 1);
    let group = Broker::join(&log, "faulty", &["clicks".into()]).unwrap();
    gate.store(2, Ordering::Relaxed);
    let state = stuck.state_cell().wait(PATIENCE, AppState::is_final);
    assert!(matches!(&state, AppState::Failed { reason } if reason.contains("gives up")), "{state}");
    assert!(stuck.close().is_err());
    group.leave(PATIENCE).unwrap();
}

#[test]
fn a_close_at_any_moment_of_the_start_keeps_what_was_there() {
    let log = log_with(&[("clicks", 4)]);
    let truth = send(&log, (0..5_000).map(click));
    for i in 0..30_u64 {
        let app = start_on(Arc::new(log.clone()), topology(), config());
        app.state_cell().wait(Duration::from_millis(i * 2), |state| *state == AppState::Running);
        if i % 2 == 0 {
            app.close().unwrap();
        }
    }
    let app = start(Arc::new(log.clone()));
    await_truth(&app, &truth);
    app.close().unwrap();
    let total: i64 = (0..4).map(|p| committed(&log, "clicks", p)).sum();
    assert_eq!(total, 5_000);
}

#[test]
fn topics_with_different_numbers_of_partitions_meet_in_one_task() {
    let log = log_with(&[("clicks", 6), ("few", 2)]);
    let app = StreamsBuilder::new("faulty");
    let few = app.stream("few", Json::<(), Click>::new());
    app.stream("clicks", Json::<(), Click>::new())
        .merge("both", few)
        .to_actions("standardize", |(), c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .through("actions")
        .materialize(Actions::named("activity").features([feature("all").count().within(hours(96))]));
    let config = RuntimeConfig { n_workers: 16, ..config() };
    let app = start_on(Arc::new(log.clone()), app.build().unwrap(), config);
    app.await_running(PATIENCE).unwrap();
    let mut truth = send(&log, (0..500).map(click));
    let mut producer = Producer::open(&log, &SerdeEnv::default(), "few", Json::<String, Click>::new()).unwrap();
    for click in (0..300).map(click) {
        producer.send(&click.member, &click, SystemClock.now()).unwrap();
        *truth.entry(click.member).or_default() += 1;
    }
    producer.flush(PATIENCE).unwrap();
    await_truth(&app, &truth);
    app.close().unwrap();
    let total: i64 = (0..2).map(|p| committed(&log, "few", p)).sum();
    assert_eq!(total, 300);
}
