//! Compaction.

use std::time::Duration;

use nowfold_embedded::{EmbeddedLog, Options};
use nowfold_runtime::broker::{Broker, Watermarks};

use crate::support::{HandClock, append, content, create, log, ms, partition, reader, record, words};

const COMPACT: (&str, &str) = ("cleanup.policy", "compact");
const ONE_EACH: (&str, &str) = ("segment.bytes", "1");

fn fill(log: &EmbeddedLog, records: &[(&str, &str)]) {
    for (key, value) in records {
        append(log, record("t", key, value, 1_000_000)).unwrap();
    }
}

#[test]
fn keeps_the_newest_value_of_each_key_at_its_offset() {
    let (log, _) = log();
    create(&log, "t", 1, &[COMPACT, ONE_EACH]);
    fill(&log, &[("a", "1"), ("b", "1"), ("a", "2"), ("a", "3"), ("c", "1"), ("b", "2")]);
    log.maintain(ms(0));
    assert_eq!(content(&log, "t"), ["1 b=1", "3 a=3", "4 c=1", "5 b=2"], "the active segment is not compacted");
    fill(&log, &[("end", "1")]);
    log.maintain(ms(0));
    assert_eq!(content(&log, "t"), ["3 a=3", "4 c=1", "5 b=2", "6 end=1"]);
    assert_eq!(
        log.watermarks(&partition("t", 0)).unwrap(),
        Watermarks { low: 0, high: 7 },
        "the log still starts at 0"
    );
}

#[test]
fn readers_pass_over_gaps() {
    let (log, _) = log();
    create(&log, "t", 1, &[COMPACT, ("segment.bytes", "4"), ("delete.retention.ms", "0")]);
    fill(&log, &[("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", ""), ("b", ""), ("a", "")]);
    let t0 = partition("t", 0);
    let mut early = reader(&log, &t0, 1);
    log.maintain(ms(0));
    log.maintain(ms(0));
    let mut records = Vec::new();
    assert_eq!(early.poll(10, &mut records).unwrap(), 5);
    assert_eq!(words(&records), ["2 a=2", "3 b=2", "4 a=-", "5 b=-", "6 a=-"]);
    assert_eq!((early.position(), early.known_end()), (7, Some(7)));
    let mut inside = reader(&log, &t0, 3);
    assert_eq!(inside.poll(1, &mut records).unwrap(), 1);
    assert_eq!((records.last().unwrap().offset, inside.position()), (3, 4));
}

#[test]
fn a_reader_moves_to_the_end_when_only_a_gap_is_left() {
    let (log, _) = log();
    create(
        &log,
        "t",
        1,
        &[("cleanup.policy", "compact,delete"), ONE_EACH, ("delete.retention.ms", "0"), ("retention.ms", "100")],
    );
    fill(&log, &[("a", "1"), ("a", ""), ("b", "1")]);
    log.maintain(ms(1_000_050));
    log.maintain(ms(1_000_050));
    assert_eq!(content(&log, "t"), ["2 b=1"]);
    let mut reader = reader(&log, &partition("t", 0), 1);
    assert_eq!(reader.poll(1, &mut Vec::new()).unwrap(), 1);
    assert_eq!(reader.position(), 3);
    assert_eq!(reader.poll(1, &mut Vec::new()).unwrap(), 0);
}

#[test]
fn tombstones_stay_for_their_time() {
    let (log, _) = log();
    create(&log, "t", 1, &[COMPACT, ONE_EACH, ("delete.retention.ms", "1000")]);
    fill(&log, &[("a", "1"), ("a", ""), ("end", "1")]);
    log.maintain(ms(5_000));
    assert_eq!(content(&log, "t"), ["1 a=-", "2 end=1"], "the first compaction drops only the value");
    log.maintain(ms(5_999));
    assert_eq!(content(&log, "t"), ["1 a=-", "2 end=1"]);
    log.maintain(ms(6_000));
    assert_eq!(content(&log, "t"), ["2 end=1"]);
}

#[test]
fn a_value_after_a_tombstone_lives() {
    let (log, _) = log();
    create(&log, "t", 1, &[COMPACT, ONE_EACH, ("delete.retention.ms", "0")]);
    fill(&log, &[("a", "1"), ("a", ""), ("a", "2"), ("end", "1")]);
    (0..3).for_each(|_| log.maintain(ms(5_000)));
    assert_eq!(content(&log, "t"), ["2 a=2", "3 end=1"]);
}

#[test]
fn young_records_wait_for_the_compaction_lag() {
    let (log, _) = log();
    create(&log, "t", 1, &[COMPACT, ONE_EACH, ("min.compaction.lag.ms", "100")]);
    fill(&log, &[("a", "1"), ("a", "2"), ("end", "1")]);
    log.maintain(ms(1_000_100));
    assert_eq!(content(&log, "t").len(), 3);
    log.maintain(ms(1_000_101));
    assert_eq!(content(&log, "t"), ["1 a=2", "2 end=1"]);
}

#[test]
fn hidden_records_replace_nothing() {
    let (log, _) = log();
    create(&log, "t", 1, &[COMPACT, ONE_EACH]);
    fill(&log, &[("a", "1")]);
    log.faults().hide_appends(&partition("t", 0)).unwrap();
    fill(&log, &[("a", "2"), ("end", "1")]);
    log.maintain(ms(0));
    assert_eq!(content(&log, "t"), ["0 a=1"]);
    log.faults().reveal(&partition("t", 0)).unwrap();
    log.maintain(ms(0));
    assert_eq!(content(&log, "t"), ["1 a=2", "2 end=1"]);
}

#[test]
fn appends_compact_only_when_enough_is_new() {
    let clock = HandClock::at(1_000_000);
    let options = Options { check_interval: Duration::from_millis(10), ..Options::default() };
    let log = EmbeddedLog::with_options(options, clock.clone());
    create(&log, "t", 1, &[COMPACT, ONE_EACH, ("min.cleanable.dirty.ratio", "0.5")]);
    let keys: Vec<_> = (0..10).map(|i| format!("key{i}")).collect();
    keys.iter().for_each(|key| fill(&log, &[(key.as_str(), "1")]));
    clock.advance(10);
    fill(&log, &[("key0", "2")]);
    assert_eq!(content(&log, "t").len(), 11, "all of it is clean now, and nothing was there to drop");
    clock.advance(10);
    fill(&log, &[("key1", "2")]);
    assert_eq!(content(&log, "t").len(), 12, "one new record in eleven is not enough");
    log.maintain(ms(1_000_030));
    assert_eq!(content(&log, "t").len(), 11, "unless somebody asks");
}

/// A record that waits to be written follows a gap that reaches to the end of what is written.
#[test]
fn a_reader_in_a_gap_gets_what_is_not_written_yet() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::at(1_000_000);
    let options = Options { check_interval: Duration::from_millis(10), ..Options::default() };
    let log = EmbeddedLog::open_with_options(dir.path(), options, clock.clone()).unwrap();
    create(&log, "t", 1, &[COMPACT, ("segment.bytes", "4"), ("delete.retention.ms", "0")]);
    fill(&log, &[("a", ""), ("b", ""), ("c", ""), ("d", "")]);
    let mut producer = log.producer().unwrap();
    let mut reader = reader(&log, &partition("t", 0), 0);
    // The first append closes the segment and compacts it, the second drops its tombstones.
    for (key, value) in [("e", "1"), ("f", "")] {
        clock.advance(10);
        producer.send(record("t", key, value, 1_000_000)).unwrap();
    }
    let mut records = Vec::new();
    assert_eq!(reader.poll(10, &mut records).unwrap(), 2);
    assert_eq!(words(&records), ["4 e=1", "5 f=-"]);
}
