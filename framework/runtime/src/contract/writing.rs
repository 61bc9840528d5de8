//! Producing: order, content, partitioning, refusals.

use bytes::Bytes;
use nowfold_core::names::TopicPartition;
use nowfold_core::partition::partition_for_key;
use nowfold_core::record::{Headers, OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;

use super::support::{
    EVENT_TIME, create, ok, producer, read, read_partition, reader, record, refusal, send_all, text, values,
};
use crate::broker::{Broker, BrokerError, append_time};

pub(super) fn produces_and_reads_in_order(broker: &dyn Broker, scratch: &str) {
    const N: usize = 5_000;
    let topic = create(broker, scratch, 2, &[]);
    let records = (0..2 * N).map(|i| record(&topic, Some(i32::from(i % 2 == 1)), "k", &i.to_string()));
    send_all(&mut *producer(broker), records);
    for p in 0..2 {
        let read = read_partition(broker, &topic, p);
        let offsets: Vec<_> = read.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, (0..).take(N).collect::<Vec<i64>>(), "offsets count up from 0");
        let first = usize::from(p == 1);
        let sent: Vec<_> = (0..N).map(|i| (2 * i + first).to_string()).collect();
        assert_eq!(values(&read), sent, "in the order sent");
    }
}

pub(super) fn keeps_nulls_headers_and_timestamps(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let mut headers = Headers::new();
    headers.push("trace", text("a"));
    headers.push("empty", Some(Bytes::new()));
    headers.push("null", None);
    headers.push("trace", text("b"));
    let sent = |key, value, ms, headers: &Headers| OutputRecord {
        topic: topic.clone(),
        partition: Some(0),
        key,
        value,
        timestamp: Timestamp::from_millis(ms),
        headers: headers.clone(),
    };
    let records = [
        sent(text("key"), text("value"), 1_700_000_000_005, &headers),
        sent(None, text("null key"), 1_700_000_000_004, &Headers::new()),
        sent(text("tombstone"), None, 1_700_000_000_003, &Headers::new()),
        // Not 0, which a Kafka client takes for "now".
        sent(None, None, 3, &headers),
        sent(Some(Bytes::new()), Some(Bytes::new()), 1, &Headers::new()),
        sent(Some(Bytes::from_static(&[0, 159, 255])), Some(Bytes::from(vec![7; 100_000])), 2, &Headers::new()),
    ];
    send_all(&mut *producer(broker), records.clone());
    let read = read_partition(broker, &topic, 0);
    assert_eq!(read.len(), records.len());
    for (read, sent) in read.iter().zip(&records) {
        assert_eq!((&read.key, &read.value, &read.headers), (&sent.key, &sent.value, &sent.headers));
        assert_eq!((read.timestamp, read.timestamp_type), (sent.timestamp, TimestampType::CreateTime));
        assert_eq!(append_time(read), None, "a CreateTime topic does not tell when a record was appended");
    }
}

pub(super) fn log_append_time_replaces_the_timestamp(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[("message.timestamp.type", "LogAppendTime")]);
    let at = |ms| OutputRecord { timestamp: Timestamp::from_millis(ms), ..record(&topic, Some(0), "k", "v") };
    // An event time of 2013 and one of 2065: neither is kept, neither is refused.
    let given = [1_372_636_800_000, 3_000_000_000_000, 1_372_636_800_001];
    let mut producer = producer(broker);
    for ms in given {
        send_all(&mut *producer, [at(ms)]);
    }
    let read = read_partition(broker, &topic, 0);
    assert_eq!(read.len(), given.len());
    for record in &read {
        assert_eq!(append_time(record), Some(record.timestamp));
        assert!(!given.contains(&record.timestamp.as_millis()), "the producer's timestamp is replaced");
    }
    assert!(read.is_sorted_by_key(|record| record.timestamp), "append time does not go back");
}

pub(super) fn partitions_by_murmur2(broker: &dyn Broker, scratch: &str) {
    const PARTITIONS: i32 = 7;
    let topic = create(broker, scratch, PARTITIONS, &[]);
    let keys: Vec<_> = (0..100).map(|i| format!("member-{i}")).collect();
    let by_key = keys.iter().map(|key| record(&topic, None, key, "by key"));
    let explicit = record(&topic, Some(3), "elsewhere", "explicit");
    send_all(&mut *producer(broker), by_key.chain([explicit]));
    for p in 0..PARTITIONS {
        let read: Vec<_> = read_partition(broker, &topic, p).into_iter().filter_map(|record| record.key).collect();
        let here = keys.iter().filter(|key| partition_for_key(key.as_bytes(), PARTITIONS) == p);
        let mut expected: Vec<_> = here.map(|key| Bytes::from(key.clone())).collect();
        expected.extend((p == 3).then(|| Bytes::from_static(b"elsewhere")));
        assert_eq!(read, expected, "keys of partition {p}");
    }
}

pub(super) fn null_keys_land_somewhere(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 3, &[]);
    let unkeyed = |i: usize| OutputRecord { key: None, ..record(&topic, None, "", &i.to_string()) };
    send_all(&mut *producer(broker), (0..30).map(unkeyed));
    let mut read: Vec<_> = (0..3).flat_map(|p| values(&read_partition(broker, &topic, p))).collect();
    read.sort_by_key(|value| value.parse::<usize>().ok());
    assert_eq!(read, (0..30).map(|i| i.to_string()).collect::<Vec<_>>(), "every record once");
}

pub(super) fn too_large_record_is_refused(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[("max.message.bytes", "2000")]);
    let mut producer = producer(broker);
    send_all(&mut *producer, [record(&topic, Some(0), "k", "before")]);
    match refusal(&mut *producer, record(&topic, Some(0), "k", &"x".repeat(10_000))) {
        BrokerError::Refused { topic: named, .. } => assert_eq!(named, topic),
        other => panic!("expected Refused, got {other:?}"),
    }
    send_all(&mut *producer, [record(&topic, Some(0), "k", "after")]);
    assert_eq!(values(&read_partition(broker, &topic, 0)), ["before", "after"]);
}

pub(super) fn compacted_topic_refuses_a_null_key(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[("cleanup.policy", "compact")]);
    let mut producer = producer(broker);
    let unkeyed = OutputRecord { key: None, ..record(&topic, Some(0), "", "v") };
    let error = refusal(&mut *producer, unkeyed);
    assert!(matches!(error, BrokerError::Refused { .. }), "expected Refused, got {error:?}");
    send_all(&mut *producer, [record(&topic, Some(0), "k", "keyed")]);
    assert_eq!(values(&read_partition(broker, &topic, 0)), ["keyed"]);
}

pub(super) fn arrives_without_a_flush(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let mut producer = producer(broker);
    ok(producer.send(record(&topic, Some(0), "k", "v")), "sending a record");
    let mut reader = reader(broker, &TopicPartition::new(topic.as_str(), 0), 0);
    let arrived = read(&mut *reader, 1);
    assert_eq!(values(&arrived), ["v"]);
    assert_eq!(arrived.first().map(|record| record.timestamp), Some(EVENT_TIME));
    assert!(ok(producer.flush(super::PATIENCE), "flushing the producer").is_empty());
}

pub(super) fn producers_do_not_disturb_each_other(broker: &dyn Broker, scratch: &str) {
    const N: usize = 500;
    let topic = create(broker, scratch, 1, &[]);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let topic = &topic;
            let records = (0..N).map(move |i| record(topic, Some(0), name, &i.to_string()));
            scope.spawn(move || send_all(&mut *producer(broker), records));
        }
    });
    let read = read_partition(broker, &topic, 0);
    assert_eq!(read.len(), 3 * N);
    for name in ["a", "b", "c"] {
        let mut of_one = read.clone();
        of_one.retain(|record| record.key.as_deref() == Some(name.as_bytes()));
        assert_eq!(values(&of_one), (0..N).map(|i| i.to_string()).collect::<Vec<_>>(), "each producer's order is kept");
    }
}
