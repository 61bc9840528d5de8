//! Processes that die while they write. The test binary starts itself: a test with a directory in its environment is
//! the child.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::{Broker, BrokerError};
use nowfold_runtime::membership::OffsetCommit;

use crate::support::{HandClock, content, create, partition, record};

const DIR: &str = "NOWFOLD_EMBEDDED_CHILD_DIR";
const PARTITIONS: i32 = 2;

fn open(dir: impl AsRef<Path>) -> EmbeddedLog {
    EmbeddedLog::open(dir, HandClock::at(1_000_000)).unwrap()
}

/// The value at an offset: anybody can tell whether a record is the right one. Lengths vary, so that frames do.
fn value(partition: i32, offset: i64) -> String {
    format!("{partition}/{offset}/{}", "x".repeat(usize::try_from(offset * 37 % 300).unwrap()))
}

fn end(log: &EmbeddedLog, number: i32) -> i64 {
    log.watermarks(&partition("t", number)).unwrap().high
}

fn committed(log: &EmbeddedLog) -> i64 {
    log.committed("g", &[partition("t", 0)]).unwrap()[0].as_ref().map_or(0, |committed| committed.offset)
}

/// Starts this test binary again, with only the named test, as a child on `dir`.
fn child(test: &str, dir: &Path, shell: Option<&str>) -> Child {
    let exe = std::env::current_exe().unwrap();
    let args = ["--exact", test, "--nocapture", "--test-threads=1"];
    let mut command = match shell {
        None => Command::new(exe),
        Some(script) => {
            let mut command = Command::new("sh");
            command.args(["-c", script]).arg(exe);
            command
        }
    };
    command.args(args).env(DIR, dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The child of [`survives_kill_9_at_any_moment`]: appends, flushes, commits, and says so, until it is killed.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let log = open(dir);
    create(&log, "t", PARTITIONS, &[("segment.bytes", "20000"), ("retention.ms", "-1")]);
    let mut member = log.join("g", &["t".into()]).unwrap();
    let mut producer = log.producer().unwrap();
    let mut out = std::io::stdout();
    loop {
        for number in 0..PARTITIONS {
            let first = end(&log, number);
            for offset in first..first + 50 {
                let mut record = record("t", "k", &value(number, offset), 0);
                record.partition = Some(number);
                producer.send(record).unwrap();
            }
            assert!(producer.flush(Duration::ZERO).unwrap().is_empty());
            writeln!(out, "acked {number} {}", first + 50).unwrap();
        }
        let offset = end(&log, 0);
        member.commit(&[OffsetCommit { partition: partition("t", 0), offset, metadata: String::new() }]).unwrap();
        writeln!(out, "committed 0 {offset}").unwrap();
    }
}

/// What a killed child had said.
#[derive(Debug, Default)]
struct Said {
    acked: [i64; PARTITIONS as usize],
    committed: i64,
}

impl Said {
    fn listen(&mut self, line: &str) {
        // The test harness does not end its own line before the first of ours.
        let words: Vec<_> = line.rsplit("... ").next().unwrap_or_default().split(' ').collect();
        match words.as_slice() {
            ["acked", number, end] => self.acked[number.parse::<usize>().unwrap()] = end.parse().unwrap(),
            ["committed", _, offset] => self.committed = offset.parse().unwrap(),
            _ => {}
        }
    }
}

#[test]
fn survives_kill_9_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    for round in 0..12u64 {
        let mut child = child("crash::child_appends_until_it_is_killed", dir.path(), None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Between 3 and 90 lines in: inside appends, rolls, commits and, in the first round, while everything is new.
        let kill_after = 3 + usize::try_from(round * 7_919 % 88).unwrap();
        lines.by_ref().take(kill_after).for_each(|line| said.listen(&line.unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        // The pipe holds what was said before death and not read yet; a last line may be cut.
        lines.map_while(Result::ok).for_each(|line| said.listen(&line));
        check(dir.path(), &said, round);
    }
    assert!(said.acked.iter().all(|acked| *acked > 1_000), "{said:?}");
}

/// Everything that was acknowledged is there, everything that is there is right.
fn check(dir: &Path, said: &Said, round: u64) {
    let log = open(dir);
    for number in 0..PARTITIONS {
        let records = log.records(&partition("t", number)).unwrap();
        assert!(end(&log, number) >= said.acked[usize::try_from(number).unwrap()], "round {round}: {said:?}");
        for (expected, record) in (0..).zip(&records) {
            assert_eq!(record.offset, expected, "round {round}");
            assert_eq!(record.value.as_deref(), Some(value(number, expected).as_bytes()), "round {round}");
        }
        assert_eq!(i64::try_from(records.len()).unwrap(), end(&log, number));
    }
    assert!((said.committed..=end(&log, 0)).contains(&committed(&log)), "round {round}: {said:?}");
}

/// The child of [`full_disk_fails_appends_and_keeps_the_rest`]: appends until files may not grow any more.
#[cfg(unix)]
#[test]
fn child_fills_the_disk() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let log = open(dir);
    create(&log, "t", 1, &[]);
    let mut producer = log.producer().unwrap();
    let mut n_stored = 0;
    let failures = loop {
        for _ in 0..10 {
            let mut sent = record("t", "k", &"v".repeat(100), 0);
            sent.partition = None;
            producer.send(sent).unwrap();
        }
        let failures = producer.flush(Duration::ZERO).unwrap();
        if !failures.is_empty() {
            break failures;
        }
        n_stored += 10;
    };
    assert_eq!(failures.len(), 10, "a batch is written whole or not at all");
    assert!(failures.iter().all(|failure| matches!(failure.error, BrokerError::Unavailable { .. })));
    assert!(failures.iter().all(|failure| failure.record.partition.is_none()), "records come back as they were sent");
    assert_eq!(content(&log, "t").len(), n_stored, "readers see only what is stored");
    assert_eq!(end(&log, 0), i64::try_from(n_stored).unwrap());
    assert!(producer.flush(Duration::ZERO).unwrap().is_empty(), "each failure is reported once");
    // A smaller record still fits, at the offset that the failed ones did not take.
    producer.send(record("t", "", "", 0)).unwrap();
    assert!(producer.flush(Duration::ZERO).unwrap().is_empty());
    println!("stored {}", n_stored + 1);
}

/// The limit is one of file sizes, which the kernel enforces with a short write and then an error, as a full disk does.
#[cfg(unix)]
#[test]
fn full_disk_fails_appends_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let child = child("crash::child_fills_the_disk", dir.path(), Some(script));
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let stored = text.lines().find_map(|line| Some(line.split_once("stored ")?.1)).unwrap();
    let log = open(dir.path());
    assert_eq!(content(&log, "t").len().to_string(), stored);
    assert!(stored.parse::<usize>().unwrap() > 10);
}
