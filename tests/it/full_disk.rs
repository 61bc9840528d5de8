//! A disk that fills up under an application: what is on disk ends there, answers go on from memory, and when there is
//! room again a restart is right.
//!
//! The limit is one of file sizes, which the kernel enforces with an error of each write, as a full disk does. It holds for
//! a whole process, so the test binary starts itself.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nowfold::embedded::EmbeddedLog;
use nowfold::prelude::*;
use nowfold::runtime::{Restored, SystemClock};

use super::exactly_once::{create_topics, fill};
use super::support::until;
use super::{durable_stores, state_dir};

const CHILD: &str = "NOWFOLD_TEST_FULL_DISK_CHILD";

/// Runs a test of this binary in a process of its own, in which files may be limited.
fn run_child(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    // A write beyond the limit shall fail, and not end the process.
    let mut child = Command::new("sh");
    child.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, dir.path());
    let output = child.output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{said:?}");
    assert!(said[0].contains("the disk was full"), "{said:?}");
}

/// Lets this process's files grow no more, or again.
fn limit_files(soft: &str) {
    let pid = std::process::id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={soft}:unlimited")]).status();
    assert!(limited.unwrap().success(), "prlimit of util-linux is needed");
}

fn await_counts(app: &nowfold::runtime::Streams, truth: &BTreeMap<String, i64>) {
    let counts = || durable_stores::counts(app);
    until(
        durable_stores::PATIENCE,
        || format!("{:?} is not {truth:?}; {}", counts(), app.state()),
        || counts() == *truth,
    );
}

#[test]
fn stores_go_on_in_memory_while_the_disk_is_full_and_are_right_afterwards() {
    run_child("full_disk::stores_whose_disk_fills");
}

/// The child of the test above; nothing by itself.
#[test]
fn stores_whose_disk_fills() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let (dir, log) = (Path::new(&dir), EmbeddedLog::new(Arc::new(SystemClock)));
    let start = || durable_stores::start(&log, Guarantee::AtLeastOnce, Some(durable_stores::local(dir)));
    create_topics(&log, "durable");
    let mut truth = fill(&log, "durable", 300, 23);
    let app = start();
    await_counts(&app, &truth);
    until(durable_stores::PATIENCE, || "no commit".to_owned(), || durable_stores::committed(&log) == 300);

    limit_files("1");
    truth = durable_stores::plus(truth, fill(&log, "durable", 300, 23));
    await_counts(&app, &truth);
    until(durable_stores::PATIENCE, || "no commit".to_owned(), || durable_stores::committed(&log) == 600);
    println!("the disk was full: {}", app.state());
    assert!(!app.state().is_final(), "{}", app.state());
    app.close().unwrap();

    limit_files("unlimited");
    let app = start();
    let restored = app.restored();
    assert_eq!(durable_stores::counts(&app), truth, "{restored:?}");
    assert!(restored.topic > 0, "what the disk refused comes from the topic: {restored:?}");
    truth = durable_stores::plus(truth, fill(&log, "durable", 50, 23));
    await_counts(&app, &truth);
    app.close().unwrap();
    let app = start();
    assert_eq!((app.restored(), durable_stores::counts(&app)), (Restored::default(), truth), "the disk is used again");
    app.close().unwrap();
}

#[test]
fn copies_of_event_logs_end_where_the_disk_is_full_and_are_whole_afterwards() {
    run_child("full_disk::copies_whose_disk_fills");
}

/// The child of the test above; nothing by itself.
#[test]
fn copies_whose_disk_fills() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let (dir, log) = (Path::new(&dir), EmbeddedLog::new(Arc::new(SystemClock)));
    let place = || Config::embedded_on(log.clone()).state_dir(dir);
    let app = state_dir::start(place());
    state_dir::send(&app, 0, 200);
    state_dir::await_events(&app, 200);
    app.close().unwrap();

    let app = state_dir::start(place());
    limit_files("1");
    state_dir::send(&app, 200, 200);
    state_dir::await_events(&app, 400);
    println!("the disk was full: {}", app.state());
    assert!(!app.state().is_final(), "{}", app.state());
    app.close().unwrap();

    // A start writes hardly anything, and says what it cannot write.
    match Streams::start(super::support::job_feed(), state_dir::config(place())) {
        Ok(app) => {
            state_dir::await_events(&app, 400);
            app.close().unwrap();
        }
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains("NF154") && text.contains(dir.to_str().unwrap()) && text.contains("full disk"),
                "{text}"
            );
        }
    }
    limit_files("unlimited");
    let app = state_dir::start(place());
    let (restored, found) = (app.runtime().restored(), state_dir::digests(&app));
    assert_eq!(restored.local + restored.topic, 400, "{restored:?}");
    assert!(restored.topic > 0, "what the disk refused comes from the topic: {restored:?}");
    app.close().unwrap();
    assert_eq!(found, state_dir::from_the_topic(&log));
    let app = state_dir::start(place());
    assert_eq!(app.runtime().restored(), Restored { local: 400, topic: 0 }, "the copies are whole again");
    app.close().unwrap();
}
