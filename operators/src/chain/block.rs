//! A block: consecutive events of one chain, the last of which is a cut unless the block is the chain's newest.

use std::sync::OnceLock;

use super::names::Column;
use super::partial::{ColumnSum, Partial};
use super::row::{Key, Order, Row, StoredRow};

/// Events in order. `keys` and `rows` have equal length; a block in a chain is never empty.
///
/// The partial is the sums of all columns, always equal to what [`Partial::of`] computes from the events. It comes
/// into being when a reader needs it or the writer expects one to; appending extends it, any other change forgets it.
#[derive(Debug, Default)]
pub(crate) struct Block {
    keys: Vec<Key>,
    rows: Vec<StoredRow>,
    /// The time of the last event, so that searches over blocks stay within the blocks.
    last_time: i64,
    partial: OnceLock<Box<Partial>>,
}

impl Block {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Its events without their keys.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + ExactSizeIterator {
        self.rows.iter().map(StoredRow::view)
    }

    /// Its events.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = (Key, Row<'_>)> + ExactSizeIterator {
        self.keys.iter().copied().zip(self.rows())
    }

    /// The event at this index.
    pub(crate) fn get(&self, index: usize) -> Option<(Key, Row<'_>)> {
        Some((*self.keys.get(index)?, self.rows.get(index)?.view()))
    }

    pub(crate) fn first_time(&self) -> i64 {
        self.keys.first().map_or(i64::MAX, |key| key.t)
    }

    pub(crate) fn last_time(&self) -> i64 {
        self.last_time
    }

    /// Whether its last event is a cut, so that later events belong to another block.
    pub(crate) fn is_closed(&self) -> bool {
        self.keys.last().is_some_and(|key| key.is_cut())
    }

    /// Whether its last event also ends a super-block.
    pub(crate) fn ends_super(&self) -> bool {
        self.keys.last().is_some_and(|key| key.is_super_cut())
    }

    /// Whether all of its events come before `order`.
    pub(crate) fn is_before(&self, order: Order<'_>) -> bool {
        match self.rows.last() {
            Some(row) if self.last_time == order.t => row.order(order.t) < order,
            _ => self.last_time < order.t,
        }
    }

    /// Index of the first event with a time after `t`.
    pub(crate) fn after(&self, t: i64) -> usize {
        self.keys.partition_point(|key| key.t <= t)
    }

    /// Index where an event of this order belongs.
    pub(crate) fn position(&self, order: Order<'_>) -> usize {
        let from = self.keys.partition_point(|key| key.t < order.t);
        let ties = self.keys.iter().zip(&self.rows).skip(from);
        from + ties.take_while(|(key, row)| key.t == order.t && row.order(key.t) < order).count()
    }

    /// Inserts an event where its order says and returns its index.
    pub(crate) fn insert(&mut self, key: Key, row: StoredRow) -> usize {
        if self.keys.len() == self.keys.capacity() {
            let more = (self.keys.len() / 2).clamp(1, 16);
            self.keys.reserve_exact(more);
            self.rows.reserve_exact(more);
        }
        let order = row.order(key.t);
        let index = if self.is_before(order) { self.keys.len() } else { self.position(order) };
        if index < self.keys.len() {
            self.partial.take();
        } else if let Some(partial) = self.partial.get_mut() {
            partial.add(key.t, row.view());
        }
        self.keys.insert(index, key);
        self.rows.insert(index, row);
        self.settle();
        index
    }

    pub(crate) fn remove(&mut self, index: usize) -> (Key, StoredRow) {
        let removed = (self.keys.remove(index), self.rows.remove(index));
        self.changed();
        removed
    }

    /// Removes the events before `index` and hands each to `gone`.
    pub(crate) fn remove_front(&mut self, index: usize, gone: impl FnMut((Key, StoredRow))) {
        if index > 0 {
            self.keys.drain(..index).zip(self.rows.drain(..index)).for_each(gone);
            self.changed();
        }
    }

    pub(crate) fn into_events(self) -> impl Iterator<Item = (Key, StoredRow)> {
        self.keys.into_iter().zip(self.rows)
    }

    /// Moves the events from `index` on into a block of their own.
    pub(crate) fn split_off(&mut self, index: usize) -> Self {
        let mut rest = Self { keys: self.keys.split_off(index), rows: self.rows.split_off(index), ..Self::default() };
        rest.settle();
        self.changed();
        rest
    }

    /// Appends the events of the block that follows.
    pub(crate) fn append(&mut self, mut next: Self) {
        self.keys.append(&mut next.keys);
        self.rows.append(&mut next.rows);
        self.changed();
    }

    /// The sums of all columns over the whole block.
    pub(crate) fn partial(&self) -> &Partial {
        self.partial.get_or_init(|| Box::new(Partial::of(self.events())))
    }

    /// The partial, if it is there.
    pub(crate) fn known_partial(&self) -> Option<&Partial> {
        self.partial.get().map(|partial| &**partial)
    }

    /// The sum of one column over the events `from..to`, in order.
    pub(crate) fn fold(&self, column: Column, from: usize, to: usize) -> ColumnSum {
        let mut sum = ColumnSum::default();
        for (key, row) in self.events().take(to).skip(from) {
            if let Some(cell) = row.cell(column) {
                sum.add(key.t, cell);
            }
        }
        sum
    }

    fn changed(&mut self) {
        self.partial.take();
        self.settle();
    }

    fn settle(&mut self) {
        self.last_time = self.keys.last().map_or(i64::MIN, |key| key.t);
    }
}
