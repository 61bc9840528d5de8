//! What a task asks its shell to do: values, applied in a documented order.

use std::collections::BTreeMap;

use super::calls::{Call, CallId};
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
    /// Calls to start; what they come to goes to [`Task::complete`](super::Task::complete). They end with the task.
    pub calls: Vec<Call>,
    /// Calls whose result is not waited for any more: to be dropped.
    pub cancelled: Vec<CallId>,
    counts: Counts,
}

/// What was counted, by kind and reason.
pub type Counts = BTreeMap<(Tally, &'static str), u64>;

/// What a counted reason says about its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tally {
    /// The record went no further.
    Dropped,
    /// The record went on without one of its attributes.
    AttributeRejected,
    /// The record waits and is tried again.
    Retried,
    /// A store took the record in, or undid something because of it.
    Applied,
}

impl Tally {
    /// The metric under which it appears, labelled by `reason`.
    pub const fn metric(self) -> &'static str {
        match self {
            Self::Dropped => "nowfold_records_dropped_total",
            Self::AttributeRejected => "nowfold_attributes_rejected_total",
            Self::Retried => "nowfold_records_retried_total",
            Self::Applied => "nowfold_actions_applied_total",
        }
    }
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

    /// Takes the changelog writes that came since `mark`.
    pub(super) fn take_changelog(&mut self, mark: Mark) -> Vec<ChangelogWrite> {
        self.changelog.split_off(mark.changelog.min(self.changelog.len()))
    }

    /// Drops what came since `mark`.
    pub(super) fn cut(&mut self, mark: Mark) {
        self.outputs.truncate(mark.outputs);
        self.dead_letters.truncate(mark.dead_letters);
        self.changelog.truncate(mark.changelog);
    }

    /// Adds to a counter.
    pub fn count(&mut self, tally: Tally, reason: &'static str, n: u64) {
        *self.counts.entry((tally, reason)).or_default() += n;
    }

    /// Takes the counters gathered so far.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The counters gathered so far, by reason.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        self.counts.iter().for_each(|((_, reason), n)| *counts.entry(*reason).or_default() += n);
        counts
    }

    /// Whether nothing is to be written. Calls are no writes.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.dead_letters.is_empty() && self.changelog.is_empty()
    }
}
