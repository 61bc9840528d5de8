//! A topology is data: nodes, edges, stores, sub-topologies, names and what is needed of topics. Building one touches
//! nothing; it can be printed, compared and tested.

mod describe;
mod error;
mod global;
pub(crate) mod graph;
mod identity;
mod needs;
mod requirement;
mod sizing;
mod subtopology;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use error::{TopologyError, TopologyFault};
pub use global::GlobalError;
pub(crate) use global::GlobalSpec;
pub use identity::TopologyIdentity;
pub use needs::changelog_topic;
pub use requirement::{Expected, PartitionCount, TopicBlueprint, TopicRequirement, TopicRole, TopicRule};
pub use subtopology::{SourceTopic, StartPolicy, SubTopology};

use crate::failure::FailureHandlers;
use crate::names::{StoreName, TopicName, TopicPartition};
use crate::record::LogRecord;
use crate::serde::{SerdeEnv, SerdeError};
use crate::state::StoreSpec;
use graph::{GraphBuilder, NodeSpec};

/// Topics that a join needs to have equal numbers of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoPartition {
    /// The join.
    pub node: Arc<str>,
    /// Its topics, sorted.
    pub topics: Vec<TopicName>,
}

/// A finished topology. Cheap to clone.
#[derive(Clone)]
pub struct Topology(Arc<Inner>);

struct Inner {
    graph: GraphBuilder,
    subtopologies: Vec<SubTopology>,
}

impl Topology {
    pub(crate) fn new(graph: GraphBuilder, subtopologies: Vec<SubTopology>) -> Self {
        Self(Arc::new(Inner { graph, subtopologies }))
    }

    /// The application's id: its group, and the prefix of its internal topics.
    pub fn app(&self) -> &str {
        &self.0.graph.app
    }

    /// The connected parts, by id.
    pub fn subtopologies(&self) -> &[SubTopology] {
        &self.0.subtopologies
    }

    /// The stores, by name.
    pub fn stores(&self) -> &BTreeMap<StoreName, StoreSpec> {
        &self.0.graph.stores
    }

    /// Topics of global tables, each with the table's name.
    pub fn global_topics(&self) -> impl Iterator<Item = (&TopicName, &str)> {
        self.0.graph.globals.iter().map(|global| (&global.topic, &*global.name))
    }

    /// What is needed of topics.
    pub fn requirements(&self) -> &[TopicRequirement] {
        &self.0.graph.requirements
    }

    /// Topics that joins need to have equal numbers of partitions.
    pub fn co_partitions(&self) -> &[CoPartition] {
        &self.0.graph.co_partitions
    }

    /// The user's failure handlers.
    pub fn handlers(&self) -> &FailureHandlers {
        &self.0.graph.handlers
    }

    /// Where dead letters go, when any may arise.
    pub fn dead_letter_topic(&self) -> Option<&TopicName> {
        self.0.graph.dead_letter_topic.as_ref()
    }

    /// Hands the running application's registry and the like to every serde. Call once, before any record.
    ///
    /// # Errors
    /// What a serde refuses, such as a registry that does not answer.
    pub fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.0.graph.formats.iter().try_for_each(|format| format.configure(env))
    }

    /// Begins with empty global stores. Call once at every start, before the first [`apply_global`](Self::apply_global).
    ///
    /// # Errors
    /// When a processor refuses to begin.
    pub fn begin_globals(&self) -> Result<(), GlobalError> {
        self.0.graph.globals.iter().filter_map(|global| global.begin.as_ref()).try_for_each(|begin| begin())
    }

    /// Applies a record of the topic of a global table or store.
    ///
    /// # Errors
    /// When it cannot be decoded or its processor refuses it; table and store are unchanged then.
    pub fn apply_global(&self, source: &TopicPartition, record: &LogRecord) -> Result<(), GlobalError> {
        let mut tables = self.0.graph.globals.iter().filter(|global| global.topic == source.topic);
        tables.try_for_each(|global| (global.apply)(source, record))
    }

    /// Whether an operator makes calls, so that whoever runs the tasks needs a way to run futures.
    pub fn has_calls(&self) -> bool {
        self.0.graph.nodes.iter().any(|node| node.calls)
    }

    pub(crate) fn nodes(&self) -> &[NodeSpec] {
        &self.0.graph.nodes
    }

    pub(crate) fn globals(&self) -> &[GlobalSpec] {
        &self.0.graph.globals
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology").field("app", &self.app()).field("subtopologies", &self.0.subtopologies).finish()
    }
}
