//! `stream`: a topic as a stream.

use std::any::Any;
use std::sync::Arc;

use super::{KStream, StreamsBuilder};
use crate::failure::Stage;
use crate::names::TopicName;
use crate::processor::ProcessError;
use crate::record::{LogRecord, Record};
use crate::serde::{Consumed, Deserializer, Part, SerdeError};
use crate::task::graph::{Node, NodeContext};
use crate::topology::{TopicRequirement, TopicRole};

impl StreamsBuilder {
    /// Reads a topic as a stream of records, each on its own. The node bears the topic's name.
    ///
    /// A null key or value is the record's failure unless the type allows it (`Option<K>`, `()` for keys).
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("optional");
    /// app.stream("notes", Plain::<String, Option<String>>::new()) // null values are let in by the type
    ///     .map_values("text", |_, note| note.unwrap_or_else(|| "nothing".to_owned()))
    ///     .to("texts", Plain::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let texts = driver.output("texts", Plain::<String, String>::new());
    /// driver.input("notes", Plain::<String, Option<String>>::new()).pipe("k", None, Timestamp::from_millis(0))?;
    /// assert_eq!(texts.read_pairs(), [("k".to_owned(), "nothing".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream<K: 'static, V: 'static>(
        &self,
        topic: impl Into<TopicName>,
        serdes: impl Consumed<K, V> + 'static,
    ) -> KStream<K, V> {
        let topic = topic.into();
        self.require(TopicRequirement {
            name: topic.clone(),
            role: TopicRole::Source,
            create: None,
            rules: Vec::new(),
        });
        self.stream_of(&topic, serdes)
    }

    /// Like [`stream`](Self::stream), for a topic whose requirements the caller states.
    pub fn stream_of<K: 'static, V: 'static>(
        &self,
        topic: &TopicName,
        serdes: impl Consumed<K, V> + 'static,
    ) -> KStream<K, V> {
        let reader = Reader::new(&serdes);
        let make = Arc::new(move || Box::new(SourceNode(reader.clone())) as Box<dyn Node>);
        let node = self.0.borrow_mut().source(topic, Arc::new(serdes), make);
        KStream::new(self.clone(), node)
    }
}

/// Decodes the records of one topic.
pub(super) struct Reader<K, V> {
    key: Arc<dyn Deserializer<K>>,
    value: Arc<dyn Deserializer<V>>,
}

impl<K, V> Clone for Reader<K, V> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), value: self.value.clone() }
    }
}

impl<K: 'static, V: 'static> Reader<K, V> {
    pub(super) fn new(serdes: &impl Consumed<K, V>) -> Self {
        Self { key: serdes.key_deserializer(), value: serdes.value_deserializer() }
    }

    pub(super) fn key(&self, topic: &TopicName, record: &LogRecord) -> Result<K, SerdeError> {
        match &record.key {
            Some(bytes) => self.key.deserialize(topic, bytes),
            None => self.key.deserialize_null(topic, Part::Key),
        }
    }

    pub(super) fn value(&self, topic: &TopicName, record: &LogRecord) -> Result<V, SerdeError> {
        match &record.value {
            Some(bytes) => self.value.deserialize(topic, bytes),
            None => self.value.deserialize_null(topic, Part::Value),
        }
    }
}

/// A serde's error as the record's failure at the decode stage.
pub(super) fn undecodable(part: Part, error: &SerdeError) -> ProcessError {
    let part = match part {
        Part::Key => "key",
        Part::Value => "value",
    };
    ProcessError::at(Stage::Decode, format!("{part}: {error}"), error.is_retriable())
}

/// Refuses a negative timestamp, as Kafka Streams' default extractor does.
pub(super) fn usable_time(record: &LogRecord) -> Result<(), ProcessError> {
    if record.timestamp.as_millis() >= 0 {
        return Ok(());
    }
    let cause = format!("the record's timestamp is negative ({})", record.timestamp);
    Err(ProcessError::at(Stage::Decode, cause, false))
}

struct SourceNode<K, V>(Reader<K, V>);

impl<K: 'static, V: 'static> Node for SourceNode<K, V> {
    fn process(&mut self, cx: &mut NodeContext<'_>, _: &mut dyn Any) -> Result<(), ProcessError> {
        let (source, raw) = cx.shared.source_record();
        usable_time(raw)?;
        let key = self.0.key(&source.topic, raw).map_err(|error| undecodable(Part::Key, &error))?;
        let value = self.0.value(&source.topic, raw).map_err(|error| undecodable(Part::Value, &error))?;
        let record = Record { key, value, timestamp: raw.timestamp, headers: raw.headers.clone() };
        cx.shared.advance_stream_time();
        cx.forward(&mut Some(record))
    }
}
