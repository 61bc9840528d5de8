//! Random operations against an obvious model: a vector of everything ever appended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::record::{LogRecord, OutputRecord};
use nowfold_embedded::{EmbeddedLog, Options};
use nowfold_runtime::broker::{Broker, BrokerError, PartitionReader, Producer};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::{HandClock, create, ms, partition, reader, record};

#[derive(Clone, Debug)]
enum Op {
    /// Key, value or tombstone, how old the record is.
    Append(u8, Option<u16>, i64),
    /// The next append fails.
    Fail,
    Flush,
    Advance(i64),
    Maintain,
    /// Which reader, how many records.
    Read(usize, usize),
    /// Put a reader at a position within the log.
    Seek(usize, prop::sample::Index),
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let append = (0u8..6, proptest::option::weighted(0.8, any::<u16>()), 0i64..300)
        .prop_map(|(k, v, age)| Op::Append(k, v, age));
    let op = prop_oneof![
        20 => append,
        1 => Just(Op::Fail),
        2 => Just(Op::Flush),
        3 => (0i64..200).prop_map(Op::Advance),
        2 => Just(Op::Maintain),
        6 => (0usize..3, 0usize..8).prop_map(|(reader, max)| Op::Read(reader, max)),
        1 => (0usize..3, any::<prop::sample::Index>()).prop_map(|(reader, at)| Op::Seek(reader, at)),
        1 => Just(Op::Reopen),
    ];
    proptest::collection::vec(op, 1..150)
}

const RETENTION_MS: i64 = 400;

/// The log under test, beside what it has to hold.
struct Run {
    clock: Arc<HandClock>,
    now: i64,
    dir: Option<tempfile::TempDir>,
    log: EmbeddedLog,
    producer: Box<dyn Producer>,
    readers: Vec<Box<dyn PartitionReader>>,
    /// What each reader saw last; its position is behind that.
    seen: Vec<i64>,
    /// Every record that was taken, at its offset.
    model: Vec<OutputRecord>,
    /// Records that an injected fault refused since the last flush.
    failed: Vec<OutputRecord>,
    fails_next: bool,
    compacts: bool,
    deletes: bool,
    low: i64,
}

impl Run {
    fn new(policy: &str, on_disk: bool) -> Self {
        let clock = HandClock::at(1_000_000);
        let dir = on_disk.then(|| tempfile::tempdir().unwrap());
        let log = open(dir.as_ref(), &clock);
        let config = [("cleanup.policy", policy), ("segment.bytes", "25"), ("segment.ms", "250")];
        create(&log, "t", 1, &[&config[..], &[("retention.ms", "400"), ("delete.retention.ms", "100")]].concat());
        let mut run = Self {
            clock,
            now: 1_000_000,
            dir,
            producer: log.producer().unwrap(),
            log,
            readers: Vec::new(),
            seen: Vec::new(),
            model: Vec::new(),
            failed: Vec::new(),
            fails_next: false,
            compacts: policy.contains("compact"),
            deletes: policy.contains("delete"),
            low: 0,
        };
        run.open_readers(0);
        run
    }

    fn open_readers(&mut self, at: i64) {
        self.readers = (0..3).map(|_| reader(&self.log, &partition("t", 0), at)).collect();
        self.seen = vec![at - 1; 3];
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Append(key, value, age) => self.append(*key, *value, *age),
            Op::Fail => {
                self.fails_next = true;
                self.log.faults().fail_appends(1);
            }
            Op::Flush => self.flush(),
            Op::Advance(ms) => {
                self.now += ms;
                self.clock.set(self.now);
            }
            Op::Maintain => self.maintain(),
            Op::Read(reader, max) => self.read(*reader, *max),
            Op::Seek(reader, at) => self.seek(*reader, at),
            Op::Reopen => self.reopen(),
        }
    }

    fn append(&mut self, key: u8, value: Option<u16>, age: i64) {
        let value = value.map(|value| format!("v{value}")).unwrap_or_default();
        let sent = record("t", &format!("key{key}"), &value, self.now - age);
        self.producer.send(sent.clone()).unwrap();
        let target = if std::mem::take(&mut self.fails_next) { &mut self.failed } else { &mut self.model };
        target.push(sent);
    }

    fn flush(&mut self) {
        let failures = self.producer.flush(Duration::ZERO).unwrap();
        let failed: Vec<_> = failures.into_iter().map(|failure| failure.record).collect();
        assert_eq!(failed, std::mem::take(&mut self.failed), "flush returns what was not stored, once");
    }

    /// Ends the log as a crash after a flush would, and opens it again.
    fn reopen(&mut self) {
        if self.dir.is_none() {
            return;
        }
        self.flush();
        let before = self.records();
        // Handles go first, so that the directory is unlocked.
        self.readers.clear();
        let memory = EmbeddedLog::new(self.clock.clone());
        self.producer = memory.producer().unwrap();
        self.log = memory;
        self.log = open(self.dir.as_ref(), &self.clock);
        self.producer = self.log.producer().unwrap();
        if std::mem::take(&mut self.fails_next) {
            self.fails_next = true;
            self.log.faults().fail_appends(1);
        }
        assert_eq!(self.records(), before, "a reopened log holds the same");
        self.open_readers(self.low);
    }

    fn records(&self) -> Vec<LogRecord> {
        self.log.records(&partition("t", 0)).unwrap()
    }

    fn maintain(&mut self) {
        self.log.maintain(ms(self.now));
        let records = self.records();
        let marks = self.log.watermarks(&partition("t", 0)).unwrap();
        assert!(marks.low >= self.low, "the low watermark never goes back");
        self.low = marks.low;
        self.check_retention();
        self.check_content(&records);
    }

    /// Nothing young is dropped unless compaction may, and what is left begins with a segment that held something young.
    fn check_retention(&self) {
        let is_young = |record: &OutputRecord| self.now - record.timestamp.as_millis() <= RETENTION_MS;
        let (dropped, kept) = self.model.split_at(usize::try_from(self.low).unwrap());
        assert!(self.deletes || dropped.is_empty(), "nothing expires here");
        for (offset, sent) in dropped.iter().enumerate().filter(|(_, sent)| is_young(sent)) {
            self.assert_may_be_missing(offset, sent);
        }
        // A segment has at most 25 bytes: at least one record and at most six, of four bytes. Compaction may have taken
        // its young ones away.
        let is_exact = self.deletes && !self.compacts;
        assert!(!is_exact || kept.is_empty() || kept.iter().take(6).any(is_young), "old segments stay");
    }

    /// Every record is the one that was appended at its offset; what is missing was replaced by a newer one, or was a
    /// tombstone whose time was over.
    fn check_content(&self, records: &[LogRecord]) {
        assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
        let mut here: BTreeMap<i64, &LogRecord> = records.iter().map(|record| (record.offset, record)).collect();
        let kept = self.model.iter().enumerate().skip(usize::try_from(self.low).unwrap());
        for (offset, sent) in kept {
            match here.remove(&i64::try_from(offset).unwrap()) {
                Some(record) => assert_eq!(
                    (&record.key, &record.value, record.timestamp),
                    (&sent.key, &sent.value, sent.timestamp),
                    "offset {offset}"
                ),
                None => self.assert_may_be_missing(offset, sent),
            }
        }
        assert!(here.is_empty(), "records from nowhere: {here:?}");
    }

    fn assert_may_be_missing(&self, offset: usize, sent: &OutputRecord) {
        assert!(self.compacts, "offset {offset} is missing and nothing compacts");
        let replaced = self.model[offset + 1..].iter().any(|later| later.key == sent.key);
        assert!(replaced || sent.value.is_none(), "offset {offset} is missing and is the newest of its key");
    }

    fn read(&mut self, reader: usize, max: usize) {
        let mut records = Vec::new();
        let before = self.readers[reader].position();
        match self.readers[reader].poll(max, &mut records) {
            Ok(n) => assert!(n == records.len() && n <= max),
            Err(BrokerError::OffsetOutOfRange { offset, low, .. }) => {
                assert!(offset == before && before < low, "only retention puts a reader out of range");
                return self.seek_to(reader, low);
            }
            Err(error) => panic!("{error}"),
        }
        for record in &records {
            assert!(record.offset > self.seen[reader], "offsets ascend");
            self.seen[reader] = record.offset;
            let sent = &self.model[usize::try_from(record.offset).unwrap()];
            assert_eq!((&record.key, &record.value), (&sent.key, &sent.value));
        }
        let position = self.readers[reader].position();
        assert!(position > self.seen[reader] && position >= before);
        if records.len() < max {
            assert_eq!(position, i64::try_from(self.model.len()).unwrap(), "fewer than asked for: the end is reached");
        }
        if !self.compacts {
            assert_eq!(position - before, i64::try_from(records.len()).unwrap(), "nothing is passed over");
        }
    }

    fn seek(&mut self, reader: usize, at: &prop::sample::Index) {
        let end = i64::try_from(self.model.len()).unwrap();
        let length = usize::try_from(end - self.low).unwrap() + 1;
        self.seek_to(reader, self.low + i64::try_from(at.index(length)).unwrap());
    }

    fn seek_to(&mut self, which: usize, offset: i64) {
        self.readers[which] = reader(&self.log, &partition("t", 0), offset);
        self.seen[which] = offset - 1;
    }
}

fn open(dir: Option<&tempfile::TempDir>, clock: &Arc<HandClock>) -> EmbeddedLog {
    // Appends do not expire anything by themselves, so that the model knows when it happens.
    let options = Options { check_interval: Duration::MAX, ..Options::default() };
    match dir {
        Some(dir) => EmbeddedLog::open_with_options(dir.path(), options, clock.clone()).unwrap(),
        None => EmbeddedLog::with_options(options, clock.clone()),
    }
}

/// More cases with `PROPTEST_CASES`, default 256, divided by `divisor`.
fn config(divisor: u32, seed: u64) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases / divisor,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..default
    }
}

fn run(ops: &[Op], policy: &str, on_disk: bool) {
    let mut run = Run::new(policy, on_disk);
    ops.iter().for_each(|op| run.apply(op));
    run.flush();
    run.check_content(&run.records());
}

proptest! {
    #![proptest_config(config(1, 1))]

    #[test]
    fn agrees_with_the_model_in_memory(ops in ops()) {
        ["delete", "compact", "compact,delete"].into_iter().for_each(|policy| run(&ops, policy, false));
    }
}

proptest! {
    #![proptest_config(config(4, 2))]

    #[test]
    fn agrees_with_the_model_on_disk(ops in ops()) {
        ["delete", "compact", "compact,delete"].into_iter().for_each(|policy| run(&ops, policy, true));
    }
}
