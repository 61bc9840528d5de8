//! Appends and reads beyond what the contract suite asks of every broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nowfold_core::record::{OutputRecord, TimestampType};
use nowfold_embedded::{EmbeddedLog, Options};
use nowfold_runtime::broker::{Broker, BrokerError, TopicSpec, Watermarks};

use crate::support::{HandClock, append, content, create, log, partition, reader, record, words};

#[test]
fn stamps_the_clocks_time_that_never_goes_back() {
    let (log, clock) = log();
    let topic = create(&log, "t", 1, &[("message.timestamp.type", "LogAppendTime")]);
    for now in [5_000, 7_000, 6_000, 7_001] {
        clock.set(now);
        append(&log, record(topic.as_str(), "k", "v", 1)).unwrap();
    }
    let records = log.records(&partition("t", 0)).unwrap();
    let stamped: Vec<_> = records.iter().map(|record| record.timestamp.as_millis()).collect();
    assert_eq!(stamped, [5_000, 7_000, 7_000, 7_001]);
    assert!(records.iter().all(|record| record.timestamp_type == TimestampType::LogAppendTime));
}

#[test]
fn create_time_further_ahead_than_allowed_is_refused() {
    let (log, _) = log();
    create(&log, "t", 1, &[("message.timestamp.before.max.ms", "500")]);
    let hour = 3_600_000;
    append(&log, record("t", "k", "at the limit", 1_000_000 + hour)).unwrap();
    append(&log, record("t", "k", "at the other limit", 1_000_000 - 500)).unwrap();
    for (off, setting) in [(hour + 1, "message.timestamp.after.max.ms"), (-501, "message.timestamp.before.max.ms")] {
        let error = append(&log, record("t", "k", "v", 1_000_000 + off)).unwrap_err();
        assert!(matches!(error, BrokerError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(setting), "{error}");
    }
    assert_eq!(content(&log, "t").len(), 2);
}

#[test]
fn records_without_a_key_take_turns() {
    let (log, _) = log();
    let topic = create(&log, "t", 3, &[]);
    let mut producer = log.producer().unwrap();
    for _ in 0..9 {
        let unkeyed = OutputRecord { key: None, partition: None, ..record(topic.as_str(), "", "v", 0) };
        producer.send(unkeyed).unwrap();
    }
    for p in 0..3 {
        assert_eq!(log.watermarks(&partition("t", p)).unwrap(), Watermarks { low: 0, high: 3 });
    }
}

#[test]
fn unknown_settings_and_bad_names_are_refused() {
    let (log, _) = log();
    let spec = |name: &str, partitions, setting: &str| TopicSpec {
        name: name.into(),
        partitions: Some(partitions),
        config: [(setting.to_owned(), "1".to_owned())].into(),
    };
    for (bad, cause) in [
        (spec("t", 1, "retention.hours"), "retention.hours"),
        (spec("a/b", 1, "retention.ms"), "a/b"),
        (spec("..", 1, "retention.ms"), ".."),
        (spec("t", 0, "retention.ms"), "at least one partition"),
    ] {
        let error = log.create_topic(&bad).unwrap_err();
        assert!(matches!(error, BrokerError::Refused { .. }) && error.to_string().contains(cause), "{error}");
    }
}

#[test]
fn default_number_of_partitions_is_a_setting() {
    let options = Options { default_partitions: 6, ..Options::default() };
    for (log, expected) in [(log().0, 4), (EmbeddedLog::with_options(options, HandClock::at(0)), 6)] {
        log.create_topic(&TopicSpec { name: "t".into(), partitions: None, config: Default::default() }).unwrap();
        let info = log.topics(&["t".into()], Duration::ZERO).unwrap().pop().flatten().unwrap();
        assert_eq!(info.partitions, expected);
    }
}

#[test]
fn handles_share_one_log() {
    let (log, _) = log();
    let other = log.clone();
    create(&log, "t", 1, &[]);
    append(&other, record("t", "k", "v", 0)).unwrap();
    assert_eq!(content(&log, "t"), ["0 k=v"]);
    assert!(log.describe().contains("embedded log"));
}

#[test]
fn injected_append_failures_come_with_the_flush() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    log.faults().fail_appends(2);
    let mut producer = log.producer().unwrap();
    for value in ["a", "b", "c"] {
        producer.send(record("t", "k", value, 0)).unwrap();
    }
    let failures = producer.flush(Duration::ZERO).unwrap();
    let failed: Vec<_> = failures.iter().map(|failure| failure.record.clone()).collect();
    assert_eq!(failed, [record("t", "k", "a", 0), record("t", "k", "b", 0)]);
    assert!(failures.iter().all(|failure| failure.error.is_retriable()));
    assert!(producer.flush(Duration::ZERO).unwrap().is_empty(), "each failure is reported once");
    assert_eq!(content(&log, "t"), ["0 k=c"]);
}

#[test]
fn random_faults_follow_their_seed() {
    let failed = |seed| {
        let (log, _) = log();
        create(&log, "t", 1, &[]);
        log.faults().fail_randomly(seed, 4);
        let mut producer = log.producer().unwrap();
        (0..400).for_each(|i| producer.send(record("t", "k", &i.to_string(), 0)).unwrap());
        let failures = producer.flush(Duration::ZERO).unwrap();
        log.faults().clear();
        append(&log, record("t", "k", "last", 0)).unwrap();
        assert_eq!(failures.len() + content(&log, "t").len(), 401);
        failures.into_iter().map(|failure| failure.record.value.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(failed(1), failed(1));
    assert_ne!(failed(1), failed(2));
    assert!((60..140).contains(&failed(1).len()), "about one in four: {}", failed(1).len());
}

#[test]
fn hidden_appends_appear_when_revealed() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    let t0 = partition("t", 0);
    append(&log, record("t", "k", "seen", 0)).unwrap();
    log.faults().hide_appends(&t0).unwrap();

    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    let mut reader = log.reader(&t0, 0, Arc::new(move || _ = counter.fetch_add(1, Ordering::SeqCst))).unwrap();
    let mut records = Vec::new();
    assert_eq!(reader.poll(10, &mut records).unwrap(), 1);
    for i in 0..600 {
        append(&log, record("t", "k", &i.to_string(), 0)).unwrap();
        assert_eq!(reader.poll(10, &mut records).unwrap(), 0, "hidden record {i}");
    }
    assert_eq!((reader.position(), reader.known_end()), (1, Some(1)));
    assert_eq!(log.watermarks(&t0).unwrap(), Watermarks { low: 0, high: 1 });
    assert_eq!(woken.load(Ordering::SeqCst), 0);

    log.faults().reveal(&t0).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 1, "revealing wakes the waiting reader");
    assert_eq!(reader.poll(1_000, &mut records).unwrap(), 600);
    assert_eq!((reader.position(), reader.known_end()), (601, Some(601)));
}

#[test]
fn a_dropped_reader_is_not_woken() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    let waker = Arc::new(move || _ = counter.fetch_add(1, Ordering::SeqCst));
    let mut reader = log.reader(&partition("t", 0), 0, waker).unwrap();
    assert_eq!(reader.poll(1, &mut Vec::new()).unwrap(), 0);
    drop(reader);
    append(&log, record("t", "k", "v", 0)).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 0);
    assert_eq!(Arc::strong_count(&woken), 1, "nothing of the reader stays");
}

#[test]
fn readers_and_writers_on_many_threads_lose_nothing() {
    read_and_write_on_many_threads(&log().0);
}

#[test]
fn readers_and_writers_on_many_threads_lose_nothing_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    read_and_write_on_many_threads(&EmbeddedLog::open(dir.path(), HandClock::at(1_000_000)).unwrap());
}

fn read_and_write_on_many_threads(log: &EmbeddedLog) {
    const WRITERS: usize = 3;
    const N: usize = 20_000;
    create(log, "t", 1, &[("segment.bytes", "50000"), ("retention.ms", "-1")]);
    let read = |log: &EmbeddedLog| {
        let (send, receive) = std::sync::mpsc::channel();
        let waker = Arc::new(move || _ = send.send(()));
        let mut reader = log.reader(&partition("t", 0), 0, waker).unwrap();
        let mut records = Vec::new();
        while records.len() < WRITERS * N {
            if reader.poll(700, &mut records).unwrap() == 0 {
                // A waiting reader is woken.
                receive.recv_timeout(Duration::from_secs(60)).unwrap();
            }
        }
        words(&records)
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read(log))).collect();
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut producer = log.producer().unwrap();
                (0..N).for_each(|i| producer.send(record("t", &writer.to_string(), &i.to_string(), 0)).unwrap());
            });
        }
        let read: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_eq!(read[0], read[1], "all readers see one order");
        for writer in 0..WRITERS {
            let own = read[0].iter().filter_map(|word| word.split_once(' ')?.1.strip_prefix(&format!("{writer}=")));
            assert!(own.eq((0..N).map(|i| i.to_string())), "the order of writer {writer} is kept");
        }
    });
}

#[test]
fn offsets_below_zero_are_out_of_range() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    let error = reader(&log, &partition("t", 0), -1).poll(1, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, BrokerError::OffsetOutOfRange { offset: -1, low: 0, high: 0, .. }), "{error:?}");
    assert_eq!(log.records(&partition("t", 0)).unwrap(), []);
}
