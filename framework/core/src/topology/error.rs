//! What is wrong with a topology: all of it at once.

use std::fmt;

/// One mistake in a topology. Displays with its code, the node and the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyFault {
    /// Two nodes share a name.
    #[error("NF001 two nodes are named {name:?}; give each operator a name of its own")]
    DuplicateNode {
        /// The name.
        name: String,
    },
    /// Two stores share a name.
    #[error("NF002 two stores are named {name:?}; a store's name is its identity across restarts")]
    DuplicateStore {
        /// The name.
        name: String,
    },
    /// A topic is a source twice.
    #[error("NF003 topic {topic:?} is read twice; read it once and clone the stream")]
    DuplicateSource {
        /// The topic.
        topic: String,
    },
    /// A name that Kafka or the file system would not take.
    #[error("NF004 {what} {name:?} is not usable: 1 to 249 of a-z A-Z 0-9 . _ - are")]
    BadName {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A join on a key that was changed since the topic was read.
    #[error(
        "NF005 {node:?} joins on a key that {changed_by:?} changed, so equal keys may lie in different partitions; give the join serdes for a topic on the way, as in Joined::with({node:?}, serdes), or write `repartition` between the two"
    )]
    KeyChanged {
        /// The join.
        node: String,
        /// The operator that changed the key.
        changed_by: String,
    },
    /// A processor names a store that does not exist.
    #[error("NF006 {node:?} asks for store {store:?}, which was never added; add it with state_store")]
    UnknownStore {
        /// The processor.
        node: String,
        /// The store.
        store: String,
    },
    /// Nothing is read at all.
    #[error("NF007 the topology reads no topic; begin with stream, table or actions")]
    Empty,
    /// Streams of different builders meet.
    #[error("NF008 {node:?} merges a stream of another builder; make both streams from one StreamsBuilder")]
    ForeignStream {
        /// The merge.
        node: String,
    },
    /// A store is to be rebuilt from a topic that the tasks which hold it do not read.
    #[error(
        "NF009 store {store:?} is rebuilt from topic {topic:?}, but no operator that uses it stands below that topic; connect it there, or give it a changelog topic of its own"
    )]
    UnreadChangelog {
        /// The store.
        store: String,
        /// The topic.
        topic: String,
    },
    /// Windows that cannot be.
    #[error("NF017 these windows cannot be: {cause}; choose a size above 0 and an advance of at most the size")]
    InvalidWindow {
        /// What is wrong.
        cause: String,
    },
    /// A store that drops windows while they still change.
    #[error(
        "NF018 store {store:?} keeps its windows for {retention_ms} ms, but they change for {least_ms} ms (size and grace); raise its retention"
    )]
    InvalidRetention {
        /// The store.
        store: String,
        /// Its retention.
        retention_ms: i64,
        /// What the windows need.
        least_ms: i64,
    },
    /// A store that is rebuilt from an event log lies below an asynchronous operator.
    #[error(
        "NF029 store {store:?} is rebuilt by reading its log again, but it lies below {node:?}, which makes no calls for what is read again; put a topic between the two with `through`, or give the store a changelog topic of its own"
    )]
    CallAboveEventLog {
        /// The operator.
        node: String,
        /// The store.
        store: String,
    },
    /// A grace period on a table that keeps no history.
    #[error(
        "NF019 join {node:?} waits for its table, which keeps no history to answer from; read the table with versioned_table"
    )]
    NeedsVersionedTable {
        /// The join.
        node: String,
    },
    /// A grace period beyond a table's history.
    #[error(
        "NF020 join {node:?} waits {grace_ms} ms, but its table keeps a history of {history_ms} ms; shorten the grace or lengthen the history"
    )]
    InvalidGrace {
        /// The join.
        node: String,
        /// The grace.
        grace_ms: i64,
        /// The table's history.
        history_ms: i64,
    },
    /// A table without windows is to wait for their end.
    #[error(
        "NF022 {node:?} waits for windows to close, but its table's windows are not known; put it directly below the aggregation"
    )]
    NoWindows {
        /// The operator.
        node: String,
    },
    /// A join of topics that are created with different numbers of partitions.
    #[error(
        "NF132 join {node:?} needs equal numbers of partitions, but {counts}; give the repartitions the same number, or none"
    )]
    NotCoPartitioned {
        /// The join.
        node: String,
        /// Each topic that is given a number, with it.
        counts: String,
    },
    /// An operator's own complaint, such as a feature that does not fit its store.
    #[error("{message}")]
    Other {
        /// A sentence that begins with a code.
        message: String,
    },
}

/// Everything that is wrong with a topology, in the order in which it was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyError {
    faults: Vec<TopologyFault>,
}

impl TopologyError {
    pub(crate) fn new(faults: Vec<TopologyFault>) -> Self {
        Self { faults }
    }

    /// The faults; never empty.
    pub fn faults(&self) -> &[TopologyFault] {
        &self.faults
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "the topology has {} faults:", many.len())?;
                many.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for TopologyError {}
