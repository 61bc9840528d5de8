//! What was asked, so that nothing is silently never asked.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::operations::Operation;
use super::question::{Aggregate, Ask, Window};
use super::value::Expected;

/// Counts of operations, outcomes, and answers compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) operations: BTreeMap<&'static str, u64>,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// By aggregate and kind of window: answers, and how many of them used any event.
    cells: BTreeMap<(&'static str, &'static str), (u64, u64)>,
}

impl Coverage {
    pub(crate) fn operation(&mut self, operation: &Operation) {
        let name = match operation {
            Operation::Apply(..) => "apply",
            Operation::EraseAll { .. } => "erase_all",
            Operation::Prune => "prune",
            Operation::Restart => "restart",
            Operation::Ask(_) => "ask",
        };
        *self.operations.entry(name).or_default() += 1;
    }

    pub(crate) fn outcome(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    pub(crate) fn answer(&mut self, ask: &Ask, window: Window, expected: &Expected) {
        let (answers, used) = self.cells.entry((ask.aggregate.name(), window.kind())).or_default();
        *answers += 1;
        *used += u64::from(!expected.used.is_empty());
    }

    pub(crate) fn n_operations(&self) -> u64 {
        self.operations.values().sum()
    }

    pub(crate) fn n_answers(&self) -> u64 {
        self.cells.values().map(|(answers, _)| answers).sum()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.operations.iter().for_each(|(name, n)| *self.operations.entry(name).or_default() += n);
        other.outcomes.iter().for_each(|(name, n)| *self.outcomes.entry(name).or_default() += n);
        for (cell, (answers, used)) in &other.cells {
            let own = self.cells.entry(*cell).or_default();
            *own = (own.0 + answers, own.1 + used);
        }
    }

    /// Every aggregate with every kind of window, and every outcome, that never came up with anything in it.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let cells = Aggregate::NAMES.iter().flat_map(|name| Window::KINDS.iter().map(move |kind| (*name, *kind)));
        let cells = cells.filter(|(name, kind)| Aggregate::is_offered(name, kind));
        let empty = cells.filter(|cell| self.cells.get(cell).is_none_or(|(_, used)| *used == 0));
        let outcomes = OUTCOMES.iter().filter(|outcome| !self.outcomes.contains_key(*outcome));
        empty.map(|(name, kind)| format!("{name} in {kind}")).chain(outcomes.map(|name| (*name).to_owned())).collect()
    }

    /// One line for each aggregate, one column for each kind of window: answers that used any event.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{:<22}", "answers with events");
        Window::KINDS.iter().for_each(|kind| write!(table, "{kind:>18}").unwrap());
        for name in Aggregate::NAMES {
            write!(table, "\n{name:<22}").unwrap();
            for kind in Window::KINDS {
                let (_, used) = self.cells.get(&(name, kind)).copied().unwrap_or_default();
                write!(table, "{used:>18}").unwrap();
            }
        }
        table
    }
}

/// Outcomes that a run must have seen.
const OUTCOMES: [&str; 12] = [
    "admitted",
    "bad_timestamp",
    "capped",
    "duplicate",
    "erase_dropped",
    "erased",
    "future_quarantined",
    "late_dropped",
    "orphan_retract",
    "replaced",
    "retract_dropped",
    "retracted",
];
