//! A topology as text for people and tools: Kafka Streams' own format, Mermaid, and JSON.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::graph::{NodeKind, NodeSpec};
use super::{GlobalSpec, SubTopology, Topology};

/// The text that Kafka Streams' `Topology#describe` prints, so that its visualizers take it.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Topologies:")?;
        for part in self.subtopologies() {
            writeln!(f, "   Sub-topology: {}", part.id)?;
            part.nodes
                .iter()
                .filter_map(|&index| self.nodes().get(index))
                .try_for_each(|node| self.node_text(f, node))?;
            writeln!(f)?;
        }
        let first_global = self.subtopologies().len();
        self.globals().iter().enumerate().try_for_each(|(i, global)| global_text(f, first_global + i, global))
    }
}

fn global_text(f: &mut fmt::Formatter<'_>, id: usize, global: &GlobalSpec) -> fmt::Result {
    let (name, topic) = (&global.name, &global.topic);
    writeln!(f, "   Sub-topology: {id} for global store (will not generate tasks)")?;
    writeln!(f, "    Source: {name}-source (topics: [{topic}])\n      --> {name}")?;
    writeln!(f, "    Processor: {name} (stores: [{name}])\n      --> none\n      <-- {name}-source\n")
}

impl Topology {
    fn node_text(&self, f: &mut fmt::Formatter<'_>, node: &NodeSpec) -> fmt::Result {
        match &node.kind {
            NodeKind::Source(topic) => {
                writeln!(f, "    Source: {} (topics: [{topic}])\n      --> {}", node.name, self.names(&node.children))
            }
            NodeKind::Sink(topic) => {
                writeln!(f, "    Sink: {} (topic: {topic})\n      <-- {}", node.name, self.names(&node.parents))
            }
            NodeKind::Processor => {
                let stores: Vec<_> = node.stores.iter().map(AsRef::as_ref).collect::<Vec<&str>>();
                writeln!(f, "    Processor: {} (stores: [{}])", node.name, stores.join(", "))?;
                writeln!(f, "      --> {}\n      <-- {}", self.names(&node.children), self.names(&node.parents))
            }
        }
    }

    fn names(&self, indices: &[usize]) -> String {
        let names: Vec<_> =
            indices.iter().filter_map(|&index| self.nodes().get(index)).map(|node| &*node.name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// A Mermaid flowchart: topics as cylinders' ends, one box a sub-topology.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        let mut edges = String::new();
        for part in self.subtopologies() {
            let _ = writeln!(text, "  subgraph s{}[sub-topology {}]", part.id, part.id);
            for &index in &part.nodes {
                self.mermaid_node(index, &mut text, &mut edges);
            }
            text.push_str("  end\n");
        }
        for (i, global) in self.globals().iter().enumerate() {
            let _ = writeln!(
                edges,
                "  {}[({})] --> g{i}[\"{} (global)\"]",
                topic_id(global.topic.as_str()),
                global.topic,
                global.name
            );
        }
        text + &edges
    }

    fn mermaid_node(&self, index: usize, text: &mut String, edges: &mut String) {
        let Some(node) = self.nodes().get(index) else { return };
        let _ = writeln!(text, "    n{index}[\"{}\"]", node.name);
        let _ = match &node.kind {
            NodeKind::Source(topic) => writeln!(edges, "  {}[({topic})] --> n{index}", topic_id(topic.as_str())),
            NodeKind::Sink(topic) => writeln!(edges, "  n{index} --> {}[({topic})]", topic_id(topic.as_str())),
            NodeKind::Processor => Ok(()),
        };
        for store in &node.stores {
            let _ = writeln!(edges, "  n{index} -.- st_{}[/{store}/]", mermaid_id(store.as_str()));
        }
        for child in &node.children {
            let _ = writeln!(edges, "  n{index} --> n{child}");
        }
    }

    /// The topology as JSON: `{"application", "subTopologies": [{"id", "nodes": [...]}], "globalTables": [...]}`.
    pub fn to_json(&self) -> String {
        let parts = self.subtopologies().iter().map(|part| self.part_json(part)).collect();
        let globals =
            self.globals().iter().map(|global| GlobalJson { name: &global.name, topic: global.topic.as_str() });
        let whole = TopologyJson { application: self.app(), sub_topologies: parts, global_tables: globals.collect() };
        serde_json::to_string_pretty(&whole).unwrap_or_default()
    }

    fn part_json<'a>(&'a self, part: &'a SubTopology) -> PartJson<'a> {
        let nodes = part.nodes.iter().filter_map(|&index| self.nodes().get(index));
        PartJson { id: part.id, nodes: nodes.map(|node| self.node_json(node)).collect() }
    }

    fn node_json<'a>(&'a self, node: &'a NodeSpec) -> NodeJson<'a> {
        let (kind, topic) = match &node.kind {
            NodeKind::Source(topic) => ("source", Some(topic.as_str())),
            NodeKind::Sink(topic) => ("sink", Some(topic.as_str())),
            NodeKind::Processor => ("processor", None),
        };
        let to = node.children.iter().filter_map(|&index| self.nodes().get(index)).map(|child| &*child.name);
        NodeJson {
            name: &node.name,
            kind,
            topic,
            format: node.format.as_deref(),
            stores: node.stores.iter().map(AsRef::as_ref).collect(),
            to: to.collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TopologyJson<'a> {
    application: &'a str,
    sub_topologies: Vec<PartJson<'a>>,
    global_tables: Vec<GlobalJson<'a>>,
}

#[derive(Serialize)]
struct PartJson<'a> {
    id: usize,
    nodes: Vec<NodeJson<'a>>,
}

#[derive(Serialize)]
struct NodeJson<'a> {
    name: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    stores: BTreeSet<&'a str>,
    to: Vec<&'a str>,
}

#[derive(Serialize)]
struct GlobalJson<'a> {
    name: &'a str,
    topic: &'a str,
}

fn topic_id(topic: &str) -> String {
    format!("t_{}", mermaid_id(topic))
}

fn mermaid_id(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
