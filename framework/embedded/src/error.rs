//! Errors: of opening a data directory, and the port's errors as this log words them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_runtime::broker::BrokerError;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another log has the directory open.
    #[error("data directory {} is in use by another process; stop that one, or choose another directory", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory or a file in it was not written by this log.
    #[error("{} is not part of an embedded log ({cause}); choose an empty directory", path.display())]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// What it is instead.
        cause: String,
    },
    /// The directory or a file in it was written by a later version of nowfold.
    #[error("{} has format {found}, this version reads up to {supported}; use the newer nowfold that wrote it", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// A file is damaged in a way that no crash of a writer explains.
    #[error("{} is damaged at byte {at} ({cause}); restore it from a copy, or delete its topic's directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        at: u64,
        /// What is wrong there.
        cause: String,
    },
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Wraps an I/O error with what was tried; for `map_err`.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }
}

pub(crate) fn unknown_topic(topic: &TopicName, broker: &str) -> BrokerError {
    BrokerError::UnknownTopic { topic: topic.clone(), broker: broker.to_owned() }
}

pub(crate) fn unknown_partition(partition: &TopicPartition, n_partitions: i32) -> BrokerError {
    BrokerError::Fatal {
        operation: format!("finding partition {partition}"),
        cause: format!("topic {:?} has the partitions 0..{n_partitions} only", partition.topic),
    }
}

pub(crate) fn refused(topic: &TopicName, cause: impl fmt::Display) -> BrokerError {
    BrokerError::Refused { topic: topic.clone(), cause: cause.to_string() }
}

pub(crate) fn unavailable(operation: impl fmt::Display, cause: impl fmt::Display) -> BrokerError {
    BrokerError::Unavailable { operation: operation.to_string(), cause: cause.to_string() }
}
