//! Where a pass runs: Kafka, or the log inside the process; and the topics it reads there.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use nowfold::Config;
use nowfold::core::names::{Offset, TopicName, TopicPartition};
use nowfold::core::record::{Headers, OutputRecord};
use nowfold::core::time::Timestamp;
use nowfold::embedded::EmbeddedLog;
use nowfold::runtime::broker::{Broker, TopicSpec, Watermarks};
use nowfold::runtime::{RuntimeConfig, SystemClock};

use crate::data::{Encoder, Schedule, World};
use crate::raw;

/// Partitions of every topic of the benches.
pub(crate) const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(120);

/// A log, opened.
pub(crate) struct Place {
    config: Config,
    broker: Arc<dyn Broker>,
    /// Kafka's address.
    bootstrap: Option<String>,
}

impl Place {
    /// An empty log inside this process.
    pub(crate) fn embedded() -> Result<Self> {
        Self::open(Config::embedded_on(EmbeddedLog::new(Arc::new(SystemClock))), None)
    }

    /// Kafka; `linger_ms` is how long producers gather records, nowfold's default without it.
    pub(crate) fn kafka(bootstrap: &str, linger_ms: Option<u32>) -> Result<Self> {
        let config = Config::kafka(bootstrap);
        let config = match linger_ms {
            Some(ms) => config.kafka_property("linger.ms", ms.to_string()),
            None => config,
        };
        Self::open(config, Some(bootstrap.to_owned()))
    }

    fn open(mut config: Config, bootstrap: Option<String>) -> Result<Self> {
        let broker = config.broker()?;
        Ok(Self { config, broker, bootstrap })
    }

    pub(crate) fn broker(&self) -> &dyn Broker {
        self.broker.as_ref()
    }

    pub(crate) fn shared(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }

    /// The configuration of an application that runs here.
    pub(crate) fn config(&self, runtime: RuntimeConfig) -> Config {
        self.config.clone().runtime(runtime)
    }

    /// Makes an actions topic by the contract, which keeps its records for ever.
    pub(crate) fn create_actions_topic(&self, topic: &str) -> Result<()> {
        self.create_topic(topic, &[("message.timestamp.type", "LogAppendTime")])
    }

    /// Makes a topic of [`PARTITIONS`] partitions which keeps its records for ever.
    pub(crate) fn create_topic(&self, topic: &str, settings: &[(&str, &str)]) -> Result<()> {
        let config = settings.iter().chain(&[("cleanup.policy", "delete"), ("retention.ms", "-1")]);
        let config = config.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Ok(self.broker.create_topic(&TopicSpec { name: topic.into(), partitions: Some(PARTITIONS), config })?)
    }

    /// Deletes a topic of the benches on Kafka; the embedded log goes with its process.
    pub(crate) fn delete_topic(&self, topic: &str) -> Result<()> {
        match &self.bootstrap {
            Some(bootstrap) => raw::delete_topic(bootstrap, self.broker(), topic),
            None => Ok(()),
        }
    }

    /// Records in a topic; `None` when there is no such topic.
    pub(crate) fn n_records(&self, topic: &str) -> Result<Option<u64>> {
        self.count(topic, |marks| marks.high - marks.low)
    }

    /// Records that a topic got, with those that retention has deleted since; without transactions.
    pub(crate) fn n_written(&self, topic: &str) -> Result<Option<u64>> {
        self.count(topic, |marks| marks.high - Offset::default())
    }

    fn count(&self, topic: &str, of: impl Fn(Watermarks) -> i64) -> Result<Option<u64>> {
        let found = self.broker.topics(&[TopicName::from(topic)], PATIENCE)?.pop().flatten();
        let Some(info) = found else { return Ok(None) };
        let mut n_records = 0;
        for partition in 0..info.partitions {
            let marks = self.broker.watermarks(&TopicPartition::new(topic, partition))?;
            n_records += u64::try_from(of(marks)).unwrap_or(0);
        }
        Ok(Some(n_records))
    }

    /// Fills the topic by `fill`, unless it holds `n_records` already; a topic that holds other records is made anew.
    pub(crate) fn fill_once(&self, topic: &str, n_records: u64, fill: impl FnOnce() -> Result<()>) -> Result<()> {
        match self.n_records(topic)? {
            Some(n) if n == n_records => return Ok(()),
            Some(_) => self.delete_topic(topic)?,
            None => {}
        }
        eprintln!("loading {n_records} records into {topic}");
        fill()?;
        let stored = self.n_records(topic)?.context("the loaded topic is gone")?;
        if stored != n_records {
            bail!("{topic} holds {stored} records after {n_records} were loaded");
        }
        Ok(())
    }

    /// Appends records under the partitions of their keys.
    pub(crate) fn produce(&self, topic: &str, records: impl Iterator<Item = Result<Keyed>>) -> Result<()> {
        let (mut producer, topic) = (self.broker.producer()?, TopicName::from(topic));
        for record in records {
            producer.send(record?.into_output(&topic)).map_err(|failure| failure.error)?;
        }
        match producer.flush(PATIENCE)?.into_iter().next() {
            Some(failure) => Err(failure.error.into()),
            None => Ok(()),
        }
    }

    /// Fills an actions topic with the first `n` events of the world, the newest of them happening now.
    pub(crate) fn load_actions(&self, topic: &str, world: &World, n: u64) -> Result<()> {
        self.create_actions_topic(topic)?;
        let (schedule, encoder) = (Schedule { n_events: n, end_ms: now_ms() }, Encoder::new()?);
        let take = usize::try_from(n)?;
        self.produce(
            topic,
            world.events().take(take).map(|event| {
                let t = schedule.time(&event);
                let action = world.action(&event, t);
                let value = encoder.encode(&action)?.into();
                Ok(Keyed { key: Bytes::copy_from_slice(action.actor.as_bytes()), value, t })
            }),
        )
    }
}

/// A record with a key.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) t: Timestamp,
}

impl Keyed {
    pub(crate) fn into_output(self, topic: &TopicName) -> OutputRecord {
        let (key, value) = (Some(self.key), Some(self.value));
        OutputRecord { topic: topic.clone(), partition: None, key, value, timestamp: self.t, headers: Headers::new() }
    }
}

/// The actions topic of these parameters on Kafka. Its name tells all that its content depends on but the load's instant.
pub(crate) fn actions_topic(records: u64, seed: u64) -> String {
    format!("nowfold-bench-actions-1-{records}-{seed}")
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
