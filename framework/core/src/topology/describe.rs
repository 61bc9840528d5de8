//! A topology as text for people and tools: Kafka Streams' own format, Mermaid, and JSON.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::graph::{NodeKind, NodeSpec};
use super::{GlobalSpec, SubTopology, Topology};

/// The text that Kafka Streams' `Topology#describe` prints, so that its visualizers take it. Within a sub-topology the
/// nodes with most below them come first, as there. A table's source shows as a source and a processor with the store.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Topologies:\n ")?;
        for part in self.subtopologies() {
            writeln!(f, "  Sub-topology: {}", part.id)?;
            let mut entries: Vec<_> = part.nodes.iter().flat_map(|&index| self.entries(index)).collect();
            entries.sort_by(|a, b| (b.size, &a.name).cmp(&(a.size, &b.name)));
            entries.iter().try_for_each(|entry| f.write_str(&entry.text))?;
            writeln!(f)?;
        }
        let first_global = self.subtopologies().len();
        self.globals().iter().enumerate().try_for_each(|(i, global)| global_text(f, first_global + i, global))
    }
}

fn global_text(f: &mut fmt::Formatter<'_>, id: usize, global: &GlobalSpec) -> fmt::Result {
    let (name, topic) = (&global.name, &global.topic);
    writeln!(f, "  Sub-topology: {id} for global store (will not generate tasks)")?;
    f.write_str(&source_text(&format!("{name}-source"), topic.as_str(), name))?;
    f.write_str(&processor_text(name, name, "none", &format!("{name}-source")))
}

/// A node as it is printed.
struct Entry {
    name: String,
    /// 1 and the sizes of all nodes below.
    size: usize,
    text: String,
}

fn source_text(name: &str, topic: &str, children: &str) -> String {
    format!("    Source: {name} (topics: [{topic}])\n      --> {children}\n")
}

fn processor_text(name: &str, stores: &str, children: &str, parents: &str) -> String {
    format!("    Processor: {name} (stores: [{stores}])\n      --> {children}\n      <-- {parents}\n")
}

impl Topology {
    fn entries(&self, index: usize) -> Vec<Entry> {
        let Some(node) = self.nodes().get(index) else { return Vec::new() };
        let (name, size) = (node.name.to_string(), self.size(node));
        let (children, parents) = (self.names(&node.children), self.names(&node.parents));
        match &node.kind {
            NodeKind::Source(topic) if node.stores.is_empty() => {
                let text = source_text(&name, topic.as_str(), &children);
                vec![Entry { name, size, text }]
            }
            NodeKind::Source(topic) => {
                let source = format!("{name}-source");
                let text = source_text(&source, topic.as_str(), &name);
                let table = processor_text(&name, &stores(node), &children, &source);
                vec![Entry { name: source, size: size + 1, text }, Entry { name, size, text: table }]
            }
            NodeKind::Processor => {
                let text = processor_text(&name, &stores(node), &children, &parents);
                vec![Entry { name, size, text }]
            }
            NodeKind::Router(topics) => {
                let topics: Vec<_> = topics.iter().map(AsRef::<str>::as_ref).collect();
                let text = format!("    Sink: {name} (topic: any of {})\n      <-- {parents}\n", topics.join(", "));
                vec![Entry { name, size, text }]
            }
            NodeKind::Sink(topic) => {
                let text = format!("    Sink: {name} (topic: {topic})\n      <-- {parents}\n");
                vec![Entry { name, size, text }]
            }
        }
    }

    fn size(&self, node: &NodeSpec) -> usize {
        let children = node.children.iter().filter_map(|&index| self.nodes().get(index));
        1 + children.map(|child| self.size(child)).sum::<usize>()
    }

    fn names(&self, indices: &[usize]) -> String {
        let names: Vec<_> =
            indices.iter().filter_map(|&index| self.nodes().get(index)).map(|node| &*node.name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// A Mermaid flowchart: topics as cylinders, one box a sub-topology, stores beside their nodes.
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
            NodeKind::Router(topics) => topics
                .iter()
                .try_for_each(|topic| writeln!(edges, "  n{index} -.-> {}[({topic})]", topic_id(topic.as_str()))),
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
            NodeKind::Router(_) => ("router", None),
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

/// A name as an id, such that different names stay different.
fn mermaid_id(name: &str) -> String {
    let mut id = String::new();
    for c in name.chars() {
        let _ = if c.is_ascii_alphanumeric() { write!(id, "{c}") } else { write!(id, "_{:x}_", u32::from(c)) };
    }
    id
}

fn stores(node: &NodeSpec) -> String {
    let names: BTreeSet<_> = node.stores.iter().map(AsRef::<str>::as_ref).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
