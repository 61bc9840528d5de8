//! What a task asks its shell to do: values, applied in a documented order.

use std::collections::BTreeMap;

use crate::processor::ChangelogWrite;
use crate::record::OutputRecord;

/// The effects of processing, in the order in which they arose. The shell appends `outputs`, `dead_letters` and
/// `changelog`, waits until all are stored, and only then commits the task's offsets.
#[derive(Debug, Default)]
pub struct Effects {
    /// Records for sink and intermediate topics.
    pub outputs: Vec<OutputRecord>,
    /// Records for the dead-letter topic.
    pub dead_letters: Vec<OutputRecord>,
    /// Writes for changelog topics; their partition is the task's.
    pub changelog: Vec<ChangelogWrite>,
    counts: BTreeMap<&'static str, u64>,
}

/// A point in a task's effects.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    outputs: usize,
    dead_letters: usize,
    changelog: usize,
}

impl Effects {
    /// No effects yet, with room for as many outputs as the last batch had.
    pub(super) fn with_room_for(n_outputs: usize) -> Self {
        Self { outputs: Vec::with_capacity(n_outputs), ..Self::default() }
    }

    /// Where the next effects will stand.
    pub(super) fn mark(&self) -> Mark {
        Mark { outputs: self.outputs.len(), dead_letters: self.dead_letters.len(), changelog: self.changelog.len() }
    }

    /// Drops the outputs and dead letters since `mark`.
    pub(super) fn cut_records(&mut self, mark: Mark) {
        self.outputs.truncate(mark.outputs);
        self.dead_letters.truncate(mark.dead_letters);
    }

    /// Drops the changelog writes since `mark`.
    pub(super) fn cut_changelog(&mut self, mark: Mark) {
        self.changelog.truncate(mark.changelog);
    }

    /// Adds to a counter.
    pub fn count(&mut self, reason: &'static str, n: u64) {
        *self.counts.entry(reason).or_default() += n;
    }

    /// Takes the counters gathered so far.
    pub fn take_counts(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.counts)
    }

    /// The counters gathered so far.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.dead_letters.is_empty() && self.changelog.is_empty()
    }
}
