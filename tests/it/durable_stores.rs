//! Stores on disk under whole applications, with both guarantees: a restart reads only the tail of the changelogs, and the
//! stores hold what the changelogs say.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nowfold::core::names::TopicPartition;
use nowfold::core::serde::SerdeEnv;
use nowfold::core::state::KeyValueReader;
use nowfold::disk::StateDir;
use nowfold::embedded::EmbeddedLog;
use nowfold::fjall::{FjallEngine, FjallMap};
use nowfold::prelude::*;
use nowfold::runtime::broker::Broker;
use nowfold::runtime::local::{Durability, LocalError, LocalState};
use nowfold::runtime::{Platform, Restored, RuntimeConfig, Streams as Runtime, SystemClock};

use super::exactly_once::{PARTITIONS, create_topics, fill, topology};
use super::support::until;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const PREFIX: &str = "durable";
const CHILD: &str = "NOWFOLD_TEST_DURABLE_CHILD";

fn config(guarantee: Guarantee) -> RuntimeConfig {
    let commit_interval = Duration::from_millis(20);
    RuntimeConfig { guarantee, commit_interval, n_workers: 2, batch: 20, ..RuntimeConfig::default() }
}

pub(crate) fn local(dir: &Path) -> Arc<dyn LocalState> {
    local_of(&format!("{PREFIX}-app"), dir)
}

/// A state directory of an application, with stores on disk, once an earlier application of this process has ended.
pub(crate) fn local_of(app: &str, dir: &Path) -> Arc<dyn LocalState> {
    let mut opened = StateDir::open(dir, app, Durability::ProcessCrash);
    let mut is_in_use = || {
        if matches!(opened, Err(LocalError::InUse { .. })) {
            opened = StateDir::open(dir, app, Durability::ProcessCrash);
        }
        matches!(opened, Err(LocalError::InUse { .. }))
    };
    until(PATIENCE, || format!("{} stays in use", dir.display()), || !is_in_use());
    let state = opened.unwrap();
    Arc::new(state.engine(Arc::new(FjallEngine::new())))
}

pub(crate) fn start(log: &EmbeddedLog, guarantee: Guarantee, local: Option<Arc<dyn LocalState>>) -> Runtime {
    let platform =
        Platform { broker: Arc::new(log.clone()), clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let app = Runtime::start_with_state(topology(PREFIX), platform, config(guarantee), local).unwrap();
    app.await_running(PATIENCE).unwrap();
    app
}

/// The counts of all keys that live in the application's stores.
pub(crate) fn counts(app: &Runtime) -> BTreeMap<String, i64> {
    let handles: Vec<_> =
        app.hub().with_store("counts", |_, entry| entry.partitions.values().cloned().collect()).unwrap();
    let rows = handles.into_iter().flat_map(|handle| match handle.reader.clone().downcast::<FjallMap>() {
        Ok(map) => map.prefix(b"", usize::MAX).unwrap(),
        Err(reader) => reader.downcast::<nowfold::core::state::MemoryMap>().unwrap().prefix(b"", usize::MAX).unwrap(),
    });
    let count = |value: &[u8]| i64::from_be_bytes(value.try_into().unwrap());
    rows.map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap(), count(&value))).collect()
}

#[track_caller]
fn await_counts(app: &Runtime, truth: &BTreeMap<String, i64>) {
    until(PATIENCE, || format!("{:?} is not {truth:?}; {}", counts(app), app.state()), || counts(app) == *truth);
}

pub(crate) fn plus(a: BTreeMap<String, i64>, b: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    b.into_iter().fold(a, |mut sum, (key, n)| {
        *sum.entry(key).or_default() += n;
        sum
    })
}

fn changelog_records(log: &EmbeddedLog) -> u64 {
    let topic = format!("{PREFIX}-app-counts-changelog");
    (0..PARTITIONS).map(|p| log.records(&TopicPartition::new(topic.as_str(), p)).unwrap().len() as u64).sum()
}

fn only_the_tail(guarantee: Guarantee) {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    create_topics(&log, PREFIX);
    let mut truth = fill(&log, PREFIX, 500, 23);
    let app = start(&log, guarantee, Some(local(dir.path())));
    await_counts(&app, &truth);
    app.close().unwrap();
    assert_eq!(changelog_records(&log), 500);

    let app = start(&log, guarantee, Some(local(dir.path())));
    assert_eq!(app.restored(), Restored::default(), "a close puts all on disk");
    assert_eq!(counts(&app), truth);
    app.close().unwrap();

    truth = plus(truth, fill(&log, PREFIX, 60, 23));
    let app = start(&log, guarantee, None);
    await_counts(&app, &truth);
    app.close().unwrap();

    let app = start(&log, guarantee, Some(local(dir.path())));
    assert_eq!(app.restored(), Restored { local: 0, topic: 60 }, "another process has gone further meanwhile");
    assert_eq!(counts(&app), truth);
    truth = plus(truth, fill(&log, PREFIX, 40, 23));
    await_counts(&app, &truth);
    app.close().unwrap();
    let app = start(&log, guarantee, None);
    assert_eq!(counts(&app), truth, "the changelog says the same");
    app.close().unwrap();
}

#[test]
fn at_least_once_a_restart_reads_only_the_tail_of_changelogs() {
    only_the_tail(Guarantee::AtLeastOnce);
}

#[test]
fn exactly_once_a_restart_reads_only_the_tail_of_changelogs() {
    only_the_tail(Guarantee::ExactlyOnce);
}

#[test]
fn an_aborted_transaction_leaves_the_last_epoch_and_reads_only_the_tail() {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    create_topics(&log, PREFIX);
    let mut truth = fill(&log, PREFIX, 400, 23);
    let app = start(&log, Guarantee::ExactlyOnce, Some(local(dir.path())));
    await_counts(&app, &truth);
    until(PATIENCE, || "the records are not committed".to_owned(), || committed(&log) == 400);
    log.faults().fail_commits(3);
    truth = plus(truth, fill(&log, PREFIX, 100, 23));
    await_counts(&app, &truth);
    until(PATIENCE, || "the records are not committed".to_owned(), || committed(&log) == 500);
    let restored = app.restored();
    assert!(restored.topic < 200, "tasks that were opened again have read {restored:?} of 500");
    app.close().unwrap();
    let app = start(&log, Guarantee::ExactlyOnce, Some(local(dir.path())));
    assert_eq!((counts(&app), app.restored()), (truth, Restored::default()));
    app.close().unwrap();
}

/// Records of the input that are committed; none can be told while a transaction is about to change them.
pub(crate) fn committed(log: &EmbeddedLog) -> i64 {
    committed_of(PREFIX, log)
}

pub(crate) fn committed_of(prefix: &str, log: &EmbeddedLog) -> i64 {
    let partitions: Vec<_> = (0..PARTITIONS).map(|p| TopicPartition::new(format!("{prefix}-in"), p)).collect();
    let found = log.committed(&format!("{prefix}-app"), &partitions).unwrap_or_default();
    found.into_iter().flatten().map(|committed| committed.offset).sum()
}

#[test]
fn a_damaged_database_is_moved_aside_and_rebuilt() {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    create_topics(&log, PREFIX);
    let truth = fill(&log, PREFIX, 300, 23);
    let app = start(&log, Guarantee::AtLeastOnce, Some(local(dir.path())));
    await_counts(&app, &truth);
    app.close().unwrap();
    let task = dir.path().join(format!("{PREFIX}-app/0_1"));
    std::fs::write(task.join("stores/fjall/version"), "not a version").unwrap();
    let app = start(&log, Guarantee::AtLeastOnce, Some(local(dir.path())));
    assert_eq!(counts(&app), truth);
    let restored = app.restored().topic;
    assert!(restored > 0 && restored < 300, "one task is rebuilt, the others are not: {restored}");
    assert!(task.join("aside/stores/origin").exists());
    app.close().unwrap();
}

#[test]
fn a_store_that_is_to_stay_in_memory_is_rebuilt_from_its_changelog() {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    create_topics(&log, PREFIX);
    let truth = fill(&log, PREFIX, 200, 23);
    let in_memory = || {
        let app = StreamsBuilder::new(&format!("{PREFIX}-app"));
        let counts = nowfold::core::dsl::Materialized::named("counts").in_memory();
        let input = app.stream(format!("{PREFIX}-in"), Plain::<String, String>::new());
        let _ = input.group_by_key("by-key", Plain::<String, String>::new()).count(counts);
        app.build().unwrap()
    };
    let run = || {
        let platform =
            Platform { broker: Arc::new(log.clone()), clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
        let config = config(Guarantee::AtLeastOnce);
        let app = Runtime::start_with_state(in_memory(), platform, config, Some(local(dir.path()))).unwrap();
        app.await_running(PATIENCE).unwrap();
        app
    };
    let app = run();
    until(PATIENCE, || "the records are not committed".to_owned(), || committed(&log) == 200);
    app.close().unwrap();
    let app = run();
    assert_eq!(app.restored(), Restored { local: 0, topic: 200 });
    app.close().unwrap();
    assert_eq!(truth.values().sum::<i64>(), 200);
}

#[test]
fn after_kill_9_stores_hold_what_is_committed_and_the_tail() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = EmbeddedLog::open(dir.path().join("data"), Arc::new(SystemClock)).unwrap();
        create_topics(&log, PREFIX);
        fill(&log, PREFIX, 2_000, 23);
    }
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "durable_stores::a_process_that_kills_itself_while_it_counts", "--nocapture"]);
        let status = child.env(CHILD, dir.path()).stdout(Stdio::null()).status().unwrap();
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        assert!(killed, "round {round}: {status}");
    }
    let log = EmbeddedLog::open(dir.path().join("data"), Arc::new(SystemClock)).unwrap();
    let written = changelog_records(&log);
    let app = start(&log, Guarantee::AtLeastOnce, Some(local(&dir.path().join("state"))));
    let (restored, found) = (app.restored(), counts(&app));
    app.close().unwrap();
    assert!(restored.topic < written / 2, "the tail is {restored:?} of {written}");
    let app = start(&log, Guarantee::AtLeastOnce, None);
    assert_eq!(counts(&app), found, "the changelog says the same");
    assert!(found.values().sum::<i64>() >= 2_000);
    app.close().unwrap();
}

/// The child of the test above; nothing by itself.
#[test]
fn a_process_that_kills_itself_while_it_counts() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let dir = Path::new(&dir);
    let log = EmbeddedLog::open(dir.join("data"), Arc::new(SystemClock)).unwrap();
    let before = committed(&log);
    fill(&log, PREFIX, 600, 23);
    let platform =
        Platform { broker: Arc::new(log.clone()), clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let local = Some(local(&dir.join("state")));
    let app = Runtime::start_with_state(topology(PREFIX), platform, config(Guarantee::AtLeastOnce), local).unwrap();
    until(
        PATIENCE,
        || format!("{} are committed; {}", committed(&log), app.state()),
        || committed(&log) > before + 300,
    );
    Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    loop {
        std::thread::park();
    }
}
