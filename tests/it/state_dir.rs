//! The state directory under whole applications: restarts read their disk first and only the tail of the topic, and what
//! is on disk never changes an answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nowfold::core::names::TopicPartition;
use nowfold::embedded::EmbeddedLog;
use nowfold::operators::chain::{Digest, EventChains};
use nowfold::prelude::*;
use nowfold::runtime::{Restored, RuntimeConfig, SystemClock};

use super::support::{Click, job_feed, until};

const PATIENCE: Duration = Duration::from_secs(60);
const CHILD: &str = "NOWFOLD_TEST_STATE_DIR_CHILD";

pub(crate) fn config(config: Config) -> Config {
    config.runtime(RuntimeConfig { commit_interval: Duration::from_millis(20), ..RuntimeConfig::default() })
}

pub(crate) fn start(place: Config) -> Streams {
    let app = Streams::start(job_feed(), config(place)).unwrap();
    app.await_running(PATIENCE).unwrap();
    app
}

pub(crate) fn send(app: &Streams, from: usize, n: usize) {
    let mut producer = app.producer("clicks", Json::<Option<String>, Click>::new()).unwrap();
    let now = SystemClock.now();
    for i in from..from + n {
        let member = format!("member-{}", i % 37);
        let click = Click::new(
            &member,
            if i % 2 == 0 { "apply" } else { "view" },
            &format!("job-{}", i % 5),
            now.as_millis() - i as i64,
        );
        producer.send(&Some(member), &click, now).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// What each partition of the store holds.
pub(crate) fn digests(app: &Streams) -> Vec<Digest> {
    let digest = |handle: &nowfold::core::query::PartitionHandle| {
        let chains = handle.reader.downcast_ref::<EventChains>().unwrap();
        chains.digest()
    };
    app.hub().with_store("activity", |_, entry| entry.partitions.values().map(digest).collect()).unwrap()
}

pub(crate) fn await_events(app: &Streams, n: u64) {
    let held = || digests(app).iter().map(|digest| digest.n_events).sum::<u64>();
    until(PATIENCE, || format!("{} of {n} events; {}", held(), app.state()), || held() == n);
}

fn actions(log: &EmbeddedLog) -> u64 {
    (0..4).map(|p| log.records(&TopicPartition::new("actions", p)).unwrap().len() as u64).sum()
}

/// What a start without a state directory holds.
pub(crate) fn from_the_topic(log: &EmbeddedLog) -> Vec<Digest> {
    let app = start(Config::embedded_on(log.clone()));
    let found = digests(&app);
    app.close().unwrap();
    found
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let (mut todo, mut found) = (vec![dir.to_owned()], Vec::new());
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "seg") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_restart_reads_its_disk_and_only_the_tail_of_the_topic() {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    let place = || Config::embedded_on(log.clone());
    let app = start(place().state_dir(dir.path()));
    assert_eq!(app.runtime().restored(), Restored::default());
    send(&app, 0, 300);
    await_events(&app, 300);
    app.close().unwrap();

    let app = start(place().state_dir(dir.path()));
    assert_eq!(app.runtime().restored(), Restored { local: 300, topic: 0 });
    await_events(&app, 300);
    app.close().unwrap();

    // A process without the directory goes further meanwhile.
    let app = start(place());
    send(&app, 300, 40);
    await_events(&app, 340);
    app.close().unwrap();

    let app = start(place().state_dir(dir.path()));
    assert_eq!(app.runtime().restored(), Restored { local: 300, topic: 40 });
    let found = digests(&app);
    app.close().unwrap();
    assert_eq!(actions(&log), 340, "nothing was mapped twice");
    assert_eq!(found, from_the_topic(&log));
}

#[test]
fn what_is_on_disk_gives_the_state_that_the_topic_gives() {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    let app = start(Config::embedded_on(log.clone()).state_dir(dir.path()));
    send(&app, 0, 500);
    await_events(&app, 500);
    app.close().unwrap();
    let app = start(Config::embedded_on(log.clone()).state_dir(dir.path()));
    let local = digests(&app);
    app.close().unwrap();
    assert_eq!(local, from_the_topic(&log));
}

#[test]
fn damaged_copies_change_no_answer() {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    let app = start(Config::embedded_on(log.clone()).state_dir(dir.path()));
    for batch in 0..5 {
        send(&app, batch * 60, 60);
        await_events(&app, (batch as u64 + 1) * 60);
    }
    app.close().unwrap();
    let files = segments(dir.path());
    assert_eq!(files.len(), 4, "one for each partition");
    for (i, file) in files.iter().enumerate() {
        let mut bytes = fs::read(file).unwrap();
        match i {
            0 => bytes.truncate(bytes.len() - 5),
            1 => *bytes.get_mut(60).unwrap() ^= 1,
            2 => bytes.truncate(7),
            _ => bytes.clear(),
        }
        fs::write(file, bytes).unwrap();
    }
    let app = start(Config::embedded_on(log.clone()).state_dir(dir.path()));
    let (restored, found) = (app.runtime().restored(), digests(&app));
    assert_eq!(restored.local + restored.topic, 300);
    assert!(restored.topic > 0, "{restored:?}");
    app.close().unwrap();
    assert_eq!(found, from_the_topic(&log));
    let app = start(Config::embedded_on(log.clone()).state_dir(dir.path()));
    assert_eq!(app.runtime().restored(), Restored { local: 300, topic: 0 }, "the copies are whole again");
    app.close().unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn copies_that_reach_beyond_their_topic_are_refused_until_the_directory_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let [data, backup, state] = ["data", "backup", "state"].map(|name| dir.path().join(name));
    let place = || Config::embedded().data_dir(&data).state_dir(&state);
    let app = start(place());
    send(&app, 0, 60);
    await_events(&app, 60);
    app.close().unwrap();
    copy_tree(&data, &backup);
    let app = start(place());
    send(&app, 60, 60);
    await_events(&app, 120);
    app.close().unwrap();

    // The log loses its end, as when it is restored from a backup.
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&backup, &data).unwrap();
    let app = Streams::start(job_feed(), config(place())).unwrap();
    let error = app.await_running(PATIENCE).unwrap_err().to_string();
    for words in ["NF155", "actions-", "\"actions\" was created again, or lost records", "delete its state directory"] {
        assert!(error.contains(words), "{words} is not in {error}");
    }
    drop(app);

    fs::remove_dir_all(&state).unwrap();
    let app = start(place());
    await_events(&app, 60);
    app.close().unwrap();
}

#[test]
fn a_state_directory_that_is_in_use_is_refused() {
    let (dir, log) = (tempfile::tempdir().unwrap(), EmbeddedLog::new(Arc::new(SystemClock)));
    let app = start(Config::embedded_on(log.clone()).state_dir(dir.path()));
    let error = Streams::start(job_feed(), Config::embedded_on(log).state_dir(dir.path())).unwrap_err().to_string();
    assert!(error.contains("NF150") && error.contains("in use by another process"), "{error}");
    app.close().unwrap();
}

#[test]
fn a_state_directory_for_a_log_that_begins_anew_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = Streams::start(job_feed(), Config::embedded().state_dir(dir.path())).unwrap_err().to_string();
    assert!(error.contains("NF110") && error.contains("NOWFOLD_DATA_DIR"), "{error}");
}

#[test]
fn the_copies_of_another_log_are_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = [0, 1].map(|_| EmbeddedLog::new(Arc::new(SystemClock)));
    let app = start(Config::embedded_on(first).state_dir(dir.path()));
    send(&app, 0, 50);
    await_events(&app, 50);
    app.close().unwrap();
    let app = start(Config::embedded_on(second).state_dir(dir.path()));
    send(&app, 0, 20);
    await_events(&app, 20);
    assert_eq!(app.runtime().restored(), Restored::default());
    app.close().unwrap();
}

#[test]
fn after_kill_9_a_restart_reads_its_disk_and_has_the_state_of_the_topic() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "state_dir::a_process_that_kills_itself", "--nocapture"]);
        let status = child.env(CHILD, dir.path()).stdout(Stdio::null()).status().unwrap();
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        assert!(killed, "round {round}: {status}");
    }
    let log = EmbeddedLog::open(dir.path().join("data"), Arc::new(SystemClock)).unwrap();
    let before = actions(&log);
    let app = start(Config::embedded_on(log.clone()).state_dir(dir.path().join("state")));
    // What the last process had not mapped is mapped now.
    await_events(&app, 900);
    let (restored, found) = (app.runtime().restored(), digests(&app));
    app.close().unwrap();
    // Clicks that are mapped while the store is restored come on top.
    let n_restored = restored.local + restored.topic;
    let after = actions(&log);
    assert!((before..=after).contains(&n_restored), "every action is read once: {before} to {after}, {restored:?}");
    assert!(restored.local >= 600, "what was applied before the kills is on disk: {restored:?}");
    assert_eq!(found, from_the_topic(&log));
}

/// The child of the test above; nothing by itself.
#[test]
fn a_process_that_kills_itself() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let dir = Path::new(&dir);
    let app = start(Config::embedded().data_dir(dir.join("data")).state_dir(dir.join("state")));
    let before: u64 = digests(&app).iter().map(|digest| digest.n_events).sum();
    send(&app, usize::try_from(before).unwrap(), 200);
    // What the last process had not mapped may come in, too.
    let held = || digests(&app).iter().map(|digest| digest.n_events).sum::<u64>();
    until(PATIENCE, || format!("{} of {}; {}", held(), before + 200, app.state()), || held() >= before + 200);
    // The next commit puts them on disk.
    until(
        PATIENCE,
        || "no commit".to_owned(),
        || {
            let sizes = segments(&dir.join("state")).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
            sizes > (before + 200) * 60
        },
    );
    send(&app, usize::try_from(before).unwrap() + 200, 100);
    Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    loop {
        std::thread::park();
    }
}
