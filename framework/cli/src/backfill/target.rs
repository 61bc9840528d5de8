//! The actions topics that a backfill fills, and what is in them already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use nowfold::core::names::{TopicName, TopicPartition};
use nowfold::core::record::LogRecord;
use nowfold::core::serde::{Deserializer, Format, SerdeEnv};
use nowfold::operators::actions_topic;
use nowfold::runtime::broker::{Broker, append_time};
use nowfold::runtime::{RuntimeConfig, prepare_topic};
use nowfold::schemas::ActionCodec;
use nowfold::schemas::action::{Action, Op};
use nowfold::{Config, Producer};
use nowfold_mapping::CompiledMapping;

use super::args::Args;
use super::survey::MAX_FUTURE_SKEW_MS;

/// Records at the end of each partition that are looked at for its newest event.
const TAIL: i64 = 100_000;
/// How long a partition may stay silent while it is read.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where actions go.
pub(super) struct Target {
    broker: Arc<dyn Broker>,
    env: SerdeEnv,
    pub(super) entries: Vec<Entry>,
}

/// One entry of the mapping with its topic.
pub(super) struct Entry {
    /// Its index in the mapping.
    pub(super) index: usize,
    pub(super) topic: TopicName,
    pub(super) retention: Duration,
    /// One past the last record of each partition, before anything is sent.
    pub(super) ends: Vec<i64>,
    /// The newest event of each partition in ms, `i64::MIN` for none.
    pub(super) stream_times: Vec<i64>,
}

impl Target {
    pub(super) fn open(config: &mut Config, args: &Args, mapping: &CompiledMapping) -> anyhow::Result<Self> {
        let wanted = args.entries(mapping)?;
        let broker = config.broker()?;
        let mut target = Self { broker, env: config.serde_env()?, entries: Vec::new() };
        for (index, topic) in wanted {
            let Some(entry) = mapping.actions().get(index) else { continue };
            let retention = args.retention(entry);
            let entry = target.entry(args, index, topic.as_str().into(), retention)?;
            target.entries.push(entry);
        }
        Ok(target)
    }

    fn entry(&self, args: &Args, index: usize, topic: TopicName, retention: Duration) -> anyhow::Result<Entry> {
        let mut wanted = actions_topic(topic.clone(), retention, args.partitions);
        let settings = RuntimeConfig::default();
        if args.dry_run {
            let found = self.broker.topics(std::slice::from_ref(&topic), settings.connect_timeout)?;
            if found.into_iter().flatten().next().is_none() {
                let n = usize::try_from(args.partitions.unwrap_or(settings.default_partitions)).unwrap_or(1);
                return Ok(Entry { index, topic, retention, ends: vec![0; n], stream_times: vec![i64::MIN; n] });
            }
            wanted.create = None;
        }
        let n = prepare_topic(self.broker.as_ref(), &wanted, &settings)?.partitions;
        let partitions = || (0..n).map(|partition| TopicPartition::new(topic.clone(), partition));
        let ends = partitions().map(|partition| Ok(self.broker.watermarks(&partition)?.high));
        let ends = ends.collect::<anyhow::Result<Vec<_>>>()?;
        let stream_times = partitions().map(|partition| self.stream_time(&partition)).collect::<anyhow::Result<_>>()?;
        Ok(Entry { index, topic, retention, ends, stream_times })
    }

    /// A producer of actions for an entry's topic.
    pub(super) fn producer(&self, entry: &Entry) -> Result<Producer<Arc<str>, Action>, nowfold::Error> {
        Producer::open(self.broker.as_ref(), &self.env, entry.topic.as_str(), ActionCodec::new().pair())
    }

    /// One past the last record of each partition, now.
    pub(super) fn ends(&self, entry: &Entry) -> anyhow::Result<Vec<i64>> {
        let partitions = (0..).zip(&entry.ends).map(|(n, _)| TopicPartition::new(entry.topic.clone(), n));
        partitions.map(|partition| Ok(self.broker.watermarks(&partition)?.high)).collect()
    }

    /// The newest event among the last records of a partition.
    fn stream_time(&self, partition: &TopicPartition) -> anyhow::Result<i64> {
        let codec = ActionCodec::new();
        codec.configure(&self.env)?;
        let marks = self.broker.watermarks(partition)?;
        let begin = marks.low.max(marks.high.saturating_sub(TAIL));
        let mut reader = self.broker.reader(partition, begin, Arc::new(|| {}))?;
        let (mut newest, mut heard, mut batch) = (i64::MIN, Instant::now(), Vec::new());
        while reader.position() < marks.high {
            if reader.poll(1_000, &mut batch)? == 0 {
                ensure!(heard.elapsed() < PATIENCE, "{partition} gave no record for {} s", PATIENCE.as_secs());
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            heard = Instant::now();
            newest = batch.drain(..).filter_map(|record| event_time(&codec, partition, &record)).fold(newest, i64::max);
        }
        Ok(newest)
    }
}

/// The time of an event that a store admits as far as the future goes.
fn event_time(codec: &ActionCodec, partition: &TopicPartition, record: &LogRecord) -> Option<i64> {
    let action = codec.deserialize(&partition.topic, record.value.as_ref()?).ok()?;
    let t = action.timestamp.filter(|_| action.op == Op::Act)?.as_millis();
    let appended = append_time(record)?.as_millis();
    (t <= appended.saturating_add(MAX_FUTURE_SKEW_MS)).then_some(t)
}
