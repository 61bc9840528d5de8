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

    /// A topic's setting under Kafka's name.
    pub(crate) fn setting(&self, topic: &TopicName, key: &str) -> Option<&str> {
        self.0.get(topic)?.config.get(key).map(String::as_str)
    }

    fn sizes(&self) -> BTreeMap<&TopicName, i32> {
        self.0.iter().map(|(name, info)| (name, info.partitions)).collect()
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
    let planned = plan(topology, config, &topics);
    check_co_partitions(topology, &topics, &planned)?;
    for (name, blueprint, partitions) in &planned {
        create(broker, name, blueprint, *partitions, &mut topics)?;
    }
    topology.requirements().iter().try_for_each(|requirement| check_rules(requirement, &topics))?;
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
        let partitions = size(blueprint, &topics.sizes()).unwrap_or(config.default_partitions);
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

/// A topic to be created.
type Planned<'t> = (&'t TopicName, &'t TopicBlueprint, i32);

/// The absent topics, in an order in which each is sized after those that it is sized by.
fn plan<'t>(topology: &'t Topology, config: &RuntimeConfig, topics: &Topics) -> Vec<Planned<'t>> {
    let absent = topology.requirements().iter().filter_map(|wanted| Some((&wanted.name, wanted.create.as_ref()?)));
    let mut absent: Vec<_> = absent.filter(|(name, _)| topics.partitions(name) == 0).collect();
    let mut sizes = topics.sizes();
    let mut planned = Vec::new();
    while !absent.is_empty() {
        let sized = |(_, blueprint): &(&TopicName, &TopicBlueprint)| size(blueprint, &sizes).is_some();
        let index = absent.iter().position(sized).unwrap_or(0);
        let (name, blueprint) = absent.remove(index);
        let partitions = size(blueprint, &sizes).unwrap_or(config.default_partitions);
        sizes.insert(name, partitions);
        planned.push((name, blueprint, partitions));
    }
    planned
}

fn size(blueprint: &TopicBlueprint, sizes: &BTreeMap<&TopicName, i32>) -> Option<i32> {
    match &blueprint.partitions {
        PartitionCount::Fixed(n) => Some(*n),
        // Once all of them are known.
        PartitionCount::LargestOf(upstream) => {
            let known: Option<Vec<_>> = upstream.iter().map(|topic| sizes.get(topic).copied()).collect();
            known?.into_iter().max()
        }
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

/// Refuses joins of topics with different numbers of partitions, before any is created.
fn check_co_partitions(topology: &Topology, topics: &Topics, planned: &[Planned<'_>]) -> Result<(), RuntimeError> {
    let planned: BTreeMap<_, _> = planned.iter().map(|(name, _, partitions)| (*name, *partitions)).collect();
    let count = |topic: &TopicName| planned.get(topic).map_or_else(|| topics.partitions(topic), |n| *n);
    for join in topology.co_partitions() {
        let counts: Vec<_> = join.topics.iter().map(|topic| (topic, count(topic))).collect();
        if counts.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a != b)) {
            let verb = |topic: &TopicName| if planned.contains_key(topic) { "would get" } else { "has" };
            let counts: Vec<_> = counts.iter().map(|(topic, n)| format!("{topic} {} {n}", verb(topic))).collect();
            return Err(RuntimeError::NotCoPartitioned { node: join.node.to_string(), counts: counts.join(", ") });
        }
    }
    Ok(())
}
