//! How many partitions the topics get that the application creates.

use std::collections::BTreeSet;

use super::TopologyFault;
use super::graph::{GraphBuilder, NodeKind};
use super::needs::changelog_topic;
use super::requirement::{PartitionCount, TopicRequirement};
use super::subtopology::SubTopology;
use crate::names::TopicName;

/// Sizes the created topics that nobody sized: an intermediate topic that is joined with others of a given size gets
/// theirs; else a topic gets as many partitions as the largest that its writers read, or that the writers of those it is
/// joined with read.
pub(super) fn size_created_topics(graph: &mut GraphBuilder, parts: &[SubTopology]) {
    let open: BTreeSet<_> = graph.requirements.iter().filter(|r| is_open(r)).map(|r| r.name.clone()).collect();
    for topic in &open {
        let joined = joined_with(graph, topic);
        let given: BTreeSet<_> = joined.difference(&open).cloned().collect();
        let sizes = if given.is_empty() {
            joined.iter().flat_map(|topic| above_writers(graph, parts, topic)).collect()
        } else {
            given
        };
        let requirement = graph.requirements.iter_mut().find(|requirement| requirement.name == *topic);
        if let Some(blueprint) = requirement.and_then(|requirement| requirement.create.as_mut()) {
            blueprint.partitions = PartitionCount::LargestOf(sizes.into_iter().collect());
        }
    }
}

/// Joins of topics that are to be created with different numbers of partitions, each as a fault.
pub(super) fn unequal(graph: &GraphBuilder) -> Vec<TopologyFault> {
    let fixed = |topic: &TopicName| {
        let requirement = graph.requirements.iter().find(|requirement| requirement.name == *topic)?;
        match requirement.create.as_ref()?.partitions {
            PartitionCount::Fixed(n) => Some((topic.clone(), n)),
            PartitionCount::LargestOf(_) => None,
        }
    };
    let mut faults = Vec::new();
    for group in &graph.co_partitions {
        let joined: BTreeSet<_> = group.topics.iter().flat_map(|topic| joined_with(graph, topic)).collect();
        let counts: Vec<_> = joined.iter().filter_map(fixed).collect();
        if counts.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a != b)) {
            let counts: Vec<_> = counts.iter().map(|(topic, n)| format!("{topic} gets {n}")).collect();
            faults.push(TopologyFault::NotCoPartitioned { node: group.node.to_string(), counts: counts.join(", ") });
        }
    }
    faults
}

fn is_open(requirement: &TopicRequirement) -> bool {
    let blueprint = requirement.create.as_ref();
    blueprint.is_some_and(|blueprint| blueprint.partitions == PartitionCount::LargestOf(Vec::new()))
}

/// The topics that need as many partitions as `topic`, itself included: those that a join names together with it, and
/// those that others name together with these.
fn joined_with(graph: &GraphBuilder, topic: &TopicName) -> BTreeSet<TopicName> {
    let mut joined = BTreeSet::from([topic.clone()]);
    let mut known = 0;
    while known < joined.len() {
        known = joined.len();
        let groups = graph.co_partitions.iter().filter(|group| group.topics.iter().any(|topic| joined.contains(topic)));
        let more: Vec<_> = groups.flat_map(|group| group.topics.iter().cloned()).collect();
        joined.extend(more);
    }
    joined
}

/// The sources of the sub-topologies that write to `topic`, be it by a sink or as a store's changelog.
fn above_writers(graph: &GraphBuilder, parts: &[SubTopology], topic: &TopicName) -> Vec<TopicName> {
    let sinks_to = |index: &usize| {
        graph.nodes.get(*index).is_some_and(|node| matches!(&node.kind, NodeKind::Sink(sink) if sink == topic))
    };
    let logs_to = |part: &SubTopology| part.stores.iter().any(|store| changelog_topic(&graph.app, store) == *topic);
    let writers = parts.iter().filter(|part| part.nodes.iter().any(sinks_to) || logs_to(part));
    writers.flat_map(|part| part.sources.iter().map(|source| source.topic.clone())).collect()
}
