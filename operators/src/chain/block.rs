//! A block: consecutive events of one chain, the last of which is a cut unless the block is the chain's newest.

use super::names::Column;
use super::partial::{ColumnSum, Partial};
use super::row::{Key, Order, Row};

/// Events in order. `keys` and `rows` have equal length; a block in a chain is never empty.
#[derive(Debug, Default)]
pub(crate) struct Block {
    keys: Vec<Key>,
    rows: Vec<Row>,
    partial: Option<Box<Partial>>,
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

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The event at this index.
    pub(crate) fn get(&self, index: usize) -> Option<(Key, &Row)> {
        Some((*self.keys.get(index)?, self.rows.get(index)?))
    }

    pub(crate) fn first_time(&self) -> i64 {
        self.keys.first().map_or(i64::MAX, |key| key.t)
    }

    pub(crate) fn last_time(&self) -> i64 {
        self.keys.last().map_or(i64::MIN, |key| key.t)
    }

    /// Whether its last event is a cut, so that later events belong to another block.
    pub(crate) fn is_closed(&self) -> bool {
        self.keys.last().is_some_and(|key| key.is_cut())
    }

    /// Whether all of its events come before `order`.
    pub(crate) fn is_before(&self, order: Order<'_>) -> bool {
        match (self.keys.last(), self.rows.last()) {
            (Some(key), Some(row)) if key.t == order.t => row.order(key.t) < order,
            (Some(key), _) => key.t < order.t,
            _ => true,
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

    /// Inserts an event; the caller sees to the order, the cuts and the partial.
    pub(crate) fn insert(&mut self, index: usize, key: Key, row: Row) {
        if self.keys.len() == self.keys.capacity() {
            let more = (self.keys.len() / 2).clamp(1, 16);
            self.keys.reserve_exact(more);
            self.rows.reserve_exact(more);
        }
        self.keys.insert(index, key);
        self.rows.insert(index, row);
    }

    pub(crate) fn remove(&mut self, index: usize) -> (Key, Row) {
        (self.keys.remove(index), self.rows.remove(index))
    }

    /// Removes and returns the events before `index`.
    pub(crate) fn remove_front(&mut self, index: usize) -> impl Iterator<Item = (Key, Row)> + '_ {
        self.keys.drain(..index).zip(self.rows.drain(..index))
    }

    pub(crate) fn into_events(self) -> impl Iterator<Item = (Key, Row)> {
        self.keys.into_iter().zip(self.rows)
    }

    /// Moves the events from `index` on into a block of their own.
    pub(crate) fn split_off(&mut self, index: usize) -> Self {
        Self { keys: self.keys.split_off(index), rows: self.rows.split_off(index), partial: None }
    }

    /// Appends the events of the block that follows.
    pub(crate) fn append(&mut self, mut next: Self) {
        self.keys.append(&mut next.keys);
        self.rows.append(&mut next.rows);
    }

    /// Adds the last event to the partial, if there is one.
    pub(crate) fn extend_partial(&mut self) {
        if let (Some(partial), Some(key), Some(row)) = (&mut self.partial, self.keys.last(), self.rows.last()) {
            partial.add(key.t, row);
        }
    }

    pub(crate) fn rebuild_partial(&mut self) {
        self.partial = Some(Box::new(Partial::of(&self.keys, &self.rows)));
    }

    pub(crate) fn drop_partial(&mut self) {
        self.partial = None;
    }

    pub(crate) fn partial(&self) -> Option<&Partial> {
        self.partial.as_deref()
    }

    /// Adds to `sum` the sum of one column over the events `from..to`: the partial when that is the whole block,
    /// the events in order otherwise. Both give the same bits.
    pub(crate) fn add_sum(&self, column: Column, from: usize, to: usize, sum: &mut ColumnSum) {
        match &self.partial {
            Some(partial) if from == 0 && to == self.len() => {
                if let Some(whole) = partial.column(column) {
                    sum.merge(whole);
                }
            }
            _ => sum.merge(&self.fold(column, from, to)),
        }
    }

    fn fold(&self, column: Column, from: usize, to: usize) -> ColumnSum {
        let mut sum = ColumnSum::default();
        for (key, row) in self.keys.iter().zip(&self.rows).take(to).skip(from) {
            if let Some(cell) = row.cell(column) {
                sum.add(key.t, cell);
            }
        }
        sum
    }
}
