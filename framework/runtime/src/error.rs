//! Why an application does not start or stopped.

use nowfold_core::failure::TaskFailure;
use nowfold_core::names::TopicName;
use nowfold_core::serde::SerdeError;
use nowfold_core::state::StoreError;

use super::broker::BrokerError;

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
    /// A serde could not be set up.
    #[error("NF107 {cause}")]
    Serde {
        /// What it said.
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
        Self::Serde { cause: error.to_string() }
    }
}

impl RuntimeError {
    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Broker(error) => error.is_retriable(),
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
