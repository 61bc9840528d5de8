//! Topics at the start: which exist, which are created, and whether their settings would lose state.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::names::TopicName;
use nowfold_core::topology::{PartitionCount, TopicBlueprint, TopicRequirement, Topology};

use super::broker::{Broker, BrokerError, TopicInfo, TopicSpec};
use super::config::RuntimeConfig;
use super::error::RuntimeError;
use super::host;

/// The topics of a topology as the broker has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topics(BTreeMap<TopicName, TopicInfo>);

impl Topics {
    /// Number of partitions; 0 for a topic that the topology does not use.
    pub(crate) fn partitions(&self, topic: &TopicName) -> i32 {
        self.0.get(topic).map_or(0, |info| info.partitions)
    }

    /// The largest count of these topics, once all of them are known.
    fn largest(&self, topics: &[TopicName]) -> Option<i32> {
        let known = topics.iter().all(|topic| self.partitions(topic) > 0);
        topics.iter().map(|topic| self.partitions(topic)).max().filter(|_| known)
    }
}

/// Finds or creates every topic of the topology and checks the settings that matter.
pub(crate) fn prepare(
    broker: &dyn Broker,
    topology: &Topology,
    config: &RuntimeConfig,
) -> Result<Topics, RuntimeError> {
    let names: Vec<_> = topology.requirements().iter().map(|requirement| requirement.name.clone()).collect();
    let found = connect(broker, &names, config.connect_timeout)?;
    let mut topics = Topics(found.into_iter().flatten().map(|info| (info.name.clone(), info)).collect());
    refuse_missing(broker, topology, &topics)?;
    create_absent(broker, topology, config, &mut topics)?;
    topology.requirements().iter().try_for_each(|requirement| check_rules(requirement, &topics))?;
    check_co_partitions(topology, &topics)?;
    Ok(topics)
}

/// Finds or creates one topic and checks the settings that matter: for programs that write to a topic without running the
/// pipeline that reads it.
///
/// # Errors
/// As at the start of a pipeline: the broker is not reached, the topic is missing and nobody may create it, or it has a
/// setting that would lose state.
pub fn prepare_topic(
    broker: &dyn Broker,
    wanted: &TopicRequirement,
    config: &RuntimeConfig,
) -> Result<TopicInfo, RuntimeError> {
    let missing = || RuntimeError::MissingTopics { topics: vec![wanted.name.clone()], broker: broker.describe() };
    let found = connect(broker, std::slice::from_ref(&wanted.name), config.connect_timeout)?;
    let mut topics = Topics(found.into_iter().flatten().map(|info| (info.name.clone(), info)).collect());
    if let (0, Some(blueprint)) = (topics.partitions(&wanted.name), &wanted.create) {
        let partitions = size(blueprint, &topics).unwrap_or(config.default_partitions);
        create(broker, &wanted.name, blueprint, partitions, &mut topics)?;
    }
    check_rules(wanted, &topics)?;
    topics.0.remove(&wanted.name).ok_or_else(missing)
}

/// Asks for the topics until the broker answers.
fn connect(broker: &dyn Broker, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
    let started = host::now();
    loop {
        let left = timeout.saturating_sub(host::since(started));
        match broker.topics(names, left.min(Duration::from_secs(5)).max(Duration::from_millis(100))) {
            Err(error) if error.is_retriable() && !left.is_zero() => {
                tracing::warn!(%error, seconds_left = left.as_secs(), "waiting for {}", broker.describe());
                host::sleep(left.min(Duration::from_millis(500)));
            }
            answer => return answer,
        }
    }
}

fn refuse_missing(broker: &dyn Broker, topology: &Topology, topics: &Topics) -> Result<(), RuntimeError> {
    let missing =
        topology.requirements().iter().filter(|wanted| wanted.create.is_none() && topics.partitions(&wanted.name) == 0);
    let missing: Vec<_> = missing.map(|requirement| requirement.name.clone()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(RuntimeError::MissingTopics { topics: missing, broker: broker.describe() })
}

/// Creates topics in rounds, since one may be sized after another that is created too.
fn create_absent(
    broker: &dyn Broker,
    topology: &Topology,
    config: &RuntimeConfig,
    topics: &mut Topics,
) -> Result<(), RuntimeError> {
    let absent = topology.requirements().iter().filter_map(|wanted| Some((&wanted.name, wanted.create.as_ref()?)));
    let mut absent: Vec<_> = absent.filter(|(name, _)| topics.partitions(name) == 0).collect();
    while !absent.is_empty() {
        let sized = |(_, blueprint): &(&TopicName, &TopicBlueprint)| size(blueprint, topics).is_some();
        let index = absent.iter().position(sized).unwrap_or(0);
        let (name, blueprint) = absent.remove(index);
        let partitions = size(blueprint, topics).unwrap_or(config.default_partitions);
        create(broker, name, blueprint, partitions, topics)?;
    }
    Ok(())
}

fn size(blueprint: &TopicBlueprint, topics: &Topics) -> Option<i32> {
    match &blueprint.partitions {
        PartitionCount::Fixed(n) => Some(*n),
        PartitionCount::LargestOf(upstream) => topics.largest(upstream),
    }
}

fn create(
    broker: &dyn Broker,
    name: &TopicName,
    blueprint: &TopicBlueprint,
    partitions: i32,
    topics: &mut Topics,
) -> Result<(), RuntimeError> {
    let config = blueprint.config.clone();
    broker.create_topic(&TopicSpec { name: name.clone(), partitions: Some(partitions), config })?;
    tracing::info!(topic = %name, partitions, "created topic");
    let unknown = || BrokerError::UnknownTopic { topic: name.clone(), broker: broker.describe() };
    let info =
        broker.topics(std::slice::from_ref(name), Duration::from_secs(10))?.pop().flatten().ok_or_else(unknown)?;
    topics.0.insert(name.clone(), info);
    Ok(())
}

fn check_rules(requirement: &TopicRequirement, topics: &Topics) -> Result<(), RuntimeError> {
    let Some(info) = topics.0.get(&requirement.name) else { return Ok(()) };
    for rule in &requirement.rules {
        let Some(actual) = info.config.get(rule.key).filter(|actual| !rule.expected.admits(actual)) else { continue };
        return Err(RuntimeError::TopicSetting {
            code: rule.code,
            topic: requirement.name.clone(),
            key: rule.key,
            actual: actual.clone(),
            consequence: rule.consequence,
            remedy: rule.expected.remedy(),
        });
    }
    Ok(())
}

fn check_co_partitions(topology: &Topology, topics: &Topics) -> Result<(), RuntimeError> {
    for join in topology.co_partitions() {
        let counts: Vec<_> = join.topics.iter().map(|topic| (topic, topics.partitions(topic))).collect();
        if counts.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a != b)) {
            let counts: Vec<_> = counts.iter().map(|(topic, n)| format!("{topic} has {n}")).collect();
            return Err(RuntimeError::NotCoPartitioned { node: join.node.to_string(), counts: counts.join(", ") });
        }
    }
    Ok(())
}
