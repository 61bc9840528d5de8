//! What a topology is to the processes that share its topics: its parts, topics, formats and stores. Operators without
//! state, features and retention may change freely.

use std::fmt::Write as _;

use super::graph::{NodeKind, NodeSpec};
use super::{SubTopology, Topology};
use crate::names::StoreName;
use crate::state::{Changelog, StoreKind};

/// What two processes of one application must agree on, and what must not change under its state: one line for each
/// source, sink, global table and store, sorted within a sub-topology.
///
/// ```
/// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
/// let app = StreamsBuilder::new("words");
/// app.stream("lines", Plain::<String, String>::new()).group_by_key("by-key", Plain::new()).count("counts");
/// let identity = app.build()?.identity();
/// assert_eq!(identity.lines(), ["0 source lines string/string", "0 store counts changelog"]);
/// # Ok::<(), nowfold_core::topology::TopologyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyIdentity {
    lines: Vec<String>,
}

impl TopologyIdentity {
    /// The lines: the number of the sub-topology, the kind, the name, and what else counts.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// 64 bits of all lines (FNV-1a, the same on every machine and in every version), as 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let bytes = self.lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }
}

impl Topology {
    /// What processes of this application must agree on.
    pub fn identity(&self) -> TopologyIdentity {
        let mut lines: Vec<_> = self.subtopologies().iter().flat_map(|part| self.part_lines(part)).collect();
        let globals = self.globals().iter().map(|global| format!("global {} {}", global.name, global.topic));
        lines.extend(globals);
        TopologyIdentity { lines }
    }

    fn part_lines(&self, part: &SubTopology) -> Vec<String> {
        let nodes = part.nodes.iter().filter_map(|&index| self.nodes().get(index));
        let mut lines: Vec<_> = nodes.filter_map(|node| node_line(part.id, node)).collect();
        lines.extend(part.stores.iter().map(|store| self.store_line(part.id, store)));
        lines.sort();
        lines.dedup();
        lines
    }

    fn store_line(&self, part: usize, store: &StoreName) -> String {
        let spec = self.stores().get(store);
        let from = match spec.map(|spec| &spec.changelog) {
            Some(Changelog::Topic) => format!("changelog{}", spec.map_or("", |spec| form(spec.kind))),
            Some(Changelog::Table(topic)) => format!("table {topic}"),
            Some(Changelog::EventLog(topic)) => format!("events {topic}"),
            Some(Changelog::None) | None => "unlogged".to_owned(),
        };
        format!("{part} store {store} {from}")
    }
}

/// What tells a changelog from one of plain rows: a process that took the one for the other would misread it.
fn form(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Window(options) if options.duplicates => " of windows with duplicates",
        StoreKind::Window(_) => " of windows",
        StoreKind::Session(_) => " of sessions",
        StoreKind::Versioned(_) => " of versions",
        StoreKind::KeyValue { .. } | StoreKind::Custom => "",
    }
}

/// The line of a node that reads or writes a topic.
fn node_line(part: usize, node: &NodeSpec) -> Option<String> {
    let mut line = match &node.kind {
        NodeKind::Source(topic) => format!("{part} source {topic}"),
        NodeKind::Sink(topic) => format!("{part} sink {topic}"),
        NodeKind::Router(_) | NodeKind::Processor => return None,
    };
    if let Some(format) = &node.format {
        let _ = write!(line, " {format}");
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::dsl::{Materialized, StreamsBuilder};
    use crate::serde::Plain;
    use crate::time::{hours, minutes};
    use crate::topology::Topology;
    use crate::window::TimeWindows;

    fn counting(operator: &str, store: Materialized, sink: &str) -> Topology {
        let app = StreamsBuilder::new("app");
        app.stream("in", Plain::<String, String>::new())
            .filter(operator, |_, _| true)
            .group_by_key("by-key", Plain::new())
            .count(store)
            .to_stream("changes")
            .to(sink, Plain::<String, Option<i64>>::new());
        app.build().unwrap()
    }

    #[test]
    fn operators_and_retention_may_change_but_not_stores_and_topics() {
        let of =
            |operator: &str, store: Materialized, sink: &str| counting(operator, store, sink).identity().fingerprint();
        let first = of("a", Materialized::named("counts"), "out");
        assert_eq!(first, of("b", Materialized::named("counts").retention(Duration::from_secs(9)), "out"));
        assert_ne!(first, of("a", Materialized::named("numbers"), "out"));
        assert_ne!(first, of("a", Materialized::named("counts").without_changelog(), "out"));
        assert_ne!(first, of("a", Materialized::named("counts"), "elsewhere"));
    }

    #[test]
    fn another_kind_of_store_is_another_topology_although_its_name_stays() {
        let windowed = |windows| {
            let app = StreamsBuilder::new("app");
            let input = app.stream("in", Plain::<String, String>::new()).group_by_key("by-key", Plain::new());
            match windows {
                None => drop(input.count("counts")),
                Some(windows) => drop(input.windowed(windows).count("counts")),
            }
            app.build().unwrap().identity()
        };
        let (rows, minutes) = (windowed(None), windowed(Some(TimeWindows::tumbling(minutes(1)))));
        assert_eq!(rows.lines(), ["0 source in string/string", "0 store counts changelog"]);
        assert_eq!(minutes.lines(), ["0 source in string/string", "0 store counts changelog of windows"]);
        assert_ne!(rows.fingerprint(), minutes.fingerprint());
        let hours = windowed(Some(TimeWindows::tumbling(hours(1))));
        assert_eq!(minutes.fingerprint(), hours.fingerprint(), "the size of windows is not part of it");
    }

    #[test]
    fn a_fingerprint_is_the_same_in_every_version() {
        let identity = counting("a", Materialized::named("counts"), "out").identity();
        assert_eq!(
            identity.lines(),
            ["0 sink out string/i64", "0 source in string/string", "0 store counts changelog"]
        );
        assert_eq!(identity.fingerprint(), "266cf0340535487f");
    }
}
