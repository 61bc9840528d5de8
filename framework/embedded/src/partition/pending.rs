//! What is appended and not decided yet: records of open transactions, and everything behind the first of them.

use std::collections::{BTreeMap, VecDeque};

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;

use super::outbox::Origin;

/// Names an open transaction: its producer's number, which has one at a time.
pub(crate) type TransactionKey = u64;

/// Offsets from the last stable one on.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// In offset order, without gaps.
    held: VecDeque<Held>,
    /// Each open transaction and its first offset here.
    open: BTreeMap<TransactionKey, Offset>,
}

/// What has an offset and is not in the log yet.
#[derive(Debug)]
pub(super) enum Held {
    /// A record, of a transaction or of none.
    Record(Option<TransactionKey>, Origin, LogRecord),
    /// A marker, or an aborted record: only its offset is left.
    Gap(Offset),
}

impl Held {
    fn offset(&self) -> Offset {
        match self {
            Self::Record(_, _, entry) => entry.offset,
            Self::Gap(offset) => *offset,
        }
    }
}

impl Pending {
    /// Whether a record of this transaction, or of none, has to be held back.
    pub(super) fn holds(&self, transaction: Option<TransactionKey>) -> bool {
        transaction.is_some() || !self.held.is_empty()
    }

    /// The next offset; `None` when nothing is held.
    pub(super) fn next_offset(&self) -> Option<Offset> {
        self.held.back().map(|held| held.offset() + 1)
    }

    pub(super) fn push(&mut self, transaction: Option<TransactionKey>, origin: Origin, entry: LogRecord) {
        if let Some(key) = transaction {
            self.open.entry(key).or_insert(entry.offset);
        }
        self.held.push_back(Held::Record(transaction, origin, entry));
    }

    /// Ends a transaction with a marker at `marker`; `false` when it has nothing here.
    pub(super) fn end(&mut self, transaction: TransactionKey, commit: bool, marker: Offset) -> bool {
        if self.open.remove(&transaction).is_none() {
            return false;
        }
        for held in &mut self.held {
            if matches!(held, Held::Record(Some(key), ..) if *key == transaction) {
                settle(held, commit);
            }
        }
        self.held.push_back(Held::Gap(marker));
        true
    }

    /// Takes the next one that is before every open transaction.
    pub(super) fn take_stable(&mut self) -> Option<Held> {
        let stable = self.open.values().min().copied();
        let offset = self.held.front()?.offset();
        if stable.is_some_and(|first| offset >= first) {
            return None;
        }
        self.held.pop_front()
    }
}

/// Takes a held record out of its transaction.
fn settle(held: &mut Held, commit: bool) {
    let gap = Held::Gap(held.offset());
    if let Held::Record(_, origin, entry) = std::mem::replace(held, gap)
        && commit
    {
        *held = Held::Record(None, origin, entry);
    }
}
