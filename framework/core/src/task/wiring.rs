//! The unchanging part of a task's nodes.

use std::collections::HashSet;
use std::sync::Arc;

use super::graph::CloneSlot;
use super::shared::StoreSlot;
use crate::failure::Verdict;
use crate::names::{StoreName, TopicName};
use crate::topology::graph::{NodeKind, NodeSpec};
use crate::topology::{SubTopology, Topology};

/// How a node is connected.
pub(crate) struct Wiring {
    pub(crate) name: Arc<str>,
    pub(crate) children: Vec<usize>,
    pub(crate) clone_slot: Option<CloneSlot>,
    /// Its stores, and their places among the task's.
    pub(crate) stores: Vec<(StoreName, usize)>,
    /// The topics whose records reach it.
    pub(crate) sources: Vec<TopicName>,
    /// What sets the node's ids apart from those of the task's other nodes; `None` for the first that makes any.
    pub(crate) id_scope: Option<Arc<str>>,
    /// The verdict on its failures where the user set no handler.
    pub(crate) default_verdict: Verdict,
}

/// Wires the nodes of `part`, each at its index in the topology.
pub(super) fn wire(topology: &Topology, part: &SubTopology, stores: &[StoreSlot]) -> Vec<Wiring> {
    let lenient = lenient(topology.nodes());
    let mut wiring: Vec<_> = topology
        .nodes()
        .iter()
        .enumerate()
        .map(|(index, node)| Wiring {
            name: node.name.clone(),
            children: node.children.clone(),
            clone_slot: node.clone_slot,
            stores: node.stores.iter().filter_map(|name| place(name, stores)).collect(),
            sources: sources(topology.nodes(), index),
            id_scope: None,
            default_verdict: if lenient.contains(&index) { Verdict::DeadLetter } else { Verdict::Fail },
        })
        .collect();
    scope_ids(topology.nodes(), part, &mut wiring);
    wiring
}

fn sources(nodes: &[NodeSpec], index: usize) -> Vec<TopicName> {
    let above = reach(nodes, vec![index], |node| &node.parents);
    let topic = |index: usize| match &nodes.get(index)?.kind {
        NodeKind::Source(topic) => Some(topic.clone()),
        _ => None,
    };
    above.into_iter().filter_map(topic).collect()
}

fn place(name: &StoreName, stores: &[StoreSlot]) -> Option<(StoreName, usize)> {
    let index = stores.iter().position(|slot| slot.name == *name)?;
    Some((name.clone(), index))
}

/// The first processor and the first sink that make ids need no scope, so that the usual id is `{root}/{i}`; every other
/// puts its name, or its topic's, before the index.
fn scope_ids(nodes: &[NodeSpec], part: &SubTopology, wiring: &mut [Wiring]) {
    let (mut processors, mut sinks) = (0, 0);
    for &index in &part.nodes {
        let Some((node, wiring)) = nodes.get(index).filter(|node| node.makes_ids).zip(wiring.get_mut(index)) else {
            continue;
        };
        let (n, scope) = match &node.kind {
            NodeKind::Sink(topic) => (&mut sinks, Arc::from(topic.as_str())),
            _ => (&mut processors, node.name.clone()),
        };
        wiring.id_scope = (*n > 0).then_some(scope);
        *n += 1;
    }
}

/// Nodes whose failures are dead letters by default: those marked so, all on a path through one, and the tables that
/// these look up.
fn lenient(nodes: &[NodeSpec]) -> HashSet<usize> {
    let marked = |node: &NodeSpec| node.dead_letters_by_default;
    let marked = || nodes.iter().enumerate().filter(|(_, node)| marked(node)).map(|(index, _)| index).collect();
    let mut found = reach(nodes, marked(), |node| &node.children);
    found.extend(reach(nodes, marked(), |node| &node.parents));
    let shares = |node: &NodeSpec| {
        let users = found.iter().filter_map(|&index| nodes.get(index));
        users.flat_map(|user| &user.stores).any(|store| node.stores.contains(store))
    };
    let tables: Vec<_> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| matches!(node.kind, NodeKind::Source(_)) && shares(node))
        .map(|(index, _)| index)
        .collect();
    found.extend(tables);
    found
}

fn reach(nodes: &[NodeSpec], mut todo: Vec<usize>, next: impl Fn(&NodeSpec) -> &Vec<usize>) -> HashSet<usize> {
    let mut found = HashSet::new();
    while let Some(index) = todo.pop() {
        if found.insert(index) {
            todo.extend(nodes.get(index).map(&next).into_iter().flatten());
        }
    }
    found
}
