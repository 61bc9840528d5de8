//! `repartition`: a stream by way of an internal topic, so that equal keys meet.

use super::codec::Codec;
use super::{KStream, StreamsBuilder};
use crate::names::TopicName;
use crate::serde::Serdes;
use crate::topology::{PartitionCount, TopicBlueprint, TopicRequirement, TopicRole};

/// An internal topic `<application>-<name>-repartition`.
#[derive(Clone, Debug)]
pub struct Repartition {
    name: String,
    partitions: Option<i32>,
    keep_null_keys: bool,
}

impl Repartition {
    /// A repartition of this name, with as many partitions as the topics above have at most.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: None, keep_null_keys: false }
    }

    /// Creates the topic with this many partitions.
    #[must_use]
    pub fn partitions(self, n: i32) -> Self {
        Self { partitions: Some(n), ..self }
    }

    /// Passes records whose key is null, into any partition; a left join below may still want them. By default they are
    /// dropped and counted as `null_key`, as in Kafka Streams.
    #[must_use]
    pub fn keep_null_keys(self) -> Self {
        Self { keep_null_keys: true, ..self }
    }
}

impl From<&str> for Repartition {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Writes the stream to an internal topic and goes on from there, in a sub-topology of its own: equal keys then meet
    /// in equal partitions. Kafka Streams' names and settings: `<application>-<name>-repartition`, kept until purged.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("app");
    /// app.stream("lines", Plain::<(), String>::new())
    ///     .select_key("word", |_, line| line.clone())
    ///     .repartition("by-word", Plain::<String, String>::new())
    ///     .to("out", Plain::new());
    /// let topology = app.build()?;
    /// assert!(topology.requirements().iter().any(|topic| topic.name.as_str() == "app-by-word-repartition"));
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn repartition(self, to: impl Into<Repartition>, serdes: impl Serdes<K, V> + 'static) -> Self {
        let to = to.into();
        let topic = repartition_topic(&self.builder, &to.name);
        let codec = Codec::new(topic.clone(), serdes);
        self.builder.require(requirement(&topic, to.partitions));
        let builder = self.builder.clone();
        self.write_internal(&topic, codec.clone(), !to.keep_null_keys);
        builder.stream_of(&topic, codec)
    }
}

pub(super) fn repartition_topic(builder: &StreamsBuilder, name: &str) -> TopicName {
    TopicName::from(format!("{}-{name}-repartition", builder.app()))
}

/// Kafka Streams' settings of repartition topics.
pub(super) fn requirement(topic: &TopicName, partitions: Option<i32>) -> TopicRequirement {
    let partitions = partitions.map_or(PartitionCount::LargestOf(Vec::new()), PartitionCount::Fixed);
    let config = [
        ("cleanup.policy", "delete"),
        ("segment.bytes", "52428800"),
        ("retention.ms", "-1"),
        ("message.timestamp.type", "CreateTime"),
    ];
    TopicRequirement {
        name: topic.clone(),
        role: TopicRole::Repartition,
        create: Some(TopicBlueprint::new(partitions, &config)),
        rules: Vec::new(),
    }
}
