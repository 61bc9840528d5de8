//! Topics: created, described, missing.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::names::{TopicName, TopicPartition};

use super::PATIENCE;
use super::support::{create, eventually, fill, no_waker, ok, producer, record, refusal, some};
use crate::broker::{Broker, BrokerError, TopicInfo, TopicSpec, Watermarks};

#[track_caller]
fn info(broker: &dyn Broker, topic: &TopicName) -> TopicInfo {
    let mut found = ok(broker.topics(std::slice::from_ref(topic), PATIENCE), "asking for a topic");
    assert_eq!(found.len(), 1, "one answer for one name");
    some(found.pop().flatten(), "a created topic")
}

#[track_caller]
fn assert_unknown<T: std::fmt::Debug>(result: Result<T, BrokerError>, wanted: &TopicName) {
    match result {
        Err(BrokerError::UnknownTopic { topic, .. }) => assert_eq!(topic, *wanted),
        other => panic!("expected UnknownTopic, got {other:?}"),
    }
}

pub(super) fn create_topic_is_idempotent(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 3, &[]);
    fill(broker, &topic, 2);
    let again = TopicSpec { name: topic.clone(), partitions: Some(7), config: BTreeMap::new() };
    ok(broker.create_topic(&again), "creating a topic that exists");
    assert_eq!(info(broker, &topic).partitions, 3, "an existing topic is left alone");
    let marks = ok(broker.watermarks(&TopicPartition::new(topic.as_str(), 0)), "asking for watermarks");
    assert_eq!(marks, Watermarks { low: 0, high: 2 });
}

pub(super) fn create_topic_gives_partitions_and_config(broker: &dyn Broker, scratch: &str) {
    let config = [("cleanup.policy", "compact,delete"), ("retention.ms", "3600000")];
    let topic = create(broker, scratch, 5, &config);
    let found = info(broker, &topic);
    assert_eq!((&found.name, found.partitions), (&topic, 5));
    assert_eq!(found.config.get("cleanup.policy").map(String::as_str), Some("compact,delete"));
    assert_eq!(found.config.get("retention.ms").map(String::as_str), Some("3600000"));
    assert_eq!(found.config.get("message.timestamp.type").map(String::as_str), Some("CreateTime"), "the default");

    let spec = TopicSpec { name: format!("{scratch}-default").into(), partitions: None, config: BTreeMap::new() };
    ok(broker.create_topic(&spec), "creating a topic with the default number of partitions");
    let found = info(broker, &spec.name);
    assert!(found.partitions > 0);
    assert_eq!(found.config.get("cleanup.policy").map(String::as_str), Some("delete"), "the default");
}

pub(super) fn missing_topic_is_reported(broker: &dyn Broker, scratch: &str) {
    let present = create(broker, &format!("{scratch}-present"), 1, &[]);
    let missing = TopicName::from(format!("{scratch}-missing"));
    let partition = TopicPartition::new(missing.as_str(), 0);

    let asked = [missing.clone(), present.clone(), missing.clone()];
    let found = ok(broker.topics(&asked, PATIENCE), "asking for topics");
    let names: Vec<_> = found.iter().map(|topic| topic.as_ref().map(|topic| &topic.name)).collect();
    assert_eq!(names, [None, Some(&present), None], "in the order asked");

    assert_unknown(broker.watermarks(&partition), &missing);
    assert_unknown(broker.reader(&partition, 0, no_waker()), &missing);
    assert_unknown(Err::<(), _>(refusal(&mut *producer(broker), record(&missing, None, "k", "v"))), &missing);
    let still = ok(broker.topics(std::slice::from_ref(&missing), PATIENCE), "asking for a topic");
    assert_eq!(still, [None], "asking for a topic or sending to it does not create it");
    assert!(broker.watermarks(&TopicPartition::new(present.as_str(), 1)).is_err(), "a partition that does not exist");
    assert!(ok(broker.topics(&[], Duration::from_secs(1)), "asking for nothing").is_empty());
}

pub(super) fn watermarks_follow_the_log(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 2, &[]);
    let marks = |p| ok(broker.watermarks(&TopicPartition::new(topic.as_str(), p)), "asking for watermarks");
    assert_eq!(marks(0), Watermarks { low: 0, high: 0 });
    fill(broker, &topic, 3);
    eventually("the end follows the records", || (marks(0) == Watermarks { low: 0, high: 3 }).then_some(()));
    assert_eq!(marks(1), Watermarks { low: 0, high: 0 }, "partitions are counted apart");
}
