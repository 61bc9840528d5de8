//! The log of a replay: its topics, its tables' rows, and the lines that are out.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use nowfold::core::names::{Offset, TopicPartition};
use nowfold::core::record::{Headers, OutputRecord};
use nowfold::prelude::*;
use nowfold::runtime::SystemClock;
use nowfold::runtime::broker::{Broker, Producer as Appender, TopicSpec};

use super::args::Args;
use crate::replay::feed::{FeedStep, Lines};
use crate::replay::mapping::{CompiledMapping, OnBrokenLine, TableMapping};
use crate::replay::raw::raw_key;

const FLUSH: Duration = Duration::from_secs(60);

/// Creates the raw topic and the tables' topics. The raw topic has one partition, for the order of its lines has a meaning:
/// a line of next month must not be mapped before one of today.
pub(super) fn create_topics(broker: &dyn Broker, args: &Args, mapping: &CompiledMapping) -> anyhow::Result<()> {
    let create = |name: &str, config: &[(&str, &str)]| {
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let spec = TopicSpec { name: args.named(name).into(), partitions: Some(1), config };
        broker.create_topic(&spec).with_context(|| format!("creating topic {name:?}"))
    };
    create(&mapping.feed().topic, &[("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1")])?;
    mapping.tables().iter().try_for_each(|table| create(table.topic(), &[("cleanup.policy", "compact")]))
}

/// Writes the rows of every table whose topic is empty.
pub(super) fn write_tables(broker: &dyn Broker, args: &Args, mapping: &CompiledMapping) -> anyhow::Result<()> {
    for table in mapping.tables() {
        let topic = TopicPartition::new(args.named(table.topic()), 0);
        if broker.watermarks(&topic)?.high == 0 {
            write_table(broker, &topic, mapping, table).with_context(|| format!("table {:?}", table.name()))?;
        }
    }
    Ok(())
}

fn write_table(
    broker: &dyn Broker,
    topic: &TopicPartition,
    mapping: &CompiledMapping,
    table: &TableMapping,
) -> anyhow::Result<()> {
    let mut appender = broker.producer()?;
    for line in Lines::new([mapping.resolve(table.file())], OnBrokenLine::Fail) {
        let line = line?;
        let Some(key) = line.record.as_ref().and_then(|row| table.key(row).transpose()).transpose()? else { continue };
        append(appender.as_mut(), topic, Bytes::from(key), line.bytes)?;
    }
    flush(appender.as_mut())
}

fn append(appender: &mut dyn Appender, to: &TopicPartition, key: Bytes, value: Bytes) -> anyhow::Result<()> {
    let record = OutputRecord {
        topic: to.topic.clone(),
        partition: Some(to.partition),
        key: Some(key),
        value: Some(value),
        timestamp: SystemClock.now(),
        headers: Headers::new(),
    };
    Ok(appender.send(record).map_err(|failure| failure.error)?)
}

fn flush(appender: &mut dyn Appender) -> anyhow::Result<()> {
    match appender.flush(FLUSH)?.into_iter().next() {
        Some(failure) => Err(failure.error.into()),
        None => Ok(()),
    }
}

/// The raw topic as the feed fills it.
pub(super) struct RawTopic {
    appender: Box<dyn Appender>,
    partition: TopicPartition,
}

impl RawTopic {
    pub(super) fn open(broker: &dyn Broker, args: &Args, mapping: &CompiledMapping) -> anyhow::Result<Self> {
        let partition = TopicPartition::new(args.named(&mapping.feed().topic), 0);
        Ok(Self { appender: broker.producer()?, partition })
    }

    /// How many steps of the feed are out already, from a run before.
    pub(super) fn n_out(&self, broker: &dyn Broker) -> anyhow::Result<u64> {
        Ok(u64::try_from(self.end(broker)?)?)
    }

    /// One past the last raw record.
    pub(super) fn end(&self, broker: &dyn Broker) -> anyhow::Result<Offset> {
        Ok(broker.watermarks(&self.partition)?.high)
    }

    pub(super) fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    pub(super) fn send(&mut self, step: FeedStep) -> anyhow::Result<()> {
        append(self.appender.as_mut(), &self.partition, raw_key(step.line), step.bytes)
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        flush(self.appender.as_mut())
    }
}

/// The feed's files: those of the command line, else those of the mapping.
pub(super) fn feed_files(args: &Args, mapping: &CompiledMapping) -> Vec<PathBuf> {
    if !args.feed.is_empty() {
        return args.feed.clone();
    }
    mapping.feed().files.iter().map(|file| mapping.resolve(file)).collect()
}
