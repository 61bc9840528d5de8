//! `through`: a stream by way of a topic of this application.

use super::KStream;
use crate::names::TopicName;
use crate::serde::{Consumed, Produced};
use crate::topology::{PartitionCount, TopicBlueprint, TopicRequirement, TopicRole, TopicRule};

/// An intermediate topic: how it is created, and what is checked when it exists.
#[derive(Clone, Debug)]
pub struct Through {
    topic: TopicName,
    partitions: Option<i32>,
    config: Vec<(String, String)>,
    rules: Vec<TopicRule>,
}

impl Through {
    /// The topic of this literal name, created with as many partitions as the topics above have at most.
    pub fn topic(topic: impl Into<TopicName>) -> Self {
        Self { topic: topic.into(), partitions: None, config: Vec::new(), rules: Vec::new() }
    }

    /// The topic's name.
    pub fn name(&self) -> &TopicName {
        &self.topic
    }

    /// Creates it with this many partitions.
    #[must_use]
    pub fn partitions(mut self, n: i32) -> Self {
        self.partitions = Some(n);
        self
    }

    /// Creates it with this setting, under Kafka's name for it.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Refuses to start when the existing topic breaks this rule.
    #[must_use]
    pub fn rule(mut self, rule: TopicRule) -> Self {
        self.rules.push(rule);
        self
    }

    fn requirement(self) -> TopicRequirement {
        let partitions = self.partitions.map_or(PartitionCount::LargestOf(Vec::new()), PartitionCount::Fixed);
        TopicRequirement {
            name: self.topic,
            role: TopicRole::Intermediate,
            create: Some(TopicBlueprint { partitions, config: self.config.into_iter().collect() }),
            rules: self.rules,
        }
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Writes the stream to a topic and goes on from there, in a sub-topology of its own: equal keys then meet in equal
    /// partitions. The topic is created when absent. The root origin of each record goes along in a header, so that
    /// event ids made below are the same however often a record is processed.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{StreamsBuilder, Through}, serde::Plain};
    /// let app = StreamsBuilder::new("by-word");
    /// app.stream("lines", Plain::<(), String>::new())
    ///     .select_key("word", |_, line| line.clone())
    ///     .through(Through::topic("words"), Plain::<String, String>::new())
    ///     .to("out", Plain::new());
    /// let topology = app.build()?;
    /// assert_eq!(topology.subtopologies().len(), 2);
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn through<S>(self, through: Through, serdes: S) -> Self
    where
        S: Produced<K, V> + Consumed<K, V> + Clone + 'static,
    {
        self.through_as(through, serdes.clone(), serdes)
    }

    /// Like [`through`](Self::through), reading with other serdes than writing: `write` for what goes in, `read` for what
    /// comes out, such as nulls that others may put into the topic.
    pub fn through_as<K2: 'static, V2: 'static>(
        self,
        through: Through,
        write: impl Produced<K, V> + 'static,
        read: impl Consumed<K2, V2> + 'static,
    ) -> KStream<K2, V2> {
        let (builder, topic) = (self.builder.clone(), through.topic.clone());
        builder.require(through.requirement());
        self.write_to(&topic, write, true);
        builder.stream_of(&topic, read)
    }
}
