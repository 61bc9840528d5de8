//! A pair of serdes with its types erased to what nodes need.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::failure::Stage;
use crate::names::TopicName;
use crate::processor::ProcessError;
use crate::serde::{Consumed, Deserializer, Format, Produced, SerdeEnv, SerdeError, Serdes, Serializer, TableSerdes};

/// Reads and writes the keys and values of one topic or store.
pub(crate) struct Codec<K, V> {
    topic: TopicName,
    format: Arc<dyn Format>,
    key_out: Arc<dyn Serializer<K>>,
    key_in: Arc<dyn Deserializer<K>>,
    value_out: Arc<dyn Serializer<V>>,
    value_in: Arc<dyn Deserializer<V>>,
}

impl<K, V> Clone for Codec<K, V> {
    fn clone(&self) -> Self {
        Self {
            topic: self.topic.clone(),
            format: self.format.clone(),
            key_out: self.key_out.clone(),
            key_in: self.key_in.clone(),
            value_out: self.value_out.clone(),
            value_in: self.value_in.clone(),
        }
    }
}

impl<K: 'static, V: 'static> Codec<K, V> {
    /// A codec for what lies in `topic`.
    pub(crate) fn new(topic: impl Into<TopicName>, serdes: impl Serdes<K, V> + 'static) -> Self {
        Self {
            topic: topic.into(),
            key_out: serdes.key_serializer(),
            key_in: serdes.key_deserializer(),
            value_out: serdes.value_serializer(),
            value_in: serdes.value_deserializer(),
            format: Arc::new(serdes),
        }
    }

    /// A codec for the rows of a table's topic, which are kept as the bytes that came: its values are only read.
    pub(crate) fn of_table(topic: impl Into<TopicName>, serdes: &Arc<impl TableSerdes<K, V> + 'static>) -> Self {
        Self {
            topic: topic.into(),
            key_out: serdes.key_serializer(),
            key_in: serdes.key_deserializer(),
            value_out: Arc::new(ReadOnly),
            value_in: serdes.value_deserializer(),
            format: serdes.clone(),
        }
    }

    /// The same serdes for another topic.
    pub(crate) fn of_topic(&self, topic: impl Into<TopicName>) -> Self {
        Self { topic: topic.into(), ..self.clone() }
    }

    /// The keys of this codec with the values of another.
    pub(crate) fn with_value_of<K2: 'static, V2: 'static>(&self, values: &Codec<K2, V2>) -> Codec<K, V2> {
        self.with_values(values.value_out.clone(), values.value_in.clone())
    }

    /// The keys of this codec with values of another kind.
    pub(crate) fn with_values<V2: 'static>(
        &self,
        value_out: Arc<dyn Serializer<V2>>,
        value_in: Arc<dyn Deserializer<V2>>,
    ) -> Codec<K, V2> {
        Codec {
            topic: self.topic.clone(),
            format: self.format.clone(),
            key_out: self.key_out.clone(),
            key_in: self.key_in.clone(),
            value_out,
            value_in,
        }
    }

    pub(crate) fn value_serializer_arc(&self) -> Arc<dyn Serializer<V>> {
        self.value_out.clone()
    }

    pub(crate) fn value_deserializer_arc(&self) -> Arc<dyn Deserializer<V>> {
        self.value_in.clone()
    }

    pub(crate) fn format(&self) -> Arc<dyn Format> {
        self.format.clone()
    }

    /// The key's bytes; `None` is null.
    pub(crate) fn key(&self, key: &K) -> Result<Option<Bytes>, ProcessError> {
        self.key_out.serialize(&self.topic, key).map_err(|error| ProcessError::serde(Stage::Process, &error))
    }

    /// The value's bytes; `None` is null.
    pub(crate) fn value(&self, value: &V) -> Result<Option<Bytes>, ProcessError> {
        self.value_out.serialize(&self.topic, value).map_err(|error| ProcessError::serde(Stage::Process, &error))
    }

    /// Whether the value is null.
    pub(crate) fn is_null(&self, value: &V) -> bool {
        self.value_out.is_null(value)
    }

    pub(crate) fn read_key(&self, bytes: &Bytes) -> Result<K, ProcessError> {
        self.key_in.deserialize(&self.topic, bytes).map_err(|error| ProcessError::serde(Stage::Process, &error))
    }

    pub(crate) fn read_value(&self, bytes: &Bytes) -> Result<V, ProcessError> {
        self.value_in.deserialize(&self.topic, bytes).map_err(|error| ProcessError::serde(Stage::Process, &error))
    }
}

impl<K: 'static, V: 'static> Format for Codec<K, V> {
    fn name(&self) -> Cow<'static, str> {
        self.format.name()
    }

    fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.format.configure(env)
    }
}

impl<K: 'static, V: 'static> Consumed<K, V> for Codec<K, V> {
    fn key_deserializer(&self) -> Arc<dyn Deserializer<K>> {
        self.key_in.clone()
    }

    fn value_deserializer(&self) -> Arc<dyn Deserializer<V>> {
        self.value_in.clone()
    }
}

impl<K: 'static, V: 'static> Produced<K, V> for Codec<K, V> {
    fn key_serializer(&self) -> Arc<dyn Serializer<K>> {
        self.key_out.clone()
    }

    fn value_serializer(&self) -> Arc<dyn Serializer<V>> {
        self.value_out.clone()
    }
}

/// Stands where nothing is ever written.
struct ReadOnly;

impl<V> Serializer<V> for ReadOnly {
    fn serialize(&self, _topic: &TopicName, _value: &V) -> Result<Option<Bytes>, SerdeError> {
        Err(SerdeError::unwritable("a table's rows", "they are only read"))
    }
}

impl<K, V> std::fmt::Debug for Codec<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codec({})", self.format.name())
    }
}
