//! `stream_at`: a topic as a stream, with timestamps of the user's own.

use std::any::Any;
use std::sync::Arc;

use super::source::{Reader, undecodable};
use super::{KStream, StreamsBuilder};
use crate::names::{Offset, TopicName, TopicPartition};
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
    /// Stream time follows the told timestamps, and so does the choice of the next record among several sources of a task.
    /// One whose timestamp cannot be told is dealt with as soon as it is the first of its source.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("by-value-time");
    /// let events = app.stream_at("events", Plain::<String, i64>::new(), |_, at_ms, _| Ok(Timestamp::from_millis(*at_ms)));
    /// events.to("out", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn stream_at<K: Send + 'static, V: Send + 'static>(
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
            let node = TimedSource::new(reader.clone(), extract.clone());
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
    /// The next record, when its timestamp was asked for before.
    next: Option<(Offset, Told<K, V>)>,
    /// The last timestamp that was told: a record that waits comes again, and keeps its own.
    last: Option<(Offset, Timestamp)>,
}

/// A record, read.
struct Told<K, V> {
    key: K,
    value: V,
    timestamp: Timestamp,
}

impl<K: 'static, V: 'static> TimedSource<K, V> {
    fn new(reader: Reader<K, V>, extract: Extract<K, V>) -> Self {
        Self { reader, extract, partition_time: None, next: None, last: None }
    }

    fn read(&self, topic: &TopicName, record: &LogRecord) -> Result<Told<K, V>, ProcessError> {
        let key = self.reader.key(topic, record).map_err(|error| undecodable(Part::Key, &error))?;
        let value = self.reader.value(topic, record).map_err(|error| undecodable(Part::Value, &error))?;
        let timestamp = match self.last {
            Some((offset, timestamp)) if offset == record.offset => timestamp,
            _ => {
                let context = TimestampContext { record, partition_time: self.partition_time };
                (self.extract)(&key, &value, &context)?
            }
        };
        Ok(Told { key, value, timestamp })
    }
}

impl<K: Send + 'static, V: Send + 'static> Node for TimedSource<K, V> {
    fn tells(&self) -> bool {
        true
    }

    fn tell(&mut self, source: &TopicPartition, record: &LogRecord) -> Timestamp {
        let told = self.read(&source.topic, record);
        let timestamp = told.as_ref().map_or(Timestamp::MIN, |told| told.timestamp);
        self.next = told.ok().map(|told| (record.offset, told));
        timestamp
    }

    fn process(&mut self, cx: &mut NodeContext<'_>, _: &mut dyn Any) -> Result<(), ProcessError> {
        let (source, raw) = cx.shared.source_record();
        let Told { key, value, timestamp } = match self.next.take() {
            Some((offset, told)) if offset == raw.offset => told,
            _ => self.read(&source.topic, raw)?,
        };
        let headers = raw.headers.clone();
        self.last = Some((raw.offset, timestamp));
        if timestamp.as_millis() < 0 {
            cx.shared.count("negative_timestamp");
            return Ok(());
        }
        self.partition_time = self.partition_time.max(Some(timestamp));
        cx.shared.advance_stream_time_to(timestamp);
        cx.forward(&mut Some(Record { key, value, timestamp, headers }))
    }
}
