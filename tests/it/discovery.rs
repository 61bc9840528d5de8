//! Discovery: who owns a key that lives elsewhere, and which topologies may share an application's name.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nowfold::core::names::TopicPartition;
use nowfold::core::query::QueryError;
use nowfold::core::serde::SerdeEnv;
use nowfold::embedded::EmbeddedLog;
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, TopicSpec};
use nowfold::runtime::{AppState, Platform, RuntimeConfig, RuntimeError, Streams as Runtime, SystemClock};

use super::instances::{Load, connect, count, topology};
use super::own_kafka::kafka_jars;
use super::support::{test_kafka, until};

const PATIENCE: Duration = Duration::from_secs(60);

fn config(endpoint: &str) -> RuntimeConfig {
    let (endpoint, commit_interval) = (Some(endpoint.to_owned()), Duration::from_millis(50));
    let heartbeat_interval = Duration::from_millis(200);
    RuntimeConfig { endpoint, commit_interval, heartbeat_interval, ..RuntimeConfig::default() }
}

fn run(broker: Arc<dyn Broker>, topology: Topology, config: RuntimeConfig) -> Result<Runtime, RuntimeError> {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    Runtime::start(topology, platform, config)
}

/// What an instance says of a member: its count, or the endpoint that it names.
fn answer(app: &Runtime, member: &str) -> Result<u64, Option<String>> {
    count(app, member).map_err(|error| match error {
        QueryError::NotOwner { owner, .. } => owner,
        other => Some(other.to_string()),
    })
}

/// Waits until each member is answered by one instance, and the others name that one.
#[track_caller]
fn await_directions(apps: &[(&str, &Runtime)], truth: &BTreeMap<String, u64>) {
    for (member, n) in truth {
        let answers = || apps.iter().map(|(_, app)| answer(app, member)).collect::<Vec<_>>();
        let right = |answers: &[Result<u64, Option<String>>]| {
            let owner = answers.iter().position(|answer| *answer == Ok(*n)).and_then(|i| apps.get(i));
            let others =
                |endpoint: &str| answers.iter().filter(|it| matches!(it, Err(Some(at)) if at == endpoint)).count();
            owner.is_some_and(|(endpoint, _)| others(endpoint) == apps.len() - 1)
        };
        until(PATIENCE, || format!("{member}: {:?} of {n}", answers()), || right(&answers()));
    }
}

/// Two share and name each other; one leaves in order; a third comes.
fn name_each_other(connect: impl Fn() -> Arc<dyn Broker>, prefix: &str) {
    let load = Load::start(connect(), prefix);
    let start = |endpoint| run(connect(), topology(prefix), config(endpoint)).unwrap();
    let (one, two) = (start("one:1"), start("http://two:2"));
    until(
        PATIENCE,
        || "there is no load".to_owned(),
        || count(&one, "member-1").is_ok() || count(&two, "member-1").is_ok(),
    );
    let truth = load.finish();
    await_directions(&[("one:1", &one), ("http://two:2", &two)], &truth);
    one.close().unwrap();
    await_directions(&[("http://two:2", &two)], &truth);
    let three = start("three:3");
    three.announce("three:30");
    await_directions(&[("http://two:2", &two), ("three:30", &three)], &truth);
    two.close().unwrap();
    three.close().unwrap();
}

#[test]
fn instances_on_the_embedded_log_name_the_owner_of_a_key_that_lives_elsewhere() {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    name_each_other(|| Arc::new(log.clone()), "named");
}

#[test]
fn instances_on_kafka_name_the_owner_of_a_key_that_lives_elsewhere() {
    let Some(bootstrap) = test_kafka("discovery") else { return };
    name_each_other(|| Arc::new(connect(&bootstrap)), &format!("named-{}", std::process::id()));
}

/// The status and the location that a server answers.
fn get(address: &str, path: &str) -> (u16, Option<String>, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned);
    (status, location, answer)
}

#[test]
fn a_server_sends_clients_on_to_the_server_that_owns_the_actor() {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    let load = Load::start(Arc::new(log.clone()), "sent-on");
    let start = || {
        let config = Config::embedded_on(log.clone()).http("127.0.0.1:0".parse().unwrap());
        Streams::start(topology("sent-on"), config).unwrap()
    };
    let apps = [start(), start()];
    let addresses = apps.each_ref().map(|app| app.http_address().unwrap().to_string());
    apps.iter().for_each(|app| app.await_running(PATIENCE).unwrap());
    let truth = load.finish();
    let mut n_redirects = 0;
    for member in truth.keys() {
        let path = format!("/v1/actors/{member}/features?features=all");
        let mut last = Vec::new();
        let mut settled = || {
            last = addresses.iter().map(|address| get(address, &path)).collect();
            let owner = last.iter().position(|(status, ..)| *status == 200);
            let expected = owner.and_then(|owner| addresses.get(owner)).map(|owner| format!("http://{owner}{path}"));
            last.iter().filter(|(status, ..)| *status == 307).all(|(_, location, _)| *location == expected)
                && last.iter().all(|(status, ..)| [200, 307].contains(status))
                && expected.is_some()
        };
        until(PATIENCE, || member.clone(), &mut settled);
        n_redirects += last.iter().filter(|(status, ..)| *status == 307).count();
    }
    assert_eq!(n_redirects, truth.len(), "each actor has one owner, and the other server sends on");
    apps.into_iter().for_each(|app| _ = app.close().unwrap());
}

fn counting(app: &str, store: &str) -> Topology {
    let builder = StreamsBuilder::new(app);
    builder.stream("in", Plain::<String, String>::new()).group_by_key("by-key", Plain::new()).count(store);
    builder.build().unwrap()
}

fn log_with(topics: &[(&str, i32)]) -> EmbeddedLog {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    for (name, n) in topics {
        let spec = TopicSpec { name: (*name).into(), partitions: Some(*n), config: BTreeMap::new() };
        log.create_topic(&spec).unwrap();
    }
    log
}

#[test]
fn another_topology_is_refused_beside_living_processes_and_over_their_state() {
    let log = log_with(&[("in", 2)]);
    let start = |store: &str, config| run(Arc::new(log.clone()), counting("guarded", store), config);
    let first = start("counts", config("one:1")).unwrap();
    let refused = start("totals", config("two:2")).unwrap_err();
    assert!(matches!(refused, RuntimeError::TopologyConflict { .. }), "{refused}");
    assert!(refused.to_string().contains("one:1") && refused.to_string().contains("counts"), "{refused}");
    first.close().unwrap();
    let refused = start("totals", config("two:2")).unwrap_err();
    assert!(matches!(refused, RuntimeError::TopologyChanged { .. }), "{refused}");
    let accepting = RuntimeConfig { accept_topology_change: true, ..config("two:2") };
    start("totals", accepting).unwrap().close().unwrap();
    start("totals", config("two:2")).unwrap().close().unwrap();
}

#[test]
fn a_topic_that_got_more_partitions_than_the_changelog_is_refused() {
    let log = log_with(&[("in", 3)]);
    let spec = TopicSpec {
        name: "grown-counts-changelog".into(),
        partitions: Some(2),
        config: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    log.create_topic(&spec).unwrap();
    let refused = run(Arc::new(log), counting("grown", "counts"), config("one:1")).unwrap_err();
    assert!(matches!(refused, RuntimeError::PartitionsChanged { n: 3, of_log: 2, .. }), "{refused}");
}

#[test]
fn partitions_that_are_added_while_an_application_runs_stop_it_and_its_next_start_says_why() {
    let Some(bootstrap) = test_kafka("discovery") else { return };
    let Some(jars) = kafka_jars("discovery") else { return };
    let app = format!("added-{}", std::process::id());
    let topic = format!("{app}-in");
    let mut settings = KafkaConfig::new(&bootstrap);
    settings.raw.insert("topic.metadata.refresh.interval.ms".into(), "500".into());
    let kafka: Arc<dyn Broker> = Arc::new(Kafka::connect(settings).unwrap());
    kafka
        .create_topic(&TopicSpec { name: topic.as_str().into(), partitions: Some(2), config: BTreeMap::new() })
        .unwrap();
    let topology = || {
        let builder = StreamsBuilder::new(&app);
        builder
            .stream(topic.as_str(), Plain::<String, String>::new())
            .group_by_key("by-key", Plain::new())
            .count("counts");
        builder.build().unwrap()
    };
    let running = run(kafka.clone(), topology(), config("one:1")).unwrap();
    running.await_running(PATIENCE).unwrap();
    let mut tool = Command::new("java");
    tool.arg("-cp").arg(format!("{}/*", jars.display())).arg("org.apache.kafka.tools.TopicCommand");
    tool.args(["--bootstrap-server", &bootstrap, "--alter", "--topic", &topic, "--partitions", "3"]);
    assert!(tool.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let AppState::Failed { reason } = running.state_cell().wait(PATIENCE, AppState::is_final) else {
        panic!("it goes on: {}", running.state())
    };
    assert!(reason.starts_with("NF128") && reason.contains(&format!("{topic}-2")), "{reason}");
    drop(running);
    let refused = run(kafka, topology(), config("one:1")).unwrap_err();
    assert!(matches!(refused, RuntimeError::PartitionsChanged { n: 3, of_log: 2, .. }), "{refused}");
}

#[test]
fn an_application_without_discovery_writes_no_control_topic() {
    let log = log_with(&[("in", 2)]);
    let app =
        run(Arc::new(log.clone()), counting("quiet", "counts"), RuntimeConfig { discovery: false, ..config("one:1") });
    let app = app.unwrap();
    app.await_running(PATIENCE).unwrap();
    app.close().unwrap();
    assert!(log.records(&TopicPartition::new("quiet-control", 0)).is_err());
}

#[test]
fn what_the_control_topic_does_not_take_is_said_again() {
    let log = log_with(&[("in", 2)]);
    let app = run(Arc::new(log.clone()), counting("deaf", "counts"), config("one:1")).unwrap();
    app.await_running(PATIENCE).unwrap();
    log.faults().fail_appends(3);
    app.announce("two:2");
    let said = || {
        let records = log.records(&TopicPartition::new("deaf-control", 0)).unwrap();
        records.iter().any(|it| it.value.as_ref().is_some_and(|it| String::from_utf8_lossy(it).contains("two:2")))
    };
    until(PATIENCE, || "the new endpoint is not on the topic".to_owned(), said);
    assert_eq!(app.state(), AppState::Running);
    app.close().unwrap();
}
