//! Sub-topologies: the connected parts of a graph. Nodes are connected by edges and by stores they share.

use std::collections::BTreeMap;

use super::graph::{NodeKind, NodeSpec};
use crate::names::{StoreName, TopicName};
use crate::state::{Changelog, StoreSpec};

/// Where a task begins to read a source after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartPolicy {
    /// At the group's committed offset; at the log's start without one.
    Committed,
    /// A table: at the log's start, silently up to the committed offset, then as usual.
    Table,
    /// An event log: at the log's start, always; up to the end it had at the start the store is restoring.
    EventLog,
}

/// A topic that a sub-topology reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTopic {
    /// The topic.
    pub topic: TopicName,
    /// Where reading begins.
    pub start: StartPolicy,
    /// Whether the application made it up to repartition a stream, and nobody else has a use for it.
    pub is_repartition: bool,
    pub(crate) node: usize,
}

/// A connected part of the topology. Partition p of all its sources makes task p.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubTopology {
    /// Its number, from 0, in the order of first nodes.
    pub id: usize,
    /// The topics it reads, sorted.
    pub sources: Vec<SourceTopic>,
    /// Its stores, sorted.
    pub stores: Vec<StoreName>,
    pub(crate) nodes: Vec<usize>,
}

impl SubTopology {
    /// The topic whose partitions the group assigns for this sub-topology.
    pub fn representative(&self) -> Option<&TopicName> {
        self.sources.first().map(|source| &source.topic)
    }
}

/// Splits the graph; every node is in exactly one part.
pub(crate) fn split(
    nodes: &[NodeSpec],
    stores: &BTreeMap<StoreName, StoreSpec>,
    is_repartition: &dyn Fn(&TopicName) -> bool,
) -> Vec<SubTopology> {
    let mut groups = Groups::new(nodes.len());
    let mut first_user: BTreeMap<&StoreName, usize> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        node.parents.iter().for_each(|&parent| groups.join(parent, index));
        for store in &node.stores {
            let first = *first_user.entry(store).or_insert(index);
            groups.join(first, index);
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    (0..nodes.len()).for_each(|index| parts.entry(groups.root(index)).or_default().push(index));
    let mut parts: Vec<_> = parts.into_values().collect();
    parts.sort();
    parts.into_iter().enumerate().map(|(id, members)| describe(id, members, (nodes, stores), is_repartition)).collect()
}

fn describe(
    id: usize,
    members: Vec<usize>,
    (nodes, stores): (&[NodeSpec], &BTreeMap<StoreName, StoreSpec>),
    is_repartition: &dyn Fn(&TopicName) -> bool,
) -> SubTopology {
    let specs = || members.iter().filter_map(|&index| nodes.get(index).map(|node| (index, node)));
    let mut used: Vec<_> = specs().flat_map(|(_, node)| node.stores.iter().cloned()).collect();
    used.sort();
    used.dedup();
    let mut sources: Vec<_> = specs()
        .filter_map(|(node, spec)| match &spec.kind {
            NodeKind::Source(topic) => {
                let start = start_policy(topic, &used, stores);
                Some(SourceTopic { topic: topic.clone(), start, is_repartition: is_repartition(topic), node })
            }
            _ => None,
        })
        .collect();
    sources.sort_by(|a, b| a.topic.cmp(&b.topic));
    SubTopology { id, sources, stores: used, nodes: members }
}

fn start_policy(topic: &TopicName, used: &[StoreName], stores: &BTreeMap<StoreName, StoreSpec>) -> StartPolicy {
    let changelogs = used.iter().filter_map(|name| stores.get(name)).map(|store| &store.changelog);
    let mut policies = changelogs.filter_map(|changelog| match changelog {
        Changelog::EventLog(log) if log == topic => Some(StartPolicy::EventLog),
        Changelog::Table(log) if log == topic => Some(StartPolicy::Table),
        _ => None,
    });
    policies.next_back().unwrap_or(StartPolicy::Committed)
}

/// Disjoint sets over node indices.
struct Groups(Vec<usize>);

impl Groups {
    fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    fn root(&self, mut index: usize) -> usize {
        while let Some(&parent) = self.0.get(index)
            && parent != index
        {
            index = parent;
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(slot) = self.0.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}
