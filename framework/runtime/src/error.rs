//! Why an application does not start or stopped.

use nowfold_core::failure::TaskFailure;
use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::serde::SerdeError;
use nowfold_core::state::StoreError;

use super::broker::BrokerError;
use super::local::LocalError;

/// Why an application does not start or stopped. Displays with its code, the cause and the next step.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The broker could not be reached or refused something.
    #[error("NF100 {0}")]
    Broker(#[from] BrokerError),
    /// Topics that must exist do not.
    #[error("NF120 {} missing on {broker}: {}. Create {}, or check the name and the broker's address", topics_are(.topics), joined(.topics), if .topics.len() == 1 { "it" } else { "them" })]
    MissingTopics {
        /// The topics.
        topics: Vec<TopicName>,
        /// The broker asked.
        broker: String,
    },
    /// A topic's setting would lose state.
    #[error(
        "{code} topic {topic:?} has {key}={actual}: {consequence}. Fix: kafka-configs --alter --entity-type topics --entity-name {topic} --add-config {key}={remedy}"
    )]
    TopicSetting {
        /// The error's code.
        code: &'static str,
        /// The topic.
        topic: TopicName,
        /// The setting.
        key: &'static str,
        /// Its value.
        actual: String,
        /// What would happen.
        consequence: &'static str,
        /// A value that is right.
        remedy: String,
    },
    /// The topics of a join have different numbers of partitions.
    #[error(
        "NF132 {node:?} joins topics with different numbers of partitions: {counts}. Equal keys would not meet; write one side through a topic with as many partitions as the other"
    )]
    NotCoPartitioned {
        /// The join.
        node: String,
        /// Each topic with its number.
        counts: String,
    },
    /// Living processes of the application run another topology.
    #[error(
        "NF125 {app:?} runs with another topology at {others}: {differences}. Processes of two topologies would take each other's tasks. Stop the others first, or give this one another application name"
    )]
    TopologyConflict {
        /// The application.
        app: String,
        /// The other processes: their endpoints, or their ids.
        others: String,
        /// What differs.
        differences: String,
    },
    /// The topology differs from that of the last start such that state would be left behind.
    #[error(
        "NF126 the topology of {app:?} has changed and would lose state: {losses}. Take the change back; or give this topology another application name, so that it starts anew; or, to leave that state behind, set NOWFOLD_ACCEPT_TOPOLOGY_CHANGE=1 (RuntimeConfig::accept_topology_change) for one start"
    )]
    TopologyChanged {
        /// The application.
        app: String,
        /// What would be lost.
        losses: String,
    },
    /// A topic has more partitions than state was made for.
    #[error(
        "NF127 topic {topic:?} has {n} partitions, and {changelog:?} of {app:?} has {of_log}: partitions were added, so keys have moved away from their state. Write the records through a new topic with the number of partitions you want, under another application name, or delete the application's internal topics to begin anew"
    )]
    PartitionsChanged {
        /// The application.
        app: String,
        /// The topic.
        topic: TopicName,
        /// Its partitions.
        n: i32,
        /// The changelog that does not fit.
        changelog: TopicName,
        /// Its partitions.
        of_log: i32,
    },
    /// A topic got more partitions while the application ran.
    #[error(
        "NF128 {partition} was added while {app:?} ran, which knows {n} partitions. Start it again: it takes the new ones where no state depends on their number, and says so where it does"
    )]
    PartitionsAdded {
        /// The application.
        app: String,
        /// The new partition.
        partition: TopicPartition,
        /// The number of partitions at the start.
        n: i32,
    },
    /// A serde could not be set up.
    #[error("NF107 {cause}")]
    Serde {
        /// What it said.
        cause: String,
        /// Whether the same call may succeed later: a registry that does not answer.
        retriable: bool,
    },
    /// A position lies beyond the end of its log: the topic was deleted and created again, or lost its end.
    #[error(
        "NF122 {partition} ends at offset {end}, but {app:?} has processed it up to {position}: topic {:?} was created again, or lost records. Nothing is read, since positions of the old log mean nothing in the new one. To read it from its start, stop the application and run kafka-consumer-groups --group {app} --topic {} --reset-offsets --to-earliest --execute",
        .partition.topic, .partition.topic
    )]
    TopicRecreated {
        /// The application, which is the group.
        app: String,
        /// The partition.
        partition: TopicPartition,
        /// The next offset to process, as far as the application knows.
        position: Offset,
        /// One past the last record that the log holds.
        end: Offset,
    },
    /// What this process keeps on its disk reaches beyond the end of a topic: the topic was created again, or lost its end.
    #[error(
        "NF155 the state directory holds {partition} up to offset {position}, but the topic ends at {end}: topic {:?} was created again, or lost records. Nothing is read, since what is on disk may not belong to it. To rebuild the state from the topic as it is now, stop the application and delete its state directory",
        .partition.topic
    )]
    LocalAhead {
        /// The partition.
        partition: TopicPartition,
        /// One past the last record on disk.
        position: Offset,
        /// One past the last record that the topic holds.
        end: Offset,
    },
    /// The state directory cannot be used.
    #[error("{0}")]
    Local(#[from] LocalError),
    /// Records were deleted before they were processed.
    #[error(
        "NF123 {partition} begins at offset {start}, but {app:?} has processed it up to {position} only: {} records were deleted before they were read. Raise retention.ms of topic {:?}; to go on without them, stop the application and run kafka-consumer-groups --group {app} --topic {} --reset-offsets --to-earliest --execute",
        .start - .position, .partition.topic, .partition.topic
    )]
    RecordsDeleted {
        /// The application, which is the group.
        app: String,
        /// The partition.
        partition: TopicPartition,
        /// The next offset to process.
        position: Offset,
        /// The log's first offset.
        start: Offset,
    },
    /// The start stands still: a global table's topic gives nothing, or its rows wait for a registry.
    #[error(
        "NF124 {what} stands still since {waited_s} s: {cause}. Mend that and start again, or raise stall_timeout to wait longer"
    )]
    Stalled {
        /// What is being loaded.
        what: String,
        /// How long nothing has moved.
        waited_s: u64,
        /// The last that was heard.
        cause: String,
    },
    /// A record failed and no handler passed over it.
    #[error("{0}")]
    Task(#[from] TaskFailure),
    /// A store failed.
    #[error("NF050 {0}")]
    Store(#[from] StoreError),
    /// The application did not reach the awaited state in time.
    #[error("NF108 not running after {waited_ms} ms: {state}. Wait longer, or see the log for what it waits for")]
    NotRunning {
        /// How long it was waited.
        waited_ms: u128,
        /// The state it is in.
        state: String,
    },
    /// The application has stopped.
    #[error("NF109 the application has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// The application did not end in the time that a close may take.
    #[error(
        "NF121 not closed after {waited_ms} ms: it ends in the background, and what it has not committed is processed again at the next start. Raise close_timeout, or see the log for what it waits for"
    )]
    NotClosed {
        /// How long it was waited.
        waited_ms: u128,
    },
}

impl From<SerdeError> for RuntimeError {
    fn from(error: SerdeError) -> Self {
        Self::Serde { cause: error.to_string(), retriable: error.is_retriable() }
    }
}

impl RuntimeError {
    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Broker(error) => error.is_retriable(),
            Self::Serde { retriable, .. } => *retriable,
            Self::NotRunning { .. } => true,
            _ => false,
        }
    }
}

fn topics_are(topics: &[TopicName]) -> &'static str {
    if topics.len() == 1 { "a topic is" } else { "topics are" }
}

fn joined(topics: &[TopicName]) -> String {
    topics.iter().map(|topic| format!("{topic:?}")).collect::<Vec<_>>().join(", ")
}
