//! Reading one partition: positions, ends, wakers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nowfold_core::names::TopicPartition;

use super::support::{create, eventually, fill, ok, producer, read, reader, record, send_all, values};
use crate::broker::{Broker, BrokerError, PartitionReader};

#[track_caller]
fn filled(broker: &dyn Broker, scratch: &str, n: usize) -> TopicPartition {
    let topic = create(broker, scratch, 1, &[]);
    fill(broker, &topic, n);
    TopicPartition { topic, partition: 0 }
}

pub(super) fn reads_from_the_given_offset(broker: &dyn Broker, scratch: &str) {
    let partition = filled(broker, scratch, 10);
    let mut reader = reader(broker, &partition, 7);
    assert_eq!(reader.position(), 7);
    let records = read(&mut *reader, 3);
    assert_eq!(values(&records), ["7", "8", "9"]);
    assert_eq!(records.first().map(|record| record.offset), Some(7));
    assert_eq!(reader.position(), 10);
}

pub(super) fn poll_returns_at_most_max(broker: &dyn Broker, scratch: &str) {
    let partition = filled(broker, scratch, 10);
    let mut reader = reader(broker, &partition, 0);
    let mut records = Vec::new();
    assert_eq!(ok(reader.poll(0, &mut records), "polling for nothing"), 0);
    eventually("ten records, three at a time", || {
        let count = ok(reader.poll(3, &mut records), "polling a reader");
        assert!(count <= 3, "{count} records though 3 were asked for");
        assert_eq!(reader.position(), ok(i64::try_from(records.len()), "counting"), "the position follows");
        (records.len() == 10).then_some(())
    });
    assert_eq!(values(&records), (0..10).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(ok(reader.poll(3, &mut records), "polling at the end"), 0);
}

pub(super) fn readers_are_independent(broker: &dyn Broker, scratch: &str) {
    let partition = filled(broker, scratch, 6);
    let (mut one, mut other) = (reader(broker, &partition, 0), reader(broker, &partition, 3));
    assert_eq!(values(&read(&mut *one, 2)), ["0", "1"]);
    assert_eq!(values(&read(&mut *other, 3)), ["3", "4", "5"]);
    drop(other);
    assert_eq!(values(&read(&mut *one, 4)), ["2", "3", "4", "5"]);
    assert_eq!(values(&read(&mut *reader(broker, &partition, 0), 1)), ["0"], "reading takes nothing away");
}

pub(super) fn reports_offsets_out_of_range(broker: &dyn Broker, scratch: &str) {
    let partition = filled(broker, scratch, 3);
    let mut beyond = reader(broker, &partition, 100);
    let error = eventually("a position beyond the end is reported", || beyond.poll(10, &mut Vec::new()).err());
    match error {
        BrokerError::OffsetOutOfRange { partition: named, offset, low, high } => {
            assert_eq!((named, offset, low, high), (partition.clone(), 100, 0, 3));
        }
        other => panic!("expected OffsetOutOfRange, got {other:?}"),
    }
    let mut at_end = reader(broker, &partition, 3);
    fill(broker, &partition.topic, 1);
    assert_eq!(values(&read(&mut *at_end, 1)), ["0"], "the end itself is a valid position");
}

pub(super) fn knows_the_end_of_the_log(broker: &dyn Broker, scratch: &str) {
    let partition = filled(broker, scratch, 4);
    let mut reader = reader(broker, &partition, 0);
    let knows = |reader: &mut Box<dyn PartitionReader>, end| {
        eventually("the reader hears of the end", || {
            ok(reader.poll(1, &mut Vec::new()), "polling a reader");
            (reader.known_end() == Some(end)).then_some(())
        });
    };
    knows(&mut reader, 4);
    let unread = usize::try_from(4 - reader.position()).unwrap_or(0);
    read(&mut *reader, unread);
    fill(broker, &partition.topic, 2);
    knows(&mut reader, 6);
}

pub(super) fn wakes_a_waiting_reader(broker: &dyn Broker, scratch: &str) {
    let partition = filled(broker, scratch, 2);
    let calls = Arc::new(AtomicUsize::new(0));
    let waker = Arc::clone(&calls);
    let waker = Arc::new(move || _ = waker.fetch_add(1, Ordering::SeqCst));
    let mut reader = ok(broker.reader(&partition, 0, waker), "opening a reader");
    read(&mut *reader, 2);
    let mut producer = producer(broker);
    for round in 0..20 {
        assert_eq!(
            ok(reader.poll(10, &mut Vec::new()), "polling at the end"),
            0,
            "nothing is there before round {round}"
        );
        let before = calls.load(Ordering::SeqCst);
        send_all(&mut *producer, [record(&partition.topic, Some(0), "k", &round.to_string())]);
        eventually("the waker is called", || (calls.load(Ordering::SeqCst) > before).then_some(()));
        assert_eq!(values(&read(&mut *reader, 1)), [round.to_string()]);
    }
}
