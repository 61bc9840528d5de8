//! Stores on disk beside calls and record caches: what lies there is never ahead of what was given out, wherever a process
//! dies, and a restart reads only the tail.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nowfold::core::state::KeyValueReader;
use nowfold::embedded::EmbeddedLog;
use nowfold::fjall::FjallMap;
use nowfold::prelude::*;
use nowfold::runtime::{Restored, RuntimeConfig, Streams as Runtime, SystemClock};

use super::asynchronous::{at_least_once, counted as called, lives_on, start_on};
use super::durable_stores::committed_of;
use super::exactly_once::{assert_exactly_once, await_outputs, config, create_topics, fill};
use super::record_cache::{counted as cached, last, told};
use super::support::{logging, until};

const PATIENCE: Duration = Duration::from_secs(60);
const CHILD: &str = "NOWFOLD_TEST_DURABLE_EFFECTS_CHILD";

fn exactly_once() -> RuntimeConfig {
    RuntimeConfig { transaction_timeout: Duration::from_millis(500), ..config() }
}

/// The rows of a store of numbers that lies on disk.
fn rows(app: &Runtime, store: &str) -> BTreeMap<String, i64> {
    let handles = app.hub().with_store(store, |_, entry| entry.partitions.values().cloned().collect::<Vec<_>>());
    let maps = handles.unwrap().into_iter().map(|it| it.reader.clone().downcast::<FjallMap>().unwrap());
    let rows = maps.flat_map(|map| map.prefix(b"", usize::MAX).unwrap());
    let number = |value: &[u8]| i64::from_be_bytes(*value.last_chunk().unwrap());
    rows.map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap(), number(&value))).collect()
}

/// What the stores hold at the next start on the same disk, which reads nothing, and at one without a disk's help.
fn at_the_next_start(log: &EmbeddedLog, topology: &Topology, dir: &Path, store: &str) -> BTreeMap<String, i64> {
    logging();
    let start = |dir: &Path| {
        let app = start_on(Arc::new(log.clone()), topology.clone(), at_least_once(), Some(dir)).unwrap();
        app.await_running(PATIENCE).unwrap();
        app
    };
    let app = start(dir);
    assert_eq!(app.restored(), Restored::default(), "a close puts all on disk");
    let found = rows(&app, store);
    app.close().unwrap();
    let other = tempfile::tempdir().unwrap();
    let app = start(other.path());
    assert_eq!(rows(&app, store), found, "the changelog says the same");
    app.close().unwrap();
    found
}

#[test]
fn exactly_once_calls_beside_stores_on_disk_lose_and_double_nothing() {
    for seed in 20..24 {
        let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
        let (prefix, config) = (format!("disk-calls-{seed}"), exactly_once());
        let topology = called(&prefix);
        let truth = lives_on(seed, &prefix, &log, (&topology, &config), Some(dir.path()));
        assert_exactly_once(&log, &prefix, &truth, &format!("seed {seed}"));
        for store in ["counts", "after"] {
            assert_eq!(at_the_next_start(&log, &topology, dir.path(), store), truth, "seed {seed}: {store}");
        }
    }
}

/// A crash repeats some records: what was counted before a call and what was counted behind it differ by no more than these.
#[test]
fn at_least_once_calls_beside_stores_on_disk_lose_nothing() {
    for seed in 30..34 {
        let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
        let (prefix, config) = (format!("disk-calls-{seed}"), at_least_once());
        let topology = called(&prefix);
        let truth = lives_on(seed, &prefix, &log, (&topology, &config), Some(dir.path()));
        for store in ["counts", "after"] {
            let found = at_the_next_start(&log, &topology, dir.path(), store);
            let less: Vec<_> = truth.iter().filter(|(key, n)| found.get(*key).is_none_or(|it| it < n)).collect();
            assert!(less.is_empty(), "seed {seed}: {store} misses some of {less:?}: {found:?}");
        }
    }
}

#[test]
fn exactly_once_record_caches_beside_stores_on_disk_count_every_record_once() {
    for seed in 40..44 {
        let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
        let (prefix, config) = (format!("disk-cached-{seed}"), exactly_once());
        let topology = cached(&prefix, 1_500);
        let truth = lives_on(seed, &prefix, &log, (&topology, &config), Some(dir.path()));
        let told = told(&log, &prefix);
        assert_eq!(last(&told), truth, "seed {seed}");
        assert!(told.values().all(|counts| counts.is_sorted_by(|a, b| a < b)), "seed {seed}: {told:?}");
        assert_eq!(at_the_next_start(&log, &topology, dir.path(), "counts"), truth, "seed {seed}");
    }
}

#[test]
fn at_least_once_record_caches_beside_stores_on_disk_lose_nothing() {
    for seed in 50..54 {
        let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
        let (prefix, config) = (format!("disk-cached-{seed}"), at_least_once());
        let topology = cached(&prefix, 1_500);
        let truth = lives_on(seed, &prefix, &log, (&topology, &config), Some(dir.path()));
        let found = at_the_next_start(&log, &topology, dir.path(), "counts");
        assert_eq!(last(&told(&log, &prefix)), found, "seed {seed}: what was told last is what is there");
        assert!(truth.iter().all(|(key, n)| found.get(key).is_some_and(|it| it >= n)), "seed {seed}: {found:?}");
    }
}

/// Calls under way and rows held back, on disk and in the log, when the process kills itself.
fn after_kill_9(kind: &str) {
    let (dir, prefix) = (tempfile::tempdir().unwrap(), format!("killed-{kind}"));
    let open = || EmbeddedLog::open(dir.path().join("data"), Arc::new(SystemClock)).unwrap();
    create_topics(&open(), &prefix);
    let mut truth = BTreeMap::<String, i64>::new();
    for round in 1..=3 {
        fill(&open(), &prefix, 800, 13).into_iter().for_each(|(key, n)| *truth.entry(key).or_default() += n);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "durable_effects::a_process_that_kills_itself", "--nocapture"]);
        let status = child.env(CHILD, dir.path()).env("KIND", kind).stdout(Stdio::null()).status().unwrap();
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        assert!(killed, "round {round}: {status}");
    }
    let (log, topology, state) = (open(), topology(kind), dir.path().join("state"));
    let app = start_on(Arc::new(log.clone()), topology.clone(), at_least_once(), Some(&state)).unwrap();
    await_outputs(&log, &app, &prefix, 2_400);
    app.close().unwrap();
    let found = at_the_next_start(&log, &topology, &state, "counts");
    assert!(truth.iter().all(|(key, n)| found.get(key).is_some_and(|it| it >= n)), "{found:?} but {truth:?}");
}

fn topology(kind: &str) -> Topology {
    let prefix = format!("killed-{kind}");
    if kind == "calls" { called(&prefix) } else { cached(&prefix, 1_500) }
}

#[test]
fn after_kill_9_calls_beside_stores_on_disk_have_lost_nothing() {
    after_kill_9("calls");
}

#[test]
fn after_kill_9_record_caches_beside_stores_on_disk_have_lost_nothing() {
    after_kill_9("caches");
}

/// The child of the tests above; nothing by itself.
#[test]
fn a_process_that_kills_itself() {
    let (Ok(dir), Ok(kind)) = (std::env::var(CHILD), std::env::var("KIND")) else { return };
    let (dir, prefix) = (Path::new(&dir), format!("killed-{kind}"));
    let log = EmbeddedLog::open(dir.join("data"), Arc::new(SystemClock)).unwrap();
    let before = committed_of(&prefix, &log);
    let app = start_on(Arc::new(log.clone()), topology(&kind), at_least_once(), Some(&dir.join("state"))).unwrap();
    let is_far = || committed_of(&prefix, &log) > before + 200;
    until(PATIENCE, || format!("{} are committed; {}", committed_of(&prefix, &log), app.state()), is_far);
    Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    loop {
        std::thread::park();
    }
}
