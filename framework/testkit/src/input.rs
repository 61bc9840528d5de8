//! Writing typed records to a topic of the driver.

use std::fmt;
use std::sync::Arc;

use nowfold_core::failure::TaskFailure;
use nowfold_core::names::TopicName;
use nowfold_core::record::{OutputRecord, Record};
use nowfold_core::serde::{Produced, SerdeError, Serializer};
use nowfold_core::time::Timestamp;

use crate::TestDriver;

/// Pipes typed records into one topic. Every method returns once all their effects are on the logs, through all
/// intermediate topics and sub-topologies.
pub struct Input<K, V> {
    driver: TestDriver,
    topic: TopicName,
    key: Arc<dyn Serializer<K>>,
    value: Arc<dyn Serializer<V>>,
}

impl<K, V> fmt::Debug for Input<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<K: 'static, V: 'static> Input<K, V> {
    pub(crate) fn new(driver: TestDriver, topic: TopicName, serdes: &impl Produced<K, V>) -> Self {
        Self { driver, topic, key: serdes.key_serializer(), value: serdes.value_serializer() }
    }

    /// Writes a record and processes it to the end. Its partition is that of Kafka's default partitioner.
    ///
    /// # Errors
    /// [`TaskFailure`] when the topology stops at it.
    ///
    /// # Panics
    /// When the serdes cannot write it.
    #[track_caller]
    pub fn pipe(&self, key: impl Into<K>, value: impl Into<V>, timestamp: Timestamp) -> Result<(), TaskFailure> {
        self.pipe_record(&Record::new(key.into(), value.into(), timestamp))
    }

    /// Like [`pipe`](Self::pipe), with headers.
    ///
    /// # Errors
    /// [`TaskFailure`] when the topology stops at it.
    ///
    /// # Panics
    /// When the serdes cannot write it.
    #[track_caller]
    pub fn pipe_record(&self, record: &Record<K, V>) -> Result<(), TaskFailure> {
        self.driver.pipe_raw(self.encode(record))
    }

    /// Writes a tombstone: `key` with a null value.
    ///
    /// # Errors
    /// [`TaskFailure`] when the topology stops at it.
    ///
    /// # Panics
    /// When the serdes cannot write the key.
    #[track_caller]
    pub fn delete(&self, key: impl Into<K>, timestamp: Timestamp) -> Result<(), TaskFailure> {
        let key = written(&self.topic, self.key.serialize(&self.topic, &key.into()));
        let (topic, headers) = (self.topic.clone(), Default::default());
        self.driver.pipe_raw(OutputRecord { topic, partition: None, key, value: None, timestamp, headers })
    }

    /// The bytes that [`pipe_record`](Self::pipe_record) would write, to be changed before
    /// [`TestDriver::append`] or [`TestDriver::pipe_raw`].
    ///
    /// # Panics
    /// When the serdes cannot write it.
    #[track_caller]
    pub fn encode(&self, record: &Record<K, V>) -> OutputRecord {
        OutputRecord {
            topic: self.topic.clone(),
            partition: None,
            key: written(&self.topic, self.key.serialize(&self.topic, &record.key)),
            value: written(&self.topic, self.value.serialize(&self.topic, &record.value)),
            timestamp: record.timestamp,
            headers: record.headers.clone(),
        }
    }
}

#[track_caller]
fn written<T>(topic: &TopicName, result: Result<T, SerdeError>) -> T {
    result.unwrap_or_else(|error| panic!("a record for topic {topic} cannot be written: {error}"))
}
