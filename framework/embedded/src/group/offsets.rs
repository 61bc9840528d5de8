//! Committed offsets of all groups, in memory and, with a data directory, on disk.

use nowfold_core::names::TopicPartition;
use nowfold_runtime::broker::{BrokerError, Committed};
use nowfold_runtime::membership::OffsetCommit;
use parking_lot::Mutex;

use crate::disk::{DataDir, Entries, OffsetsFile};
use crate::error::{OpenError, refused, unavailable};

/// What Kafka accepts (`offset.metadata.max.bytes`).
const MAX_METADATA_BYTES: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Offsets(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    entries: Entries,
    file: Option<OffsetsFile>,
}

impl Offsets {
    /// The offsets of a data directory, or none without one.
    pub(crate) fn open(data: Option<&DataDir>) -> Result<Self, OpenError> {
        let (file, entries) = data.map(DataDir::offsets).transpose()?.unzip();
        Ok(Self(Mutex::new(Inner { entries: entries.unwrap_or_default(), file })))
    }

    /// Stores all commits or none. They are with the operating system when this returns.
    pub(crate) fn commit(&self, group: &str, commits: &[OffsetCommit]) -> Result<(), BrokerError> {
        if let Some(long) = commits.iter().find(|commit| commit.metadata.len() > MAX_METADATA_BYTES) {
            let cause = format!("metadata of {} bytes for {}, at most 4,096", long.metadata.len(), long.partition);
            return Err(refused(&long.partition.topic, cause));
        }
        let mut inner = self.0.lock();
        if let Some(file) = &mut inner.file {
            let written = file.append(group, commits);
            written.map_err(|error| unavailable(format!("committing offsets of group {group:?}"), error))?;
        }
        inner.apply(group, commits);
        inner.shrink();
        Ok(())
    }

    pub(crate) fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Vec<Option<Committed>> {
        let inner = self.0.lock();
        let of_group = inner.entries.get(group);
        partitions.iter().map(|partition| of_group.and_then(|entries| entries.get(partition)).cloned()).collect()
    }
}

impl Inner {
    fn apply(&mut self, group: &str, commits: &[OffsetCommit]) {
        let entries = self.entries.entry(group.to_owned()).or_default();
        for OffsetCommit { partition, offset, metadata } in commits {
            entries.insert(partition.clone(), Committed { offset: *offset, metadata: metadata.clone() });
        }
    }

    fn shrink(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.shrink(&self.entries)
        {
            tracing::warn!(%error, "the file of committed offsets could not be rewritten smaller");
        }
    }
}
