//! All topics of a log, by name.

use std::collections::HashMap;
use std::sync::Arc;

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_runtime::broker::{BrokerError, TopicSpec};
use parking_lot::RwLock;

use super::{Topic, TopicConfig, check_name};
use crate::disk::DataDir;
use crate::error::{OpenError, refused, unavailable, unknown_partition, unknown_topic};
use crate::partition::Partition;

/// Topics by name. A topic is never removed, so an `Arc<Topic>` may be kept.
#[derive(Debug)]
pub(crate) struct Topics {
    by_name: RwLock<HashMap<TopicName, Arc<Topic>>>,
    data: Option<Arc<DataDir>>,
    /// The log's words for itself, for errors.
    broker: String,
}

impl Topics {
    /// The topics of a data directory, or none without one.
    pub(crate) fn open(data: Option<Arc<DataDir>>, broker: String) -> Result<Self, OpenError> {
        let mut by_name = HashMap::new();
        if let Some(data) = &data {
            for name in data.topic_names()? {
                by_name.insert(name.clone(), Arc::new(recover(data, &name)?));
            }
        }
        Ok(Self { by_name: RwLock::new(by_name), data, broker })
    }

    /// Whether there is a data directory.
    pub(crate) fn is_durable(&self) -> bool {
        self.data.is_some()
    }

    pub(crate) fn get(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.by_name.read().get(name).cloned()
    }

    /// Like [`Self::get`], with the port's error for a missing topic.
    pub(crate) fn require(&self, name: &TopicName) -> Result<Arc<Topic>, BrokerError> {
        self.get(name).ok_or_else(|| unknown_topic(name, &self.broker))
    }

    pub(crate) fn partition(&self, wanted: &TopicPartition) -> Result<Arc<Partition>, BrokerError> {
        let topic = self.require(&wanted.topic)?;
        let partition = topic.partition(wanted.partition).cloned();
        partition.ok_or_else(|| unknown_partition(wanted, topic.n_partitions()))
    }

    /// Every partition of every topic.
    pub(crate) fn all_partitions(&self) -> Vec<Arc<Partition>> {
        self.by_name.read().values().flat_map(|topic| topic.partitions.iter().cloned()).collect()
    }

    /// Creates a topic unless it exists; says whether it did.
    pub(crate) fn create(&self, spec: &TopicSpec, default_partitions: i32) -> Result<bool, BrokerError> {
        let n_partitions = spec.partitions.unwrap_or(default_partitions);
        if n_partitions < 1 {
            return Err(refused(&spec.name, format!("a topic has at least one partition, not {n_partitions}")));
        }
        check_name(&spec.name).map_err(|cause| refused(&spec.name, cause))?;
        let config = TopicConfig::new(&spec.config).map_err(|cause| refused(&spec.name, cause))?;
        let mut by_name = self.by_name.write();
        if by_name.contains_key(&spec.name) {
            return Ok(false);
        }
        let topic = self
            .build(spec, n_partitions, config)
            .map_err(|cause| unavailable(format!("creating topic {:?}", spec.name), cause))?;
        by_name.insert(spec.name.clone(), Arc::new(topic));
        Ok(true)
    }

    fn build(&self, spec: &TopicSpec, n_partitions: i32, config: TopicConfig) -> Result<Topic, OpenError> {
        if let Some(data) = &self.data {
            data.create_topic(&spec.name, n_partitions, &spec.config)?;
            return recover(data, &spec.name);
        }
        assemble(&spec.name, config, n_partitions, |id, config| Ok(Partition::in_memory(id, config)))
    }
}

fn recover(data: &DataDir, name: &TopicName) -> Result<Topic, OpenError> {
    let (n_partitions, config) = data.read_topic(name)?;
    assemble(name, config, n_partitions, |id, config| Partition::recover(id, config, data))
}

fn assemble(
    name: &TopicName,
    config: TopicConfig,
    n_partitions: i32,
    open: impl Fn(TopicPartition, Arc<TopicConfig>) -> Result<Partition, OpenError>,
) -> Result<Topic, OpenError> {
    let config = Arc::new(config);
    let ids = (0..n_partitions).map(|number| TopicPartition { topic: name.clone(), partition: number });
    let partitions = ids.map(|id| open(id, Arc::clone(&config)).map(Arc::new)).collect::<Result<_, _>>()?;
    Ok(Topic { name: name.clone(), config, partitions })
}
