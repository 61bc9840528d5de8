//! Records that are deleted before an offset.

use nowfold_core::names::TopicPartition;

use super::support::{create, eventually, fill, ok, read, reader, values};
use crate::broker::{Broker, BrokerError, Watermarks};

pub(super) fn deletes_records_before_an_offset(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 2, &[]);
    fill(broker, &topic, 5);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let marks = |p| ok(broker.watermarks(&TopicPartition::new(topic.as_str(), p)), "asking for watermarks");
    ok(broker.delete_records(&[(partition.clone(), 3)]), "deleting records");
    eventually("the log begins at the offset", || (marks(0) == Watermarks { low: 3, high: 5 }).then_some(()));
    assert_eq!(marks(1), Watermarks { low: 0, high: 0 }, "other partitions are left alone");
    assert_eq!(values(&read(&mut *reader(broker, &partition, 3), 2)), ["3", "4"]);

    let mut below = reader(broker, &partition, 1);
    let error = eventually("a position before the log's start is reported", || below.poll(10, &mut Vec::new()).err());
    match error {
        BrokerError::OffsetOutOfRange { offset, low, high, .. } => assert_eq!((offset, low, high), (1, 3, 5)),
        other => panic!("expected OffsetOutOfRange, got {other:?}"),
    }
}

pub(super) fn deleting_what_is_deleted_changes_nothing(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    fill(broker, &topic, 5);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let marks = || ok(broker.watermarks(&partition), "asking for watermarks");
    ok(broker.delete_records(&[(partition.clone(), 4)]), "deleting records");
    ok(broker.delete_records(&[(partition.clone(), 2)]), "deleting fewer");
    ok(broker.delete_records(&[]), "deleting nothing");
    eventually("the log begins at the larger offset", || (marks() == Watermarks { low: 4, high: 5 }).then_some(()));
    assert!(broker.delete_records(&[(partition.clone(), 99)]).is_err(), "there is no such offset yet");
    assert_eq!(marks(), Watermarks { low: 4, high: 5 });
}

pub(super) fn a_log_without_records_goes_on_where_it_was(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    fill(broker, &topic, 3);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let mut at_end = reader(broker, &partition, 3);
    ok(broker.delete_records(&[(partition.clone(), 3)]), "deleting all records");
    let marks = || ok(broker.watermarks(&partition), "asking for watermarks");
    eventually("the log is empty", || (marks() == Watermarks { low: 3, high: 3 }).then_some(()));
    fill(broker, &topic, 2);
    let records = read(&mut *at_end, 2);
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [3, 4]);
}
