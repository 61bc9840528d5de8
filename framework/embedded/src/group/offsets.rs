//! Committed offsets of all groups, in memory and, with a data directory, on disk.

use std::collections::HashMap;

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
    /// How many open transactions hold an offset of a group: until they end, what is committed is not known.
    held: HashMap<(String, TopicPartition), usize>,
    file: Option<OffsetsFile>,
}

impl Offsets {
    /// The offsets of a data directory, or none without one.
    pub(crate) fn open(data: Option<&DataDir>) -> Result<Self, OpenError> {
        let (file, entries) = data.map(DataDir::offsets).transpose()?.unzip();
        Ok(Self(Mutex::new(Inner { entries: entries.unwrap_or_default(), held: HashMap::new(), file })))
    }

    /// Stores all commits or none. They are with the operating system when this returns.
    pub(crate) fn commit(&self, group: &str, commits: &[OffsetCommit]) -> Result<(), BrokerError> {
        check(commits)?;
        let mut inner = self.0.lock();
        if let Some(file) = &mut inner.file {
            let written = file.append(group, commits);
            written.map_err(|error| unavailable(format!("committing offsets of group {group:?}"), error))?;
        }
        inner.apply(group, commits);
        inner.shrink();
        Ok(())
    }

    /// The committed offsets; an error while an open transaction is about to change one of them.
    pub(crate) fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, BrokerError> {
        let inner = self.0.lock();
        if let Some(unstable) = partitions.iter().find(|it| inner.held.contains_key(&(group.to_owned(), (*it).clone())))
        {
            let operation = format!("asking for the offset of {unstable} in group {group:?}");
            return Err(unavailable(operation, "it is part of an open transaction"));
        }
        let of_group = inner.entries.get(group);
        Ok(partitions.iter().map(|partition| of_group.and_then(|entries| entries.get(partition)).cloned()).collect())
    }

    /// An open transaction has these offsets in it.
    pub(crate) fn hold(&self, group: &str, commits: &[OffsetCommit]) {
        let mut inner = self.0.lock();
        for commit in commits {
            *inner.held.entry((group.to_owned(), commit.partition.clone())).or_default() += 1;
        }
    }

    /// The transaction has ended.
    pub(crate) fn settle(&self, group: &str, commits: &[OffsetCommit], commit: bool) {
        let mut inner = self.0.lock();
        for OffsetCommit { partition, .. } in commits {
            let place = (group.to_owned(), partition.clone());
            let left = inner.held.get(&place).map_or(0, |n| n - 1);
            if left == 0 {
                inner.held.remove(&place);
            } else {
                inner.held.insert(place, left);
            }
        }
        if commit {
            inner.apply(group, commits);
        }
    }
}

/// Refuses metadata that Kafka refuses.
pub(super) fn check(commits: &[OffsetCommit]) -> Result<(), BrokerError> {
    let Some(long) = commits.iter().find(|commit| commit.metadata.len() > MAX_METADATA_BYTES) else { return Ok(()) };
    let cause = format!("metadata of {} bytes for {}, at most 4,096", long.metadata.len(), long.partition);
    Err(refused(&long.partition.topic, cause))
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
