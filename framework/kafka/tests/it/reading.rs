//! Readers: control records, ranges, neighbours that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_kafka::{GroupProtocol, Kafka, KafkaConfig};
use nowfold_runtime::broker::{Broker, BrokerError, PartitionReader, Waker};

use crate::raw::{Transaction, delete_records, delete_topic};
use crate::support::{connect, connect_with, eventually, fill, read, reader, record, send_all, topic, values};

/// Polls until the reader stands at `end`, and returns what it read. The log ends there soon: a transaction's marker may
/// be written a little after its end.
fn read_up_to(end: Offset, kafka: &Kafka, reader: &mut dyn PartitionReader, of: &TopicPartition) -> Vec<String> {
    let mut records = Vec::new();
    eventually("the position reaches the end", || {
        reader.poll(100, &mut records).unwrap();
        (reader.position() >= end).then_some(())
    });
    assert_eq!((reader.position(), kafka.watermarks(of).unwrap().high), (end, end));
    values(&records)
}

#[test]
fn position_passes_control_records() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "control", 1);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let mut reader = reader(&kafka, &topic, 0, 0);
    for (round, end) in [("a", 3), ("b", 6), ("c", 9)] {
        let transaction = Transaction::begin();
        transaction.send(&topic, &[round, round]);
        transaction.commit();
        // Two records and a marker.
        assert_eq!(read_up_to(end, &kafka, &mut *reader, &partition), [round, round]);
        eventually("the end is known", || (reader.known_end() == Some(end)).then_some(()));
    }
}

#[test]
fn waker_tells_of_a_position_that_passed_control_records() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "wakes", 1);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    let waker: Waker = Arc::new(move || _ = counted.fetch_add(1, Ordering::SeqCst));
    let mut reader = kafka.reader(&partition, 0, waker).unwrap();
    let transaction = Transaction::begin();
    transaction.send(&topic, &["a"]);
    transaction.commit();
    let mut polled_at = usize::MAX;
    eventually("polls only when woken reach the end", || {
        let woken = wakes.load(Ordering::SeqCst);
        if woken != polled_at {
            polled_at = woken;
            reader.poll(100, &mut Vec::new()).unwrap();
        }
        (reader.position() == 2).then_some(())
    });
}

#[test]
fn aborted_records_are_passed_unseen() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "aborted", 1);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let transaction = Transaction::begin();
    transaction.send(&topic, &["x", "y"]);
    transaction.abort();
    let mut reader = reader(&kafka, &topic, 0, 0);
    assert!(read_up_to(3, &kafka, &mut *reader, &partition).is_empty());
    fill(&kafka, &topic, 0, 1);
    assert_eq!(values(&read(&mut *reader, 1)), ["0"]);
}

#[test]
fn open_transaction_ends_the_log() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "open", 1);
    let partition = TopicPartition::new(topic.as_str(), 0);
    fill(&kafka, &topic, 0, 3);
    let transaction = Transaction::begin();
    transaction.send(&topic, &["later"]);
    let mut reader = reader(&kafka, &topic, 0, 0);
    assert_eq!(read_up_to(3, &kafka, &mut *reader, &partition).len(), 3);
    eventually("the end is known", || (reader.known_end() == Some(3)).then_some(()));
    transaction.commit();
    assert_eq!(values(&read(&mut *reader, 1)), ["later"]);
}

#[test]
fn position_that_was_purged_is_out_of_range() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "purged", 1);
    fill(&kafka, &topic, 0, 10);
    delete_records(&topic, 5);
    let mut late = reader(&kafka, &topic, 0, 3);
    let error = eventually("the range is reported", || late.poll(10, &mut Vec::new()).err());
    let BrokerError::OffsetOutOfRange { offset, low, high, .. } = &error else { panic!("{error}") };
    assert_eq!((*offset, *low, *high), (3, 5, 10));
    assert_eq!(late.poll(10, &mut Vec::new()).unwrap_err().to_string(), error.to_string(), "it stays so");
    assert_eq!(late.position(), 3, "and nothing is skipped");
    drop(late);
    assert_eq!(read(&mut *reader(&kafka, &topic, 0, 5), 5).len(), 5);
}

#[test]
fn position_that_the_log_has_reached_meanwhile_is_read() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "reached", 1);
    fill(&kafka, &topic, 0, 3);
    let refused = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&refused);
    let waker: Waker = Arc::new(move || heard.store(true, Ordering::SeqCst));
    let mut early = kafka.reader(&TopicPartition::new(topic.as_str(), 0), 5, waker).unwrap();
    eventually("the broker refuses the position", || refused.load(Ordering::SeqCst).then_some(()));
    fill(&kafka, &topic, 0, 6);
    let offsets: Vec<_> = read(&mut *early, 4).iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [5, 6, 7, 8]);
}

#[test]
fn deleted_topic_is_reported_to_its_reader() {
    let quick = |config: &mut KafkaConfig| {
        for key in ["topic.metadata.propagation.max.ms", "topic.metadata.refresh.interval.ms"] {
            config.raw.insert(key.into(), "1000".into());
        }
    };
    let Some(kafka) = connect_with(GroupProtocol::Classic, quick) else { return };
    let topic = topic(&kafka, "deleted", 1);
    fill(&kafka, &topic, 0, 1);
    let mut reader = reader(&kafka, &topic, 0, 0);
    read(&mut *reader, 1);
    delete_topic(&topic);
    let error = eventually("the reader hears of it", || reader.poll(10, &mut Vec::new()).err());
    assert!(matches!(error, BrokerError::UnknownTopic { .. }), "{error}");
}

#[test]
fn what_an_idle_reader_knows_stays_fresh_while_the_broker_answers() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "fresh", 1);
    let mut reader = reader(&kafka, &topic, 0, 0);
    eventually("the end is known", || {
        reader.poll(1, &mut Vec::new()).unwrap();
        (reader.known_end() == Some(0)).then_some(())
    });
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        assert_eq!(reader.poll(1, &mut Vec::new()).unwrap(), 0);
        assert!(reader.known_age() < Duration::from_secs(3), "{:?}", reader.known_age());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn missing_partition_is_named() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "few", 2);
    let waker: Waker = Arc::new(|| {});
    let error = kafka.reader(&TopicPartition::new(topic.as_str(), 2), 0, waker).unwrap_err();
    assert!(error.to_string().contains("2 partitions"), "{error}");
}

#[test]
fn reopened_reader_sees_nothing_of_what_its_predecessor_prefetched() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "reopened", 1);
    fill(&kafka, &topic, 0, 2_000);
    for round in 0..50 {
        let start = (round * 389) % 1_900;
        let mut reader = reader(&kafka, &topic, 0, start);
        let offsets: Vec<_> = read(&mut *reader, 20).iter().map(|record| record.offset).collect();
        assert_eq!(offsets, (start..start + 20).collect::<Vec<_>>(), "round {round}");
        assert_eq!(reader.position(), start + 20);
    }
}

#[derive(Default)]
struct Done(AtomicBool);

/// Tells the others when its owner returns or fails.
struct Finish<'a>(&'a Done);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn readers_that_come_and_go_do_not_disturb_the_others() {
    const N: usize = 20_000;
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "neighbours", 6);
    for passing in 2..6 {
        fill(&kafka, &topic, passing, 500);
    }
    let done = Done::default();
    std::thread::scope(|scope| {
        let _done = Finish(&done);
        scope.spawn(|| {
            let mut producer = kafka.producer().unwrap();
            for records in (0..N).collect::<Vec<_>>().chunks(100) {
                let both = records.iter().flat_map(|i| [0, 1].map(|p| record(&topic, p, i.to_string())));
                send_all(&mut *producer, both);
            }
        });
        scope.spawn(|| {
            for round in (0..).take_while(|_| !done.0.load(Ordering::Relaxed)) {
                let mut passing = reader(&kafka, &topic, 2 + round % 4, 0);
                read(&mut *passing, 100);
            }
        });
        let steady = |partition| {
            let mut steady = reader(&kafka, &topic, partition, 0);
            let read = values(&read(&mut *steady, N));
            assert!(read.iter().enumerate().all(|(i, value)| *value == i.to_string()), "partition {partition}");
        };
        let other = scope.spawn(move || steady(1));
        steady(0);
        other.join().unwrap();
    });
}
