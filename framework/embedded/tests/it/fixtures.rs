//! Bytes of every format that was ever released, which must be readable for ever.
//!
//! `tests/fixtures/vN` is a data directory as format N left it. A new format gets a new directory; the old ones are never
//! changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nowfold_core::record::{Headers, LogRecord, OutputRecord};
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::{Broker, Committed};
use nowfold_runtime::membership::OffsetCommit;

use crate::support::{HandClock, append, create, partition, record};

/// The newest format.
const NEWEST: u32 = 1;

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

fn open(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(dir, HandClock::at(1_000_000)).unwrap()
}

/// Two topics; records with and without each of their parts; committed offsets with a note.
fn write(dir: &Path) {
    let log = open(dir);
    create(&log, "t", 2, &[("segment.bytes", "60")]);
    create(&log, "stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let mut headers = Headers::new();
    headers.push("with", Some(Bytes::from_static(b"1")));
    headers.push("without", None);
    append(&log, OutputRecord { headers, ..record("t", "a", "one", 5) }).unwrap();
    append(&log, OutputRecord { value: None, ..record("t", "a", "", -7) }).unwrap();
    append(&log, OutputRecord { partition: Some(1), ..record("t", "", "other", 6) }).unwrap();
    append(&log, OutputRecord { key: None, ..record("stamped", "", "value", 0) }).unwrap();
    let mut member = log.join("group", &["t".into()]).unwrap();
    let commit =
        |offset, metadata: &str| OffsetCommit { partition: partition("t", 1), offset, metadata: metadata.into() };
    member.commit(&[commit(0, "first")]).unwrap();
    member.commit(&[commit(1, "nowfold-times-1 counts=17")]).unwrap();
}

/// Everything that a log tells of itself.
type Content = (Vec<Vec<LogRecord>>, Vec<Option<Committed>>);

fn content(log: &EmbeddedLog) -> Content {
    let partitions = [partition("t", 0), partition("t", 1), partition("stamped", 0)];
    let records = partitions.iter().map(|partition| log.records(partition).unwrap()).collect();
    (records, log.committed("group", &partitions).unwrap())
}

/// The files below a directory by their paths in it, without the lock.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(at) = todo.pop() {
        for path in fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                todo.push(path);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        fs::create_dir_all(to.join(&path).parent().unwrap()).unwrap();
        fs::write(to.join(path), bytes).unwrap();
    }
}

#[test]
fn what_is_written_today_is_the_newest_fixture() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let (today, stored) = (files(dir.path()), files(&fixture(NEWEST)));
    assert!(stored.len() >= 7, "a format, offsets, two topics and three partitions: {:?}", stored.keys());
    assert_eq!(today, stored, "the bytes have changed: give them a new format number, and add fixtures of it");
}

#[test]
fn directories_of_every_format_are_read_and_go_on() {
    let today = tempfile::tempdir().unwrap();
    write(today.path());
    let expected = content(&open(today.path()));
    assert_eq!(expected.0.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
    for version in 1..=NEWEST {
        let dir = tempfile::tempdir().unwrap();
        copy(&fixture(version), dir.path());
        let log = open(dir.path());
        assert_eq!(content(&log), expected, "format {version}");
        append(&log, record("t", "a", "more", 9)).unwrap();
        drop(log);
        assert_eq!(open(dir.path()).records(&partition("t", 0)).unwrap().len(), 3, "format {version}");
    }
}

/// Writes the directory of the newest format, where it does not exist yet.
#[test]
#[ignore = "run by hand when there is a new format"]
fn write_fixtures_of_the_newest_format() {
    if !fixture(NEWEST).exists() {
        write(&fixture(NEWEST));
        fs::remove_file(fixture(NEWEST).join("lock")).unwrap();
    }
}
