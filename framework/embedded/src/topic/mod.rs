//! Topics: a name, a configuration, partitions.

mod config;
mod registry;

use std::sync::Arc;

use nowfold_core::names::{Partition as PartitionNumber, TopicName};
use nowfold_core::partition::partition_for_key;
use nowfold_runtime::broker::TopicInfo;

use crate::partition::Partition;

pub(crate) use config::TopicConfig;
pub(crate) use registry::Topics;

/// A topic and its partitions, in order of their numbers.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) config: Arc<TopicConfig>,
    pub(crate) partitions: Vec<Arc<Partition>>,
}

impl Topic {
    pub(crate) fn n_partitions(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    pub(crate) fn info(&self) -> TopicInfo {
        let config = self.config.effective.clone();
        TopicInfo { name: self.name.clone(), partitions: self.n_partitions(), config }
    }

    pub(crate) fn partition(&self, number: PartitionNumber) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(number).ok()?)
    }

    /// The partition that Kafka's default partitioner gives a key.
    pub(crate) fn partition_of_key(&self, key: &[u8]) -> PartitionNumber {
        partition_for_key(key, self.n_partitions())
    }
}

/// Whether Kafka allows this topic name; it is also a safe name for a directory.
pub(crate) fn check_name(name: &TopicName) -> Result<(), String> {
    let name = name.as_str();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(allowed) {
        return Err(format!("{name:?} is no topic name: 1 to 249 of the letters a-z, A-Z, 0-9, '.', '_' and '-'"));
    }
    Ok(())
}
