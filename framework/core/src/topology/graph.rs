//! The graph as it is being built.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::error::{TopologyError, TopologyFault};
use super::requirement::TopicRequirement;
use super::{CoPartition, GlobalSpec, Topology, subtopology};
use crate::failure::FailureHandlers;
use crate::names::{StoreName, TopicName};
use crate::serde::Format;
use crate::state::{Changelog, StoreSpec};
use crate::task::graph::{CloneSlot, Node};

pub(crate) type MakeNode = Arc<dyn Fn() -> Box<dyn Node> + Send + Sync>;

/// What a node is to the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Source(TopicName),
    Processor,
    Sink(TopicName),
    /// A sink that chooses among topics for each record.
    Router(Vec<TopicName>),
}

pub(crate) struct NodeSpec {
    pub(crate) name: Arc<str>,
    pub(crate) kind: NodeKind,
    pub(crate) parents: Vec<usize>,
    pub(crate) children: Vec<usize>,
    pub(crate) stores: Vec<StoreName>,
    pub(crate) clone_slot: Option<CloneSlot>,
    pub(crate) make: MakeNode,
    /// Failed records go to the dead-letter topic unless the user says otherwise.
    pub(crate) dead_letters_by_default: bool,
    /// Whether the node may make event ids: a user's processor, or the sink of an intermediate topic.
    pub(crate) makes_ids: bool,
    /// Whether the node hands out calls, and sends their results on later.
    pub(crate) calls: bool,
    /// Format of the records read or written, for sources and sinks.
    pub(crate) format: Option<String>,
}

/// The state behind [`StreamsBuilder`](crate::dsl::StreamsBuilder) and the streams it made.
pub(crate) struct GraphBuilder {
    pub(crate) app: String,
    pub(crate) nodes: Vec<NodeSpec>,
    pub(crate) stores: BTreeMap<StoreName, StoreSpec>,
    pub(crate) globals: Vec<GlobalSpec>,
    pub(crate) requirements: Vec<TopicRequirement>,
    pub(crate) formats: Vec<Arc<dyn Format>>,
    pub(crate) co_partitions: Vec<CoPartition>,
    pub(crate) faults: Vec<TopologyFault>,
    pub(crate) handlers: FailureHandlers,
    pub(crate) dead_letter_topic: Option<TopicName>,
    /// Whether an operator writes dead letters whatever the handlers say.
    pub(crate) writes_dead_letters: bool,
    /// Size of the record caches of stores that are added now; 0 is none.
    pub(crate) cache_bytes: usize,
}

impl GraphBuilder {
    pub(crate) fn new(app: &str) -> Self {
        let mut graph = Self {
            app: app.to_owned(),
            nodes: Vec::new(),
            stores: BTreeMap::new(),
            globals: Vec::new(),
            requirements: Vec::new(),
            formats: Vec::new(),
            co_partitions: Vec::new(),
            faults: Vec::new(),
            handlers: FailureHandlers::default(),
            dead_letter_topic: None,
            writes_dead_letters: false,
            cache_bytes: 0,
        };
        graph.check_name("application", app);
        graph
    }

    /// Adds a node below `parents` and returns its index.
    pub(crate) fn add(&mut self, name: &str, kind: NodeKind, parents: &[usize], make: MakeNode) -> usize {
        if kind == NodeKind::Processor {
            self.check_name("operator", name);
        }
        if self.has_node(name) && !matches!(kind, NodeKind::Source(_)) {
            self.faults.push(TopologyFault::DuplicateNode { name: name.to_owned() });
        }
        let index = self.nodes.len();
        for &parent in parents {
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.children.push(index);
            }
        }
        self.nodes.push(NodeSpec {
            name: name.into(),
            kind,
            parents: parents.to_vec(),
            children: Vec::new(),
            stores: Vec::new(),
            clone_slot: None,
            make,
            dead_letters_by_default: false,
            makes_ids: false,
            calls: false,
            format: None,
        });
        index
    }

    /// Adds an edge between nodes that are there.
    pub(crate) fn edge(&mut self, parent: usize, child: usize) {
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.push(child);
        }
        if let Some(child) = self.nodes.get_mut(child) {
            child.parents.push(parent);
        }
    }

    /// Says how the records of a node are copied for several children.
    pub(crate) fn copies(&mut self, node: usize, clone: CloneSlot) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.clone_slot = Some(clone);
        }
    }

    pub(crate) fn lets_make_ids(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.makes_ids = true;
        }
    }

    pub(crate) fn source(&mut self, topic: &TopicName, format: Arc<dyn Format>, make: MakeNode) -> usize {
        self.check_source(topic);
        if self.has_node(topic.as_str()) && !self.source_topics().any(|known| known == topic) {
            self.faults.push(TopologyFault::DuplicateNode { name: topic.to_string() });
        }
        let index = self.add(topic.as_str(), NodeKind::Source(topic.clone()), &[], make);
        self.set_format(index, format);
        index
    }

    pub(crate) fn global(&mut self, global: GlobalSpec) {
        self.check_source(&global.topic);
        self.globals.push(global);
    }

    fn check_source(&mut self, topic: &TopicName) {
        self.check_name("topic", topic.as_str());
        if self.source_topics().any(|known| known == topic) {
            self.faults.push(TopologyFault::DuplicateSource { topic: topic.to_string() });
        }
    }

    /// Adds a sink named `to-{topic}`; a second one of the topic gets a number, since a sink's name is no identity.
    pub(crate) fn sink(
        &mut self,
        topic: &TopicName,
        format: Arc<dyn Format>,
        parent: usize,
        make: MakeNode,
        intermediate: bool,
    ) {
        self.check_name("topic", topic.as_str());
        let n = self.nodes.iter().filter(|node| matches!(&node.kind, NodeKind::Sink(known) if known == topic)).count();
        let name = if n == 0 { format!("to-{topic}") } else { format!("to-{topic}-{}", n + 1) };
        let index = self.add(&name, NodeKind::Sink(topic.clone()), &[parent], make);
        self.set_format(index, format);
        if intermediate {
            self.lets_make_ids(index);
        }
    }

    /// Adds a sink that chooses its topic.
    pub(crate) fn router(
        &mut self,
        name: &str,
        topics: Vec<TopicName>,
        format: Arc<dyn Format>,
        parent: usize,
        make: MakeNode,
    ) {
        self.check_name("operator", name);
        let index = self.add(name, NodeKind::Router(topics), &[parent], make);
        self.set_format(index, format);
    }

    fn has_node(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| &*node.name == name)
    }

    fn set_format(&mut self, node: usize, format: Arc<dyn Format>) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.format = Some(format.name().into_owned());
        }
        self.formats.push(format);
    }

    pub(crate) fn add_store(&mut self, spec: StoreSpec) {
        self.check_store(&spec.name);
        self.stores.insert(spec.name.clone(), spec);
    }

    /// Checks the name of a store that is about to be added.
    pub(crate) fn check_store(&mut self, name: &StoreName) {
        self.check_name("store", name.as_str());
        let mut globals = self.globals.iter().filter_map(|global| global.store.as_ref());
        if self.stores.contains_key(name) || globals.any(|known| known == name) {
            self.faults.push(TopologyFault::DuplicateStore { name: name.to_string() });
        }
    }

    pub(crate) fn connect(&mut self, node: usize, stores: &[StoreName]) {
        for store in stores {
            if !self.stores.contains_key(store) {
                let node = self.node_name(node).to_string();
                self.faults.push(TopologyFault::UnknownStore { node, store: store.to_string() });
            }
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.stores.extend_from_slice(stores);
        }
    }

    pub(crate) fn node_name(&self, node: usize) -> Arc<str> {
        self.nodes.get(node).map_or_else(|| Arc::from(""), |node| node.name.clone())
    }

    /// Source topics from which records reach `node`.
    pub(crate) fn sources_above(&self, node: usize) -> Vec<TopicName> {
        let (mut topics, mut seen, mut todo) = (Vec::new(), HashSet::new(), vec![node]);
        while let Some(index) = todo.pop() {
            let Some(spec) = self.nodes.get(index).filter(|_| seen.insert(index)) else { continue };
            if let NodeKind::Source(topic) = &spec.kind {
                topics.push(topic.clone());
            }
            todo.extend(&spec.parents);
        }
        topics.sort();
        topics
    }

    /// Demands equal numbers of partitions of all topics above these nodes.
    pub(crate) fn co_partition(&mut self, name: &str, nodes: &[usize]) {
        let mut topics: Vec<_> = nodes.iter().flat_map(|node| self.sources_above(*node)).collect();
        topics.sort();
        topics.dedup();
        if topics.len() > 1 {
            self.co_partitions.push(CoPartition { node: name.into(), topics });
        }
    }

    fn source_topics(&self) -> impl Iterator<Item = &TopicName> {
        let topics = self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Source(topic) => Some(topic),
            _ => None,
        });
        topics.chain(self.globals.iter().map(|global| &global.topic))
    }

    pub(crate) fn check_name(&mut self, what: &'static str, name: &str) {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 249 || matches!(name, "." | "..") || !name.chars().all(usable) {
            self.faults.push(TopologyFault::BadName { what, name: name.to_owned() });
        }
    }

    /// The finished topology, or everything that is wrong with it.
    pub(crate) fn finish(mut self) -> Result<Topology, TopologyError> {
        if self.nodes.is_empty() {
            self.faults.push(TopologyFault::Empty);
        }
        self.require_changelogs();
        self.require_dead_letters();
        let subtopologies = subtopology::split(&self.nodes, &self.stores, &|topic| self.is_repartition(topic));
        self.check_changelogs(&subtopologies);
        self.faults.extend(super::sizing::unequal(&self));
        self.check_calls();
        if !self.faults.is_empty() {
            return Err(TopologyError::new(self.faults));
        }
        super::sizing::size_created_topics(&mut self, &subtopologies);
        Ok(Topology::new(self, subtopologies))
    }

    /// What lies below a call gets no record that only rebuilds a store.
    fn check_calls(&mut self) {
        let is_event_log = |store: &&StoreName| {
            self.stores.get(*store).is_some_and(|spec| matches!(spec.changelog, Changelog::EventLog(_)))
        };
        let mut faults = Vec::new();
        for caller in self.nodes.iter().filter(|node| node.calls) {
            let (mut seen, mut todo) = (HashSet::new(), caller.children.clone());
            while let Some(index) = todo.pop() {
                let Some(node) = self.nodes.get(index).filter(|_| seen.insert(index)) else { continue };
                todo.extend(&node.children);
                faults.extend(node.stores.iter().filter(is_event_log).map(|store| TopologyFault::CallAboveEventLog {
                    node: caller.name.to_string(),
                    store: store.to_string(),
                }));
            }
        }
        self.faults.extend(faults);
    }
}
