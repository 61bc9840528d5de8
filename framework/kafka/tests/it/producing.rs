//! The producer: partitions, refusals, flushing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nowfold_core::names::TopicName;
use nowfold_core::partition::partition_for_key;
use nowfold_core::record::OutputRecord;
use nowfold_kafka::GroupProtocol;
use nowfold_runtime::broker::{Broker, BrokerError, TopicSpec};

use crate::support::{PATIENCE, connect, connect_with, fill, fresh, read, reader, record, send_all, topic, values};

#[test]
fn any_bytes_as_key_go_where_the_core_says() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "keys", 5);
    let keys: Vec<Vec<u8>> =
        (0..64_usize).map(|n| (0..n % 9).map(|i| u8::try_from((n * 37 + i * 101) % 256).unwrap()).collect()).collect();
    let keyed =
        |key: &Vec<u8>| OutputRecord { partition: None, key: Some(key.clone().into()), ..record(&topic, 0, "v") };
    send_all(&mut *kafka.producer().unwrap(), keys.iter().map(keyed));
    for partition in 0..5 {
        let expected: Vec<_> = keys.iter().filter(|key| partition_for_key(key, 5) == partition).cloned().collect();
        let read = read(&mut *reader(&kafka, &topic, partition, 0), expected.len());
        assert_eq!(read.into_iter().map(|record| record.key.unwrap().to_vec()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn refused_record_comes_back_whole() {
    let Some(kafka) = connect() else { return };
    let config = BTreeMap::from([("max.message.bytes".into(), "1000".into())]);
    let spec = TopicSpec { name: fresh("small").into(), partitions: Some(3), config };
    kafka.create_topic(&spec).unwrap();
    let mut large = OutputRecord { partition: None, ..record(&spec.name, 0, vec![7; 5_000]) };
    large.headers.push("nowfold-origin", Some(Bytes::from_static(b"raw/0/17")));
    let mut producer = kafka.producer().unwrap();
    producer.send(large.clone()).unwrap();
    let failures = producer.flush(PATIENCE).unwrap();
    send_all(&mut *producer, [record(&spec.name, 0, "fits")]);
    let [failure] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!(failure.record, large);
    assert!(matches!(failure.error, BrokerError::Refused { .. }), "{}", failure.error);
    assert_eq!(values(&read(&mut *reader(&kafka, &spec.name, 0, 0), 1)), ["fits"]);
    assert!(producer.flush(PATIENCE).unwrap().is_empty(), "a failure is told once");
}

#[test]
fn record_that_no_broker_would_take_is_refused_at_once() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "limits", 2);
    let mut producer = kafka.producer().unwrap();
    let huge = record(&topic, 0, vec![0; 2_000_000]);
    let failure = producer.send(huge.clone()).unwrap_err();
    assert_eq!(failure.record, huge);
    assert!(matches!(failure.error, BrokerError::Refused { .. }), "{}", failure.error);

    fill(&kafka, &topic, 0, 1);
    let nowhere = record(&topic, 2, "v");
    let error = match producer.send(nowhere) {
        Err(failure) => failure.error,
        Ok(()) => producer.flush(PATIENCE).unwrap().remove(0).error,
    };
    assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
}

#[test]
fn missing_topic_is_refused_at_once_and_not_created() {
    let Some(kafka) = connect() else { return };
    let missing = TopicName::from(fresh("missing"));
    let start = Instant::now();
    let failure = kafka.producer().unwrap().send(record(&missing, 0, "v")).unwrap_err();
    assert!(matches!(failure.error, BrokerError::UnknownTopic { .. }), "{}", failure.error);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(kafka.topics(&[missing], PATIENCE).unwrap(), [None]);
}

/// A broker that has just started answers for a moment that it has no such topic. Here somebody deletes it and creates it
/// again; the client is told to believe the first answer, as it does of topics that it has known for 30 s.
#[test]
fn topic_that_was_there_and_is_away_for_a_moment_takes_records_again() {
    let at_once = |config: &mut nowfold_kafka::KafkaConfig| {
        config.raw.insert("topic.metadata.propagation.max.ms".into(), "0".into());
    };
    let Some(kafka) = connect_with(GroupProtocol::Classic, at_once) else { return };
    let topic = topic(&kafka, "away", 1);
    let mut producer = kafka.producer().unwrap();
    send_all(&mut *producer, [record(&topic, 0, "before")]);
    kafka.delete_topics(std::slice::from_ref(&topic)).unwrap();
    let mut failure = || match producer.send(record(&topic, 0, "after")) {
        Err(failure) => Some(failure),
        Ok(()) => producer.flush(PATIENCE).unwrap().pop(),
    };
    let start = Instant::now();
    let while_away = loop {
        assert!(start.elapsed() < PATIENCE, "the client still finds the topic");
        if let Some(failure) = failure() {
            break failure.error;
        }
    };
    assert!(while_away.is_retriable(), "{while_away}");
    kafka.create_topic(&TopicSpec { name: topic.clone(), partitions: Some(1), config: BTreeMap::new() }).unwrap();
    while let Some(failure) = failure() {
        assert!(start.elapsed() < PATIENCE, "{}", failure.error);
    }
    assert_eq!(values(&read(&mut *reader(&kafka, &topic, 0, 0), 1)), ["after"]);
}

#[test]
fn full_queue_makes_send_wait() {
    let small = |config: &mut nowfold_kafka::KafkaConfig| {
        config.raw.insert("queue.buffering.max.messages".into(), "50".into());
    };
    let Some(kafka) = connect_with(GroupProtocol::Classic, small) else { return };
    let topic = topic(&kafka, "full", 1);
    fill(&kafka, &topic, 0, 2_000);
    let read = values(&read(&mut *reader(&kafka, &topic, 0, 0), 2_000));
    assert!(read.iter().enumerate().all(|(i, value)| *value == i.to_string()), "in order, each once");
}

/// rdkafka's own flush returns after a multiple of 100 ms.
#[test]
fn flush_returns_when_the_record_is_stored() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "flush", 1);
    let mut producer = kafka.producer().unwrap();
    let mut flush = |i: usize| {
        producer.send(record(&topic, 0, i.to_string())).unwrap();
        let start = Instant::now();
        assert!(producer.flush(PATIENCE).unwrap().is_empty());
        start.elapsed()
    };
    let quickest = (0..20).map(&mut flush).min().unwrap();
    assert!(quickest < Duration::from_millis(80), "{quickest:?}");
}
