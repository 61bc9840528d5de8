//! Which topics a driver has: those of the topology, as the runtime would find or create them.

use std::collections::{BTreeMap, BTreeSet};

use nowfold_core::names::TopicName;
use nowfold_core::record::TimestampType;
use nowfold_core::topology::{PartitionCount, TopicRequirement, Topology};

use crate::log::Log;

/// What a test says about topics before the driver starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicSettings {
    pub(crate) partitions: BTreeMap<TopicName, i32>,
    pub(crate) append_time: BTreeSet<TopicName>,
}

impl TopicSettings {
    /// Creates every topic that the topology or the test names.
    pub(crate) fn create(&self, topology: &Topology, log: &mut Log) {
        for requirement in topology.requirements() {
            let n = self.n_partitions(topology, &requirement.name, &mut Vec::new());
            log.create(&requirement.name, n, self.timestamps(requirement));
        }
        for (topic, &n) in &self.partitions {
            log.create(topic, n, self.timestamps_of(topic, false));
        }
        check_co_partitions(topology, log);
    }

    fn timestamps(&self, requirement: &TopicRequirement) -> TimestampType {
        let setting = requirement.create.as_ref().and_then(|blueprint| blueprint.config.get("message.timestamp.type"));
        self.timestamps_of(&requirement.name, setting.is_some_and(|kind| kind == "LogAppendTime"))
    }

    fn timestamps_of(&self, topic: &TopicName, by_blueprint: bool) -> TimestampType {
        if by_blueprint || self.append_time.contains(topic) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// The test's number, else the blueprint's, else 1. `above` guards against topics that size each other.
    fn n_partitions<'a>(&self, topology: &'a Topology, topic: &'a TopicName, above: &mut Vec<&'a TopicName>) -> i32 {
        if let Some(&n) = self.partitions.get(topic) {
            return n;
        }
        let requirement = topology.requirements().iter().find(|requirement| requirement.name == *topic);
        match requirement.and_then(|requirement| requirement.create.as_ref()).map(|blueprint| &blueprint.partitions) {
            Some(PartitionCount::Fixed(n)) => *n,
            Some(PartitionCount::LargestOf(topics)) if !above.contains(&topic) => {
                above.push(topic);
                topics.iter().map(|other| self.n_partitions(topology, other, above)).max().unwrap_or(1)
            }
            _ => 1,
        }
    }
}

fn check_co_partitions(topology: &Topology, log: &Log) {
    for group in topology.co_partitions() {
        let counts: BTreeSet<_> = group.topics.iter().map(|topic| log.n_partitions(topic)).collect();
        let (node, topics) = (&group.node, &group.topics);
        assert!(counts.len() <= 1, "join {node:?} needs equal numbers of partitions of {topics:?}, not {counts:?}");
    }
}
