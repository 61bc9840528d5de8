//! Several instances of one application: shares, take-overs, joins under load, and a crash.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nowfold::core::query::QueryError;
use nowfold::core::serde::SerdeEnv;
use nowfold::embedded::EmbeddedLog;
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::operators::Features;
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, TopicSpec};
use nowfold::runtime::{AppState, Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::support::{Click, test_kafka, until};

const PATIENCE: Duration = Duration::from_secs(60);
const PREFIX: &str = "NOWFOLD_TEST_INSTANCE_PREFIX";
const N_MEMBERS: usize = 53;
const N_TASKS: usize = 8;

pub(crate) fn topology(prefix: &str) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.stream(format!("{prefix}-clicks"), Json::<(), Click>::new())
        .to_actions("standardize", |(), c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .through(format!("{prefix}-actions"))
        .materialize(Actions::named("activity").features([feature("all").count().within(hours(96))]));
    app.build().unwrap()
}

pub(crate) fn start(broker: Arc<dyn Broker>, prefix: &str) -> Runtime {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let commit_interval = Duration::from_millis(50);
    let config = RuntimeConfig { n_workers: 2, commit_interval, ..RuntimeConfig::default() };
    Runtime::start(topology(prefix), platform, config).unwrap()
}

pub(crate) fn connect(bootstrap: &str) -> Kafka {
    let mut config = KafkaConfig::new(bootstrap);
    config.session_timeout = Duration::from_secs(6);
    Kafka::connect(config).unwrap()
}

pub(crate) fn count(app: &Runtime, member: &str) -> Result<u64, QueryError> {
    let answer = Features::new(app.hub(), app.clock(), "activity").of(member)?;
    Ok(answer.count("all").unwrap())
}

/// Clicks that flow until they are stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<String, u64>>,
}

impl Load {
    pub(crate) fn start(broker: Arc<dyn Broker>, prefix: &str) -> Self {
        let name = format!("{prefix}-clicks");
        let topic = TopicSpec { name: name.as_str().into(), partitions: Some(4), config: BTreeMap::new() };
        broker.create_topic(&topic).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let serdes = SerdeEnv::default();
            let mut clicks = Producer::open(broker.as_ref(), &serdes, &name, Json::<String, Click>::new()).unwrap();
            let mut truth = BTreeMap::new();
            for i in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let member = format!("member-{}", i % N_MEMBERS);
                let now = SystemClock.now();
                let click = Click::new(&member, "apply", &format!("job-{i}"), now.as_millis() - 1_000);
                clicks.send(&member, &click, now).unwrap();
                *truth.entry(member).or_default() += 1;
                std::thread::park_timeout(Duration::from_micros(500));
            }
            clicks.flush(Duration::from_secs(120)).unwrap();
            truth
        });
        Self { stop, thread }
    }

    pub(crate) fn finish(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Waits until every member is answered by exactly one of the instances, and right.
#[track_caller]
fn await_one_answer_each(apps: &[&Runtime], truth: &BTreeMap<String, u64>) {
    for (member, n) in truth {
        let answers = || apps.iter().map(|app| count(app, member)).collect::<Vec<_>>();
        let right = |answers: &[Result<u64, QueryError>]| {
            let other = |answer: &&Result<u64, QueryError>| matches!(answer, Err(QueryError::NotOwner { .. }));
            answers.contains(&Ok(*n)) && answers.iter().filter(other).count() == apps.len() - 1
        };
        until(PATIENCE, || format!("{member}: {:?} of {n}", answers()), || right(&answers()));
    }
}

#[track_caller]
fn await_shares(apps: &[&Runtime]) {
    let shares = || apps.iter().map(|app| app.task_ids().len()).collect::<Vec<_>>();
    let shared = || {
        let shares = shares();
        shares.iter().sum::<usize>() == N_TASKS && !shares.contains(&0)
    };
    until(PATIENCE, || format!("{:?} {:?}", shares(), apps.iter().map(|app| app.state()).collect::<Vec<_>>()), shared);
    for app in apps {
        app.await_running(PATIENCE).unwrap();
    }
}

/// Two share, one leaves, a third joins, all while clicks flow.
fn come_and_go(connect: impl Fn() -> Arc<dyn Broker>, prefix: &str) {
    let load = Load::start(connect(), prefix);
    let first = start(connect(), prefix);
    first.await_running(PATIENCE).unwrap();
    let second = start(connect(), prefix);
    await_shares(&[&first, &second]);
    first.close().unwrap();
    await_shares(&[&second]);
    let third = start(connect(), prefix);
    await_shares(&[&second, &third]);
    let truth = load.finish();
    await_one_answer_each(&[&second, &third], &truth);
    assert!(truth.values().sum::<u64>() > 100, "clicks did flow");
    second.close().unwrap();
    await_shares(&[&third]);
    await_one_answer_each(&[&third], &truth);
    third.close().unwrap();
}

#[test]
fn instances_on_the_embedded_log_come_and_go_under_load() {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    come_and_go(|| Arc::new(log.clone()), "shared");
}

#[test]
fn instances_on_kafka_come_and_go_under_load() {
    let Some(bootstrap) = test_kafka("instances") else { return };
    come_and_go(|| Arc::new(connect(&bootstrap)), &format!("shared-{}", std::process::id()));
}

#[test]
fn the_partitions_of_a_killed_instance_go_to_the_other() {
    let Some(bootstrap) = test_kafka("instances") else { return };
    let prefix = format!("killed-{}", std::process::id());
    let load = Load::start(Arc::new(connect(&bootstrap)), &prefix);
    let app = start(Arc::new(connect(&bootstrap)), &prefix);
    app.await_running(PATIENCE).unwrap();
    let mut child = instance(&prefix);
    until(PATIENCE, || "the other got nothing".to_owned(), || app.task_ids().len() < N_TASKS);
    until(PATIENCE, || "this one has nothing".to_owned(), || !app.task_ids().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    await_shares(&[&app]);
    let truth = load.finish();
    await_one_answer_each(&[&app], &truth);
    app.close().unwrap();
}

fn instance(prefix: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "instances::another_instance_in_a_process_of_its_own", "--nocapture"]);
    child.env(PREFIX, prefix).stdout(Stdio::null()).spawn().unwrap()
}

/// The child of the test above; nothing by itself.
#[test]
fn another_instance_in_a_process_of_its_own() {
    let Ok(prefix) = std::env::var(PREFIX) else { return };
    let app = start(Arc::new(connect(&test_kafka("instances").unwrap())), &prefix);
    app.state_cell().wait(Duration::from_secs(120), AppState::is_final);
}
