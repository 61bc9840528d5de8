//! The umbrella over every family of errors.

use nowfold_core::query::QueryError;
use nowfold_core::serde::SerdeError;
use nowfold_core::topology::TopologyError;
use nowfold_embedded::OpenError;
use nowfold_operators::EraseError;
use nowfold_runtime::RuntimeError;
use nowfold_runtime::broker::BrokerError;

/// Any error of nowfold. Displays with its code, the cause and the next step; `docs/errors.md` lists the codes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The topology is wrong.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A setting is wrong.
    #[error("NF110 {cause}")]
    Config {
        /// What is wrong and how to mend it.
        cause: String,
    },
    /// The application did not start or has stopped.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The broker refused or was not reached.
    #[error("NF100 {0}")]
    Broker(#[from] BrokerError),
    /// The embedded log's directory could not be opened.
    #[error("NF105 {0}")]
    Embedded(#[from] OpenError),
    /// A serde or the registry failed.
    #[error("NF107 {0}")]
    Serde(#[from] SerdeError),
    /// A query has no answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// An erasure is not known to be in force.
    #[error(transparent)]
    Erase(#[from] EraseError),
    /// The query server could not be started.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] nowfold_serve::ServeError),
    /// The system does not tell the process when it is asked to end.
    #[error("NF106 cannot wait for Ctrl-C and SIGTERM: {0}. Raise the limits for threads and open files")]
    Signals(#[source] std::io::Error),
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Runtime(error) => error.is_retriable(),
            Self::Broker(error) => error.is_retriable(),
            Self::Serde(error) => error.is_retriable(),
            Self::Query(error) => error.is_retriable(),
            Self::Erase(error) => error.is_retriable(),
            _ => false,
        }
    }
}
