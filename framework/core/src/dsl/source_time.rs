//! `stream_at`: a topic as a stream, with timestamps of the user's own.

use std::any::Any;
use std::sync::Arc;

use super::source::{Reader, undecodable};
use super::{KStream, StreamsBuilder};
use crate::names::TopicName;
use crate::processor::ProcessError;
use crate::record::{LogRecord, Record};
use crate::serde::{Consumed, Part};
use crate::task::graph::{Node, NodeContext};
use crate::time::Timestamp;
use crate::topology::{TopicRequirement, TopicRole};

/// What a timestamp may be told from, beside key and value.
#[derive(Debug)]
pub struct TimestampContext<'a> {
    /// The record as it was read.
    pub record: &'a LogRecord,
    /// The largest timestamp told in this partition since the task began; `None` at first.
    pub partition_time: Option<Timestamp>,
}

/// Tells a record's timestamp.
type Extract<K, V> = Arc<dyn Fn(&K, &V, &TimestampContext<'_>) -> Result<Timestamp, ProcessError> + Send + Sync>;

impl StreamsBuilder {
    /// Like [`stream`](Self::stream), with the timestamp that `extract` tells for each record instead of the record's own.
    /// A negative one drops the record, counted as `negative_timestamp`; an error is the record's failure.
    ///
    /// Stream time follows the told timestamps. Among several sources of a task the next record is still the one with the
    /// smallest timestamp in its topic.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("by-value-time");
    /// let events = app.stream_at("events", Plain::<String, i64>::new(), |_, at_ms, _| Ok(Timestamp::from_millis(*at_ms)));
    /// events.to("out", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn stream_at<K: 'static, V: 'static>(
        &self,
        topic: impl Into<TopicName>,
        serdes: impl Consumed<K, V> + 'static,
        extract: impl Fn(&K, &V, &TimestampContext<'_>) -> Result<Timestamp, ProcessError> + Send + Sync + 'static,
    ) -> KStream<K, V> {
        let name = topic.into();
        let role = TopicRole::Source;
        self.require(TopicRequirement { name: name.clone(), role, create: None, rules: Vec::new() });
        let (reader, extract): (_, Extract<K, V>) = (Reader::new(&serdes), Arc::new(extract));
        let make = Arc::new(move || {
            let node = TimedSource { reader: reader.clone(), extract: extract.clone(), partition_time: None };
            Box::new(node) as Box<dyn Node>
        });
        let node = self.0.borrow_mut().source(&name, Arc::new(serdes), make);
        KStream::new(self.clone(), node)
    }
}

struct TimedSource<K, V> {
    reader: Reader<K, V>,
    extract: Extract<K, V>,
    partition_time: Option<Timestamp>,
}

impl<K: 'static, V: 'static> Node for TimedSource<K, V> {
    fn process(&mut self, cx: &mut NodeContext<'_>, _: &mut dyn Any) -> Result<(), ProcessError> {
        let (source, raw) = cx.shared.source_record();
        let key = self.reader.key(&source.topic, raw).map_err(|error| undecodable(Part::Key, &error))?;
        let value = self.reader.value(&source.topic, raw).map_err(|error| undecodable(Part::Value, &error))?;
        let context = TimestampContext { record: raw, partition_time: self.partition_time };
        let timestamp = (self.extract)(&key, &value, &context)?;
        let headers = raw.headers.clone();
        if timestamp.as_millis() < 0 {
            cx.shared.count("negative_timestamp");
            return Ok(());
        }
        self.partition_time = self.partition_time.max(Some(timestamp));
        cx.shared.advance_stream_time_to(timestamp);
        cx.forward(&mut Some(Record { key, value, timestamp, headers }))
    }
}
