//! Reading typed records from a topic of the driver.

use std::fmt;
use std::sync::Arc;

use nowfold_core::names::{Partition, TopicName};
use nowfold_core::record::{LogRecord, Record};
use nowfold_core::serde::{Consumed, Deserializer, Part, SerdeError};

use crate::TestDriver;

/// A record of a topic, and the partition it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The partition.
    pub partition: Partition,
    /// The record.
    pub record: LogRecord,
}

/// Drains typed records from one topic, in the order in which they were appended, over all its partitions. All handles
/// of a topic share one position.
pub struct Output<K, V> {
    driver: TestDriver,
    topic: TopicName,
    key: Arc<dyn Deserializer<K>>,
    value: Arc<dyn Deserializer<V>>,
}

impl<K, V> fmt::Debug for Output<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<K: 'static, V: 'static> Output<K, V> {
    pub(crate) fn new(driver: TestDriver, topic: TopicName, serdes: &impl Consumed<K, V>) -> Self {
        Self { driver, topic, key: serdes.key_deserializer(), value: serdes.value_deserializer() }
    }

    /// The records since the last read.
    ///
    /// # Panics
    /// When one cannot be read with the serdes.
    #[track_caller]
    pub fn read_all(&self) -> Vec<Record<K, V>> {
        self.read_raw().into_iter().map(|stored| self.decode(stored.record)).collect()
    }

    /// Keys and values of the records since the last read.
    ///
    /// # Panics
    /// When one cannot be read with the serdes.
    #[track_caller]
    pub fn read_pairs(&self) -> Vec<(K, V)> {
        self.read_all().into_iter().map(|record| (record.key, record.value)).collect()
    }

    /// The records since the last read, as bytes, with their partitions.
    pub fn read_raw(&self) -> Vec<Stored> {
        self.driver.drain(&self.topic)
    }

    #[track_caller]
    fn decode(&self, record: LogRecord) -> Record<K, V> {
        Record {
            key: read(&self.topic, &*self.key, Part::Key, record.key.as_ref()),
            value: read(&self.topic, &*self.value, Part::Value, record.value.as_ref()),
            timestamp: record.timestamp,
            headers: record.headers,
        }
    }
}

#[track_caller]
fn read<T: 'static>(topic: &TopicName, serde: &dyn Deserializer<T>, part: Part, bytes: Option<&bytes::Bytes>) -> T {
    let result = match bytes {
        Some(bytes) => serde.deserialize(topic, bytes),
        None => serde.deserialize_null(topic, part),
    };
    result
        .unwrap_or_else(|error: SerdeError| panic!("the {part:?} of a record of topic {topic} cannot be read: {error}"))
}
