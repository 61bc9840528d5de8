//! `to`: a stream into a topic.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use super::KStream;
use crate::failure::Stage;
use crate::names::{Partition, TopicName};
use crate::partition::partition_for_key;
use crate::processor::ProcessError;
use crate::record::{OutputRecord, Record};
use crate::serde::{Produced, SerdeError, Serializer};
use crate::task::ORIGIN_HEADER;
use crate::task::graph::{Node, NodeContext};
use crate::topology::{TopicRequirement, TopicRole};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Writes the stream to a topic of others, which must exist. Partition: murmur2 of the key's bytes, as Kafka's
    /// default partitioner; of windowed keys that of the key inside, so that a key's windows lie where the key does, with
    /// the number of partitions that the topic had at the start (Kafka Streams' `WindowedStreamPartitioner`); the record's timestamp and headers go along. The node is named `to-{topic}`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("copy");
    /// app.stream("in", Plain::<String, i64>::new()).to("out", Plain::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let out = driver.output("out", Plain::<String, i64>::new());
    /// driver.input("in", Plain::<String, i64>::new()).pipe("k", 5, Timestamp::from_millis(1_700))?;
    /// let record = out.read_all().remove(0);
    /// assert_eq!((record.value, record.timestamp.as_millis()), (5, 1_700));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to(self, topic: impl Into<TopicName>, serdes: impl Produced<K, V> + 'static) {
        let topic = topic.into();
        let role = TopicRole::Sink;
        self.builder.require(TopicRequirement { name: topic.clone(), role, create: None, rules: Vec::new() });
        self.write_to(&topic, serdes, false);
    }

    /// Adds the sink node; an intermediate topic gets the header that carries the root origin.
    pub(super) fn write_to(self, topic: &TopicName, serdes: impl Produced<K, V> + 'static, intermediate: bool) {
        self.add_sink(topic, serdes, intermediate, false);
    }

    /// Adds the sink of an internal topic.
    pub(super) fn write_internal(self, topic: &TopicName, serdes: impl Produced<K, V> + 'static, keyed: bool) {
        self.add_sink(topic, serdes, true, keyed);
    }

    fn add_sink(self, topic: &TopicName, serdes: impl Produced<K, V> + 'static, intermediate: bool, keyed: bool) {
        let (key, value) = (serdes.key_serializer(), serdes.value_serializer());
        let target = topic.clone();
        let make = Arc::new(move || {
            let (topic, key, value) = (target.clone(), key.clone(), value.clone());
            let node = SinkNode { topic, key, value, intermediate, keyed };
            Box::new(node) as Box<dyn Node>
        });
        self.builder.0.borrow_mut().sink(topic, Arc::new(serdes), self.node, make, intermediate);
    }
}

struct SinkNode<K, V> {
    topic: TopicName,
    key: Arc<dyn Serializer<K>>,
    value: Arc<dyn Serializer<V>>,
    intermediate: bool,
    /// Drops records with a null key.
    keyed: bool,
}

impl<K: 'static, V: 'static> SinkNode<K, V> {
    fn encode(&self, record: Record<K, V>) -> Result<OutputRecord, SerdeError> {
        Ok(OutputRecord {
            topic: self.topic.clone(),
            partition: None,
            key: self.key.serialize(&self.topic, &record.key)?,
            value: self.value.serialize(&self.topic, &record.value)?,
            timestamp: record.timestamp,
            headers: record.headers,
        })
    }
}

/// The partition of a windowed key; every other one is left to the default partitioner.
pub(super) fn partition_of<K: 'static>(
    cx: &NodeContext<'_>,
    key: &dyn Serializer<K>,
    output: &OutputRecord,
) -> Option<Partition> {
    let bytes = output.key.as_ref()?;
    let decisive = key.partitioned_by(bytes);
    let n = cx.shared.sizes.get(&output.topic).copied().filter(|n| *n > 0)?;
    (decisive.len() < bytes.len()).then(|| partition_for_key(decisive, n))
}

impl<K: 'static, V: 'static> Node for SinkNode<K, V> {
    fn process(&mut self, cx: &mut NodeContext<'_>, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let record = slot.downcast_mut::<Option<Record<K, V>>>().and_then(Option::take);
        let record = record.ok_or_else(|| ProcessError::new("the record is of another type than the sink takes"))?;
        let mut output = self.encode(record).map_err(|error| ProcessError::serde(Stage::Produce, &error))?;
        if self.keyed && output.key.is_none() {
            cx.shared.count("null_key");
            return Ok(());
        }
        if !self.intermediate {
            output.partition = partition_of(cx, &*self.key, &output);
        }
        // Each record gets an origin of its own. It ends with the application: several records of a sink may come from
        // one record of an intermediate topic, and would look like one event to whoever reads the sink.
        output.headers.remove(ORIGIN_HEADER);
        if self.intermediate {
            output.headers.push(ORIGIN_HEADER, Some(Bytes::from(cx.next_event_id())));
        }
        cx.shared.effects.outputs.push(output);
        Ok(())
    }
}
