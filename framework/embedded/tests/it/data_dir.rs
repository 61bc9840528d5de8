//! The data directory: what a reopened log holds, what it refuses, what it repairs.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nowfold_core::record::{Headers, OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;
use nowfold_embedded::{Durability, EmbeddedLog, OpenError, Options};
use nowfold_runtime::broker::{Broker, Committed, Watermarks};
use nowfold_runtime::membership::OffsetCommit;
use tempfile::TempDir;

use crate::support::{HandClock, append, content, create, ms, partition, record};

const ONE_EACH: (&str, &str) = ("segment.bytes", "1");

fn open(dir: &Path) -> EmbeddedLog {
    try_open(dir).unwrap()
}

fn try_open(dir: &Path) -> Result<EmbeddedLog, OpenError> {
    EmbeddedLog::open(dir, HandClock::at(1_000_000))
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The segment files of partition 0 of topic `t`, oldest first.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("topics/t/0")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn brings_back_topics_records_and_commits() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 2, &[("cleanup.policy", "compact"), ("segment.bytes", "40")]);
    create(&log, "stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let mut headers = Headers::new();
    headers.push("h", Some(Bytes::from_static(b"1")));
    headers.push("h", None);
    append(&log, OutputRecord { headers, ..record("t", "a", "1", 5) }).unwrap();
    append(&log, record("t", "b", "", -7)).unwrap();
    append(&log, OutputRecord { partition: Some(1), ..record("t", "", "other", 6) }).unwrap();
    (0..20).for_each(|i| append(&log, record("t", &format!("key {i}"), "x", i)).unwrap());
    append(&log, OutputRecord { key: None, ..record("stamped", "", "v", 0) }).unwrap();
    let mut member = log.join("g", &["t".into()]).unwrap();
    let commit =
        |offset, metadata: &str| OffsetCommit { partition: partition("t", 1), offset, metadata: metadata.into() };
    member.commit(&[commit(1, "first")]).unwrap();
    member.commit(&[commit(0, "then back")]).unwrap();

    let partitions = [partition("t", 0), partition("t", 1), partition("stamped", 0)];
    let all = |log: &EmbeddedLog| partitions.each_ref().map(|p| (log.records(p).unwrap(), log.watermarks(p).unwrap()));
    let info = |log: &EmbeddedLog| log.topics(&["t".into(), "stamped".into()], Default::default()).unwrap();
    let before = (all(&log), info(&log));
    assert!(segments(dir.path()).len() > 3);
    drop((log, member));

    let log = open(dir.path());
    assert_eq!((all(&log), info(&log)), before);
    let committed = log.committed("g", &[partition("t", 1), partition("t", 0)]).unwrap();
    assert_eq!(committed, [Some(Committed { offset: 0, metadata: "then back".into() }), None]);
    append(&log, record("t", "next", "1", 0)).unwrap();
    assert_eq!(content(&log, "t").last().unwrap(), "22 next=1", "offsets go on");
}

#[test]
fn brings_back_what_retention_and_compaction_left() {
    let dir = dir();
    let log = open(dir.path());
    create(
        &log,
        "t",
        1,
        &[ONE_EACH, ("cleanup.policy", "compact,delete"), ("retention.ms", "1000"), ("delete.retention.ms", "0")],
    );
    for (key, value, timestamp) in [
        ("old", "1", 1),
        ("a", "1", 999_500),
        ("a", "2", 999_500),
        ("b", "1", 999_500),
        ("b", "", 999_500),
        ("c", "1", 999_500),
    ] {
        append(&log, record("t", key, value, timestamp)).unwrap();
    }
    log.maintain(ms(1_000_000));
    log.maintain(ms(1_000_000));
    let expected = ["2 a=2", "5 c=1"];
    assert_eq!(content(&log, "t"), expected);
    drop(log);
    let log = open(dir.path());
    assert_eq!(content(&log, "t"), expected);
    assert_eq!(log.watermarks(&partition("t", 0)).unwrap(), Watermarks { low: 1, high: 6 });
    assert_eq!(segments(dir.path()).len(), 3, "files of dropped segments are gone, but for the log's start");

    log.maintain(ms(2_000_000));
    drop(log);
    let log = open(dir.path());
    assert_eq!(
        log.watermarks(&partition("t", 0)).unwrap(),
        Watermarks { low: 6, high: 6 },
        "an empty log keeps its end"
    );
}

#[test]
fn append_time_does_not_go_back_after_a_restart() {
    let dir = dir();
    let clock = HandClock::at(9_000);
    for now in [9_000, 3_000] {
        clock.set(now);
        let log = EmbeddedLog::open(dir.path(), clock.clone()).unwrap();
        create(&log, "t", 1, &[("message.timestamp.type", "LogAppendTime")]);
        append(&log, record("t", "k", "v", 1)).unwrap();
    }
    let log = open(dir.path());
    let stamped: Vec<_> = log.records(&partition("t", 0)).unwrap().iter().map(|record| record.timestamp).collect();
    assert_eq!(stamped, [ms(9_000), ms(9_000)]);
}

#[test]
fn cuts_a_torn_end_at_every_byte_and_goes_on() {
    let original = dir();
    let log = open(original.path());
    create(&log, "t", 1, &[]);
    let mut ends = vec![fs::metadata(&segments(original.path())[0]).unwrap().len()];
    for i in 0..4 {
        append(&log, record("t", "key", &"v".repeat(i + 1), 0)).unwrap();
        ends.push(fs::metadata(&segments(original.path())[0]).unwrap().len());
    }
    let all = content(&log, "t");
    drop(log);
    for cut in 0..ends[4] {
        let dir = dir();
        copy_dir(original.path(), dir.path());
        fs::OpenOptions::new().write(true).open(&segments(dir.path())[0]).unwrap().set_len(cut).unwrap();
        let log = open(dir.path());
        let whole = ends[1..].iter().filter(|end| **end <= cut).count();
        assert_eq!(content(&log, "t"), all[..whole], "cut at byte {cut}");
        append(&log, record("t", "after", "cut", 0)).unwrap();
        drop(log);
        let after = format!("{whole} after=cut");
        assert_eq!(content(&open(dir.path()), "t")[whole..], [after], "appended after a cut at byte {cut}");
    }
}

#[test]
fn cuts_the_newest_segment_at_a_flipped_bit_and_refuses_an_older_one() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 1, &[("segment.bytes", "6")]);
    for i in 0..6 {
        append(&log, record("t", "k", &i.to_string(), 0)).unwrap();
    }
    drop(log);
    let files = segments(dir.path());
    let flip = |path: &Path, at: usize| {
        let mut content = fs::read(path).unwrap();
        content[at] ^= 4;
        fs::write(path, content).unwrap();
    };
    let length = usize::try_from(fs::metadata(&files[1]).unwrap().len()).unwrap();
    flip(&files[1], length - 1);
    let log = open(dir.path());
    assert_eq!(content(&log, "t"), ["0 k=0", "1 k=1", "2 k=2", "3 k=3", "4 k=4"]);
    drop(log);

    flip(&files[0], 40);
    let error = try_open(dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { path, at: 16, .. } if *path == files[0]), "{error:?}");
    assert!(error.to_string().contains("restore it from a copy"), "{error}");
}

#[test]
fn a_segment_that_was_just_being_started_is_dropped() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 1, &[]);
    append(&log, record("t", "k", "v", 0)).unwrap();
    drop(log);
    for torn_header in ["", "NOWFO"] {
        fs::write(dir.path().join("topics/t/0/00000000000000000001.log"), torn_header).unwrap();
        let log = open(dir.path());
        assert_eq!(segments(dir.path()).len(), 1);
        assert_eq!(log.watermarks(&partition("t", 0)).unwrap(), Watermarks { low: 0, high: 1 });
    }
}

#[test]
fn unfinished_work_of_a_killed_process_is_removed() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 1, &[]);
    append(&log, record("t", "k", "v", 0)).unwrap();
    drop(log);
    fs::write(dir.path().join("topics/t/0/00000000000000000000.log.tmp"), "half a compaction").unwrap();
    fs::create_dir_all(dir.path().join("topics/~unfinished/0")).unwrap();
    let log = open(dir.path());
    assert_eq!(content(&log, "t"), ["0 k=v"]);
    assert_eq!(segments(dir.path()).len(), 1);
    assert_eq!(fs::read_dir(dir.path().join("topics")).unwrap().count(), 1);

    let new = self::dir();
    fs::write(new.path().join("lock"), "").unwrap();
    fs::write(new.path().join("format.tmp"), "nowf").unwrap();
    open(new.path());
}

#[test]
fn torn_commit_is_dropped() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 1, &[]);
    let mut member = log.join("g", &["t".into()]).unwrap();
    for offset in 1..=2 {
        let commit = OffsetCommit { partition: partition("t", 0), offset, metadata: "m".into() };
        member.commit(&[commit]).unwrap();
    }
    drop((log, member));
    let path = dir.path().join("offsets.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes.pop();
    fs::write(&path, bytes).unwrap();
    let committed = open(dir.path()).committed("g", &[partition("t", 0)]).unwrap();
    assert_eq!(committed, [Some(Committed { offset: 1, metadata: "m".into() })]);
}

#[test]
fn file_of_commits_does_not_grow_for_ever() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 1, &[]);
    let mut member = log.join("g", &["t".into()]).unwrap();
    let commits: Vec<_> =
        (0..500).map(|offset| OffsetCommit { partition: partition("t", 0), offset, metadata: String::new() }).collect();
    let n_bytes = || fs::metadata(dir.path().join("offsets.log")).unwrap().len();
    let mut most = 0;
    for _ in 0..60 {
        member.commit(&commits).unwrap();
        most = most.max(n_bytes());
    }
    assert!(n_bytes() < most, "it was rewritten");
    drop((log, member));
    let log = open(dir.path());
    assert!(n_bytes() < 100);
    assert_eq!(log.committed("g", &[partition("t", 0)]).unwrap()[0].as_ref().unwrap().offset, 499);
}

#[test]
fn second_opener_is_refused_until_the_first_is_gone() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 1, &[]);
    let error = try_open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }) && error.to_string().contains("in use"), "{error}");
    let producer = log.producer().unwrap();
    drop(log);
    assert!(try_open(dir.path()).is_err(), "a producer keeps the log alive");
    drop(producer);
    open(dir.path());
}

#[test]
fn foreign_and_newer_formats_are_refused() {
    let foreign = dir();
    fs::write(foreign.path().join("holiday.jpg"), "picture").unwrap();
    let error = try_open(foreign.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }) && error.to_string().contains("holiday.jpg"), "{error}");
    assert_eq!(fs::read_dir(foreign.path()).unwrap().count(), 1, "nothing is written into a foreign directory");

    let whole = dir();
    let log = open(whole.path());
    create(&log, "t", 1, &[]);
    append(&log, record("t", "k", "v", 0)).unwrap();
    drop(log);
    let segment = "topics/t/0/00000000000000000000.log";
    let version_2 = [b"NOWFOLDS".as_slice(), &[2, 0, 0, 0, 0, 0, 0, 0]].concat();
    let cases: [(&str, &[u8], bool); 9] = [
        ("format", b"nowfold embedded log, format 2\n", true),
        ("format", b"another log\n", false),
        ("topics/t/topic.properties", b"nowfold topic, format 7\npartitions=1\n", true),
        ("topics/t/topic.properties", b"partitions=1\n", false),
        ("topics/t/topic.properties", b"nowfold topic, format 1\npartitions=1\nretention.hours=1\n", false),
        (segment, &version_2, true),
        (segment, b"PK\x03\x04 surely some other file", false),
        (segment, b"PK", false),
        ("topics/t/0/holiday.jpg", b"picture", false),
    ];
    for (file, content, is_newer) in cases {
        let dir = dir();
        copy_dir(whole.path(), dir.path());
        fs::write(dir.path().join(file), content).unwrap();
        let error = try_open(dir.path()).unwrap_err();
        let expected = if is_newer {
            matches!(error, OpenError::NewerFormat { .. })
        } else {
            matches!(error, OpenError::Foreign { .. })
        };
        assert!(expected, "{file} as {:?}: {error:?}", String::from_utf8_lossy(content));
        assert!(error.to_string().contains(file), "{error}");
        assert_eq!(fs::read(dir.path().join(file)).unwrap(), content, "a refused file is left alone");
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt;

    fn check(path: &Path) {
        let metadata = fs::metadata(path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
        if metadata.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| check(&entry.unwrap().path()));
        }
    }

    let parent = dir();
    let dir = parent.path().join("deeper/data");
    let log = open(&dir);
    create(&log, "t", 2, &[ONE_EACH, ("cleanup.policy", "compact")]);
    for value in ["1", "2", "3"] {
        append(&log, record("t", "k", value, 0)).unwrap();
    }
    log.maintain(ms(1_000_000));
    check(&parent.path().join("deeper"));
}

#[test]
fn power_loss_durability_stores_the_same() {
    let dir = dir();
    let options = Options { durability: Durability::PowerLoss, ..Options::default() };
    let log = EmbeddedLog::open_with_options(dir.path(), options, HandClock::at(1_000_000)).unwrap();
    create(&log, "t", 1, &[ONE_EACH, ("cleanup.policy", "compact")]);
    for value in ["1", "2", "3"] {
        append(&log, record("t", "k", value, 0)).unwrap();
    }
    log.maintain(ms(1_000_000));
    drop(log);
    assert_eq!(content(&open(dir.path()), "t"), ["1 k=2", "2 k=3"]);
}

#[test]
fn a_segment_that_cannot_be_started_fails_the_append_and_is_tried_again() {
    let dir = dir();
    let log = open(dir.path());
    create(&log, "t", 1, &[ONE_EACH]);
    append(&log, record("t", "k", "1", 0)).unwrap();
    let next = dir.path().join("topics/t/0/00000000000000000001.log");
    fs::create_dir(&next).unwrap();
    let error = append(&log, record("t", "k", "2", 0)).unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("t-0"), "{error}");
    assert_eq!(content(&log, "t"), ["0 k=1"]);
    fs::remove_dir(&next).unwrap();
    append(&log, record("t", "k", "3", 0)).unwrap();
    drop(log);
    assert_eq!(content(&open(dir.path()), "t"), ["0 k=1", "1 k=3"]);
}

/// The files in `fixtures/format-1` were written by the first version of this format.
#[test]
fn format_1_is_read() {
    let dir = dir();
    copy_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1"), dir.path());
    let log = open(dir.path());
    assert_eq!(content(&log, "t"), ["0 a=1", "1 b=-", "2 a=2", "3 ü=ß"]);
    let records = log.records(&partition("t", 0)).unwrap();
    assert_eq!(records[0].headers.last("trace").unwrap().value.as_deref(), Some(&b"x"[..]));
    assert_eq!(records[3].timestamp, Timestamp::from_millis(-1));
    assert_eq!(records[3].headers.last("null").unwrap().value, None);
    let stamped = log.records(&partition("stamped", 0)).unwrap();
    assert_eq!((stamped[0].timestamp, stamped[0].timestamp_type), (ms(1_000_000), TimestampType::LogAppendTime));
    let committed = log.committed("g", &[partition("t", 0)]).unwrap();
    assert_eq!(committed, [Some(Committed { offset: 3, metadata: "m".into() })]);
}
