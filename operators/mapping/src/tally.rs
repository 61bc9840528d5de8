//! Counts of what became of records.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::{CompiledMapping, Mapped, Reject};

/// Counts what each `[[actions]]` entry made of the records it saw. May be shared between threads.
#[derive(Debug)]
pub struct Tally {
    entries: Vec<(String, Mutex<BTreeMap<&'static str, u64>>)>,
}

impl Tally {
    /// Nothing counted yet, for the entries of this mapping.
    pub fn new(mapping: &CompiledMapping) -> Self {
        let entries = mapping.actions().iter().map(|entry| (entry.name().to_owned(), Mutex::default()));
        Self { entries: entries.collect() }
    }

    /// Counts one outcome of the entry with this index, under `mapped`, `filtered`, `no_actor` or the reason of its reject;
    /// attributes of a wrong type are counted under `wrong_attributes` beside it.
    pub fn count(&self, entry: usize, outcome: &Result<Mapped, Reject>) {
        let (outcome, n_wrong) = match outcome {
            Ok(Mapped::Action { n_wrong_attributes, .. }) => ("mapped", *n_wrong_attributes),
            Ok(Mapped::Filtered) => ("filtered", 0),
            Ok(Mapped::NoActor) => ("no_actor", 0),
            Err(reject) => (reject.reason(), 0),
        };
        let Some((_, counts)) = self.entries.get(entry) else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(outcome).or_default() += 1;
        if n_wrong > 0 {
            *counts.entry("wrong_attributes").or_default() += u64::from(n_wrong);
        }
    }

    /// The counts of each entry by name, in order of the mapping.
    pub fn counts(&self) -> Vec<(String, BTreeMap<&'static str, u64>)> {
        let copy = |counts: &Mutex<BTreeMap<_, _>>| counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.entries.iter().map(|(name, counts)| (name.clone(), copy(counts))).collect()
    }
}
