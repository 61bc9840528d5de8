//! A producer of typed records.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::TopicName;
use nowfold_core::record::{Headers, OutputRecord};
use nowfold_core::serde::{Produced, SerdeEnv, Serializer};
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::{self, Broker};

use crate::error::Error;

/// Appends typed records to one topic. Not shared between threads.
pub struct Producer<K, V> {
    inner: Box<dyn broker::Producer>,
    topic: TopicName,
    key: Arc<dyn Serializer<K>>,
    value: Arc<dyn Serializer<V>>,
}

impl<K: 'static, V: 'static> Producer<K, V> {
    /// A producer for `topic` on a log; see [`Config::broker`](crate::Config::broker).
    ///
    /// # Errors
    /// When the client or the serdes cannot be set up.
    pub fn open(
        broker: &dyn Broker,
        env: &SerdeEnv,
        topic: &str,
        serdes: impl Produced<K, V> + 'static,
    ) -> Result<Self, Error> {
        serdes.configure(env)?;
        let (key, value) = (serdes.key_serializer(), serdes.value_serializer());
        Ok(Self { inner: broker.producer()?, topic: TopicName::from(topic), key, value })
    }

    /// Queues a record under the partition of its key.
    ///
    /// # Errors
    /// When it cannot be encoded, or the broker refuses it at once.
    pub fn send(&mut self, key: &K, value: &V, timestamp: Timestamp) -> Result<(), Error> {
        self.send_with(key, value, timestamp, Headers::new())
    }

    /// Queues a record with headers.
    ///
    /// # Errors
    /// When it cannot be encoded, or the broker refuses it at once.
    pub fn send_with(&mut self, key: &K, value: &V, timestamp: Timestamp, headers: Headers) -> Result<(), Error> {
        let key = self.key.serialize(&self.topic, key)?;
        let value = self.value.serialize(&self.topic, value)?;
        let topic = self.topic.clone();
        let record = OutputRecord { topic, partition: None, key, value, timestamp, headers };
        Ok(self.inner.send(record).map_err(|failure| failure.error)?)
    }

    /// Waits until every queued record is stored.
    ///
    /// # Errors
    /// When one of them was not, or it takes longer than `timeout`.
    pub fn flush(&mut self, timeout: Duration) -> Result<(), Error> {
        match self.inner.flush(timeout)?.into_iter().next() {
            Some(failure) => Err(failure.error.into()),
            None => Ok(()),
        }
    }
}

impl<K, V> fmt::Debug for Producer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("topic", &self.topic).finish_non_exhaustive()
    }
}
