//! Expiry by age and size.

use nowfold_embedded::{EmbeddedLog, Options};
use nowfold_runtime::broker::{Broker, BrokerError, Watermarks};

use crate::support::{HandClock, append, content, create, log, ms, partition, reader, record};

/// One record a segment, so that expiry is exact.
const ONE_EACH: (&str, &str) = ("segment.bytes", "1");

fn watermarks(log: &EmbeddedLog) -> (i64, i64) {
    let Watermarks { low, high } = log.watermarks(&partition("t", 0)).unwrap();
    (low, high)
}

#[test]
fn drops_records_older_than_retention() {
    let (log, _) = log();
    create(&log, "t", 1, &[ONE_EACH, ("retention.ms", "100")]);
    for timestamp in [1_000_000, 1_000_050, 1_000_100] {
        append(&log, record("t", "k", &timestamp.to_string(), timestamp)).unwrap();
    }
    log.maintain(ms(1_000_100));
    assert_eq!(watermarks(&log), (0, 3), "as old as retention is not older");
    log.maintain(ms(1_000_101));
    assert_eq!(content(&log, "t"), ["1 k=1000050", "2 k=1000100"]);
    assert_eq!(watermarks(&log), (1, 3));
}

#[test]
fn expires_by_the_records_own_time_and_in_order() {
    let (log, _) = log();
    create(&log, "t", 1, &[ONE_EACH, ("retention.ms", "100")]);
    append(&log, record("t", "k", "young", 1_000_000)).unwrap();
    append(&log, record("t", "k", "old", 5)).unwrap();
    log.maintain(ms(1_000_000));
    assert_eq!(watermarks(&log), (0, 2), "an old record behind a young one stays");
    log.maintain(ms(1_000_101));
    assert_eq!(watermarks(&log), (2, 2), "an expired active segment goes as well");
    append(&log, record("t", "k", "next", 1_000_101)).unwrap();
    assert_eq!(content(&log, "t"), ["2 k=next"], "offsets go on");
}

#[test]
fn a_segment_expires_with_its_newest_record() {
    let (log, _) = log();
    create(&log, "t", 1, &[("segment.ms", "50"), ("retention.ms", "100")]);
    for timestamp in [1_000_000, 1_000_050, 1_000_051, 1_000_060] {
        append(&log, record("t", "k", "v", timestamp)).unwrap();
    }
    log.maintain(ms(1_000_150));
    assert_eq!(watermarks(&log), (0, 4));
    log.maintain(ms(1_000_151));
    assert_eq!(watermarks(&log), (2, 4), "50 ms after its first record a segment is full");
}

#[test]
fn keeps_at_least_the_newest_bytes() {
    let (log, _) = log();
    create(&log, "t", 1, &[ONE_EACH, ("retention.bytes", "30")]);
    for i in 0..10 {
        append(&log, record("t", "k", "nine bytes"[..9].as_ref(), i)).unwrap();
    }
    log.maintain(ms(0));
    assert_eq!(watermarks(&log), (7, 10), "three records of 10 bytes");
}

#[test]
fn readers_below_the_low_watermark_are_told() {
    let (log, _) = log();
    create(&log, "t", 1, &[ONE_EACH, ("retention.ms", "100")]);
    let mut early = reader(&log, &partition("t", 0), 0);
    for timestamp in [1_000_000, 1_000_001, 1_000_200] {
        append(&log, record("t", "k", "v", timestamp)).unwrap();
    }
    let mut records = Vec::new();
    assert_eq!(early.poll(1, &mut records).unwrap(), 1);
    log.maintain(ms(1_000_200));
    match early.poll(1, &mut records).unwrap_err() {
        BrokerError::OffsetOutOfRange { offset, low, high, .. } => assert_eq!((offset, low, high), (1, 2, 3)),
        other => panic!("{other:?}"),
    }
    assert_eq!(reader(&log, &partition("t", 0), 2).poll(9, &mut records).unwrap(), 1);
}

#[test]
fn appends_expire_records_now_and_then() {
    let clock = HandClock::at(1_000_000);
    let options = Options { check_interval: std::time::Duration::from_millis(500), ..Options::default() };
    let log = EmbeddedLog::with_options(options, clock.clone());
    create(&log, "t", 1, &[ONE_EACH, ("retention.ms", "100"), ("message.timestamp.type", "LogAppendTime")]);
    for (advance, low) in [(0, 0), (400, 0), (100, 1), (400, 1), (100, 3)] {
        clock.advance(advance);
        append(&log, record("t", "k", "v", 0)).unwrap();
        assert_eq!(watermarks(&log).0, low);
    }
}

#[test]
fn compacted_topics_and_hidden_records_do_not_expire() {
    let (log, _) = log();
    create(&log, "t", 1, &[ONE_EACH, ("retention.ms", "100"), ("cleanup.policy", "compact")]);
    append(&log, record("t", "k", "v", 5)).unwrap();
    log.maintain(ms(1_000_000));
    assert_eq!(watermarks(&log), (0, 1));

    create(&log, "hidden", 1, &[ONE_EACH, ("retention.ms", "100")]);
    let hidden = partition("hidden", 0);
    log.faults().hide_appends(&hidden).unwrap();
    append(&log, record("hidden", "k", "v", 5)).unwrap();
    append(&log, record("hidden", "k", "w", 5)).unwrap();
    log.maintain(ms(1_000_000));
    log.faults().reveal(&hidden).unwrap();
    assert_eq!(content(&log, "hidden"), ["0 k=v", "1 k=w"]);
    log.maintain(ms(1_000_000));
    assert_eq!(log.watermarks(&hidden).unwrap(), Watermarks { low: 2, high: 2 });
}

#[test]
fn deleted_records_free_their_segments_and_a_reader_that_was_there_hears_of_it() {
    let (log, _clock) = log();
    create(&log, "t", 1, &[("retention.ms", "-1")]);
    (0..6).for_each(|n| append(&log, record("t", "k", &n.to_string(), 1)).unwrap());
    let at = partition("t", 0);
    let mut reader = reader(&log, &at, 0);
    let mut read = Vec::new();
    reader.poll(2, &mut read).unwrap();
    log.delete_records(&[(at.clone(), 4)]).unwrap();
    assert_eq!(content(&log, "t"), ["4 k=4", "5 k=5"]);
    assert!(matches!(reader.poll(2, &mut read), Err(BrokerError::OffsetOutOfRange { offset: 2, low: 4, high: 6, .. })));
    (6..8).for_each(|n| append(&log, record("t", "k", &n.to_string(), 1)).unwrap());
    log.delete_records(&[(at.clone(), 7)]).unwrap();
    assert_eq!(content(&log, "t"), ["7 k=7"]);
    log.delete_records(&[(at.clone(), 8)]).unwrap();
    assert_eq!(content(&log, "t"), [""; 0]);
    assert_eq!(log.log_end(&at).unwrap(), 8);
}

#[test]
fn deleted_segments_stay_deleted_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (_, clock) = log();
    let at = partition("t", 0);
    let open = || EmbeddedLog::open(dir.path(), clock.clone()).unwrap();
    let log = open();
    create(&log, "t", 1, &[("retention.ms", "-1")]);
    (0..4).for_each(|n| append(&log, record("t", "k", &n.to_string(), 1)).unwrap());
    log.delete_records(&[(at.clone(), 4)]).unwrap();
    append(&log, record("t", "k", "4", 1)).unwrap();
    drop(log);
    let log = open();
    assert_eq!(content(&log, "t"), ["4 k=4"]);
    assert_eq!(log.watermarks(&at).unwrap().low, 4);
}
