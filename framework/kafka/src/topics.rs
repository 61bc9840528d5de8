//! Which topics exist, and with how many partitions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_runtime::broker::{BrokerError, Watermarks};
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::client;
use crate::error;
use crate::lane::DataConsumer;

/// A found topic is not asked for again for this long.
const FRESH: Duration = Duration::from_secs(10);

/// Between two tries to reach a partition's leader.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Partition counts of the topics that were asked for. Missing topics are asked for each time.
#[derive(Default)]
pub(crate) struct Topics {
    known: Mutex<BTreeMap<TopicName, (i32, Instant)>>,
}

impl Topics {
    pub(crate) fn partition_count(
        &self,
        consumer: &DataConsumer,
        topic: &TopicName,
        timeout: Duration,
    ) -> Result<Option<i32>, BrokerError> {
        let known = self.known.lock().get(topic).filter(|(_, at)| at.elapsed() < FRESH).map(|(count, _)| *count);
        if known.is_some() {
            return Ok(known);
        }
        let count = fetch(consumer, topic, timeout)?;
        if let Some(count) = count {
            self.known.lock().insert(topic.clone(), (count, Instant::now()));
        }
        Ok(count)
    }

    pub(crate) fn forget(&self, topic: &TopicName) {
        self.known.lock().remove(topic);
    }
}

/// Asks the cluster for a topic's number of partitions; `None` for a missing topic.
///
/// # Errors
/// When the broker does not answer, or refuses the name.
pub(crate) fn fetch(consumer: &DataConsumer, topic: &TopicName, timeout: Duration) -> Result<Option<i32>, BrokerError> {
    let asking = || format!("ask for topic {topic:?}");
    let metadata = consumer.fetch_metadata(Some(topic.as_str()), client::timeout(timeout));
    let metadata = metadata.map_err(|error| error::failed(asking(), &error))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic.as_str()) else { return Ok(None) };
    match found.error().map(Code::from) {
        None | Some(Code::LeaderNotAvailable) => {}
        Some(code) if error::is_unknown_topic(code) => return Ok(None),
        Some(code) => return Err(error::failed(asking(), &KafkaError::MetadataFetch(code))),
    }
    let partitions = i32::try_from(found.partitions().len()).unwrap_or(i32::MAX);
    Ok((partitions > 0).then_some(partitions))
}

/// A partition's bounds; `None` when it does not exist. Waits out a change of leader: a new topic has its leaders in the
/// metadata before they serve.
///
/// # Errors
/// When no leader answers within `timeout`.
pub(crate) fn watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: &TopicPartition,
    timeout: Duration,
) -> Result<Option<Watermarks>, BrokerError> {
    let start = Instant::now();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let bound = client::timeout(left.max(BETWEEN_TRIES));
        let error = match consumer.fetch_watermarks(partition.topic.as_str(), partition.partition, bound) {
            Ok((low, high)) => return Ok(Some(Watermarks { low, high })),
            Err(error) => error,
        };
        match error::code(&error) {
            Some(code) if error::is_unknown_topic(code) => return Ok(None),
            Some(Code::NotLeaderForPartition | Code::LeaderNotAvailable) if !left.is_zero() => {}
            _ => return Err(error::failed(format!("ask for the watermarks of {partition}"), &error)),
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
}
