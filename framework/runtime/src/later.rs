//! Changelog writes that follow the results that they know of, at-least-once.

use std::collections::BTreeMap;

use nowfold_core::failure::Verdict;
use nowfold_core::record::OutputRecord;
use nowfold_core::task::TaskId;

/// How many bytes of them may gather until a commit is made for them.
const MOST: usize = 16 << 20;

/// A record, and the verdict on its refusal.
type Write = (OutputRecord, Verdict);

/// Changelog writes by their turn ([`Task::changelog_turn`](nowfold_core::task::Task::changelog_turn)): those of one turn are
/// sent when everything before is stored.
#[derive(Default)]
pub(crate) struct Later {
    turns: BTreeMap<usize, Vec<(TaskId, Write)>>,
    n_bytes: usize,
}

impl Later {
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// The memory that they take, about.
    pub(crate) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Whether there are so many that no record is to be processed before they are stored.
    pub(crate) fn is_crowded(&self) -> bool {
        self.n_bytes > MOST
    }

    pub(crate) fn add(&mut self, turn: usize, of: TaskId, write: Write) {
        self.n_bytes += write.0.memory_bytes();
        self.turns.entry(turn).or_default().push((of, write));
    }

    /// Those of the next turn.
    pub(crate) fn next(&mut self) -> Option<Vec<Write>> {
        let (_, writes) = self.turns.pop_first()?;
        self.n_bytes -= writes.iter().map(|(_, (record, _))| record.memory_bytes()).sum::<usize>();
        Some(writes.into_iter().map(|(_, write)| write).collect())
    }

    /// Leaves out those of tasks that others may have now: they have written newer rows.
    pub(crate) fn forget(&mut self, ids: &[TaskId]) {
        self.turns.values_mut().for_each(|writes| writes.retain(|(of, _)| !ids.contains(of)));
        self.turns.retain(|_, writes| !writes.is_empty());
        self.n_bytes = self.turns.values().flatten().map(|(_, (record, _))| record.memory_bytes()).sum();
    }
}
