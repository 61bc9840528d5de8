//! What every process holds whole: global tables and stores.

use std::sync::Arc;

use crate::failure::Stage;
use crate::names::{StoreName, TopicName, TopicPartition};
use crate::processor::ProcessError;
use crate::record::LogRecord;
use crate::serde::SerdeError;

/// Applies one record to a global table or store.
pub(crate) type ApplyGlobal = Arc<dyn Fn(&TopicPartition, &LogRecord) -> Result<(), GlobalError> + Send + Sync>;

/// Empties a global store, which is then filled anew.
pub(crate) type BeginGlobal = Arc<dyn Fn() -> Result<(), GlobalError> + Send + Sync>;

/// A table or store that every process holds whole.
#[derive(Clone)]
pub(crate) struct GlobalSpec {
    pub(crate) name: Arc<str>,
    pub(crate) topic: TopicName,
    pub(crate) apply: ApplyGlobal,
    pub(crate) begin: Option<BeginGlobal>,
    /// The store of a global store.
    pub(crate) store: Option<StoreName>,
}

/// Why a record was not applied to a global table or store. Displays the cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct GlobalError {
    /// Where it failed.
    pub stage: Stage,
    /// The cause, a clause.
    pub cause: String,
    retriable: bool,
}

impl GlobalError {
    /// Whether the same record may be applied later, as when a schema registry did not answer.
    pub fn is_retriable(&self) -> bool {
        self.retriable
    }
}

impl From<SerdeError> for GlobalError {
    fn from(error: SerdeError) -> Self {
        Self { stage: Stage::Decode, cause: error.to_string(), retriable: error.is_retriable() }
    }
}

impl From<ProcessError> for GlobalError {
    fn from(error: ProcessError) -> Self {
        Self { stage: error.stage, cause: error.cause, retriable: error.retriable }
    }
}
