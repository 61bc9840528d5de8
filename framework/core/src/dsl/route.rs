//! `to_any_of`: a stream into topics chosen for each record.

use std::any::Any;
use std::sync::Arc;

use super::KStream;
use super::sink::partition_of;
use crate::failure::Stage;
use crate::names::TopicName;
use crate::processor::ProcessError;
use crate::record::{OutputRecord, Record};
use crate::serde::{Produced, SerdeError, Serializer};
use crate::task::ORIGIN_HEADER;
use crate::task::graph::{Node, NodeContext};
use crate::topology::{TopicRequirement, TopicRole};

/// Names the topic of a record.
type Route<K, V> = Arc<dyn Fn(&Record<K, V>) -> TopicName + Send + Sync>;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Writes each record to the topic that `route` names, one of `topics`, which must exist. Any other name is the
    /// record's failure at the produce stage.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("sort");
    /// app.stream("numbers", Plain::<String, i64>::new()).to_any_of(
    ///     "by-sign",
    ///     &["negative", "positive"],
    ///     |record| if record.value < 0 { "negative" } else { "positive" }.into(),
    ///     Plain::new(),
    /// );
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn to_any_of(
        self,
        name: &str,
        topics: &[&str],
        route: impl Fn(&Record<K, V>) -> TopicName + Send + Sync + 'static,
        serdes: impl Produced<K, V> + 'static,
    ) {
        let topics: Arc<[TopicName]> = topics.iter().map(|topic| TopicName::from(*topic)).collect();
        for name in topics.iter().cloned() {
            self.builder.require(TopicRequirement { name, role: TopicRole::Sink, create: None, rules: Vec::new() });
        }
        let parts = Parts {
            topics: topics.clone(),
            route: Arc::new(route),
            key: serdes.key_serializer(),
            value: serdes.value_serializer(),
        };
        let make = Arc::new(move || Box::new(RouteNode(parts.clone())) as Box<dyn Node>);
        let mut graph = self.builder.0.borrow_mut();
        topics.iter().for_each(|topic| graph.check_name("topic", topic.as_str()));
        graph.router(name, topics.to_vec(), Arc::new(serdes), self.node, make);
    }
}

struct Parts<K, V> {
    topics: Arc<[TopicName]>,
    route: Route<K, V>,
    key: Arc<dyn Serializer<K>>,
    value: Arc<dyn Serializer<V>>,
}

impl<K, V> Clone for Parts<K, V> {
    fn clone(&self) -> Self {
        let (topics, route) = (self.topics.clone(), self.route.clone());
        Self { topics, route, key: self.key.clone(), value: self.value.clone() }
    }
}

struct RouteNode<K, V>(Parts<K, V>);

impl<K: 'static, V: 'static> RouteNode<K, V> {
    fn encode(&self, topic: &TopicName, record: Record<K, V>) -> Result<OutputRecord, SerdeError> {
        let mut headers = record.headers;
        headers.remove(ORIGIN_HEADER);
        Ok(OutputRecord {
            topic: topic.clone(),
            partition: None,
            key: self.0.key.serialize(topic, &record.key)?,
            value: self.0.value.serialize(topic, &record.value)?,
            timestamp: record.timestamp,
            headers,
        })
    }
}

impl<K: 'static, V: 'static> Node for RouteNode<K, V> {
    fn process(&mut self, cx: &mut NodeContext<'_>, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let record = slot.downcast_mut::<Option<Record<K, V>>>().and_then(Option::take);
        let record = record.ok_or_else(|| ProcessError::new("the record is of another type than the sink takes"))?;
        let topic = (self.0.route)(&record);
        if !self.0.topics.contains(&topic) {
            let cause = format!("it is sent to topic {topic}, which is none of {:?}", self.0.topics);
            return Err(ProcessError::at(Stage::Produce, cause, false));
        }
        let mut output = self.encode(&topic, record).map_err(|error| ProcessError::serde(Stage::Produce, &error))?;
        output.partition = partition_of(cx, &*self.0.key, &output);
        cx.shared.effects.outputs.push(output);
        Ok(())
    }
}
