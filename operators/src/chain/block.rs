//! A block: consecutive events of one chain, the last of which is a cut unless the block is the chain's newest.

use std::sync::OnceLock;

use super::memory::Memory;
use super::names::Column;
use super::packed::Events;
use super::partial::{ColumnSum, Partial};
use super::removed::Gone;
use super::row::{EventId, Key, NewEvent, Order, Row};

/// A block as a chain keeps it. Only a chain without events has an empty one.
///
/// The partial is the sums of all columns, always equal to what [`Partial::of`] computes from the events. It comes
/// into being when a reader needs it or the writer expects one to. Every event that comes is added to it, as long as no
/// sum depends on the order of its terms or the event is the last; any other change forgets it.
#[derive(Debug, Default)]
pub(crate) struct StoredBlock {
    events: Events,
    partial: OnceLock<Partial>,
}

/// A block to be read while its actor is locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    events: &'a Events,
    from: usize,
    to: usize,
    stored: Option<&'a StoredBlock>,
}

impl StoredBlock {
    pub(crate) fn new(events: Events) -> Self {
        Self { events, ..Self::default() }
    }

    pub(crate) fn view(&self) -> Block<'_> {
        Block { events: &self.events, from: 0, to: self.events.len(), stored: Some(self) }
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn into_events(self) -> Events {
        self.events
    }

    /// Counts the memory that it takes, without itself.
    pub(crate) fn measure(&self, memory: &mut Memory) {
        self.events.heap().count(&mut memory.events, &mut memory.overhead);
        let partial = self.known_partial().map(Partial::heap);
        partial.into_iter().for_each(|heap| heap.count(&mut memory.partials, &mut memory.overhead));
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn first_time(&self) -> i64 {
        self.events.time(0).unwrap_or(i64::MAX)
    }

    pub(crate) fn last_time(&self) -> i64 {
        self.events.last_time().unwrap_or(i64::MIN)
    }

    /// Whether its last event is a cut, so that later events belong to another block.
    pub(crate) fn is_closed(&self) -> bool {
        self.last_id().is_some_and(EventId::is_cut)
    }

    /// Whether its last event also ends a super-block.
    pub(crate) fn ends_super(&self) -> bool {
        self.last_id().is_some_and(EventId::is_super_cut)
    }

    /// Whether all of its events come before `order`.
    pub(crate) fn is_before(&self, order: Order<'_>) -> bool {
        match self.events.last_time() {
            Some(last) if last == order.t => self.last().is_none_or(|(key, row)| row.order(key.t) < order),
            Some(last) => last < order.t,
            None => true,
        }
    }

    /// Inserts an event where its order says and returns its index; `last_time` is that of the last event.
    pub(crate) fn insert(&mut self, last_time: i64, event: &mut NewEvent) -> usize {
        let order = event.row().order(event.t);
        let n = self.events.len();
        let is_newest = n == 0 || last_time < order.t;
        let index = if is_newest { n } else { self.events.position(order, 0, n) };
        let partial = self.partial.get_mut();
        if partial.is_some_and(|partial| !partial.take_in(event.t, event.row()) && index < n) {
            self.partial.take();
        }
        self.events.insert(index, event);
        index
    }

    /// Removes the events `from..to`.
    pub(crate) fn remove(&mut self, from: usize, to: usize, gone: &mut Gone) {
        if from < to {
            self.events.remove(from, to, &mut gone.vectors);
            self.partial.take();
        }
    }

    /// Moves the events from `index` on into a block of their own.
    pub(crate) fn split_off(&mut self, index: usize) -> Self {
        self.partial.take();
        Self::new(self.events.split_off(index))
    }

    /// Appends the events of the block that follows.
    pub(crate) fn append(&mut self, next: Self) {
        self.events.append(next.events);
        self.partial.take();
    }

    /// The sums of all columns over the whole block.
    pub(crate) fn partial(&self) -> &Partial {
        self.partial.get_or_init(|| Partial::of(self.view().events()))
    }

    /// The partial, if it is there.
    pub(crate) fn known_partial(&self) -> Option<&Partial> {
        self.partial.get()
    }

    fn last(&self) -> Option<(Key, Row<'_>)> {
        self.events.get(self.events.len().checked_sub(1)?)
    }

    fn last_id(&self) -> Option<EventId<'_>> {
        self.last().map(|(_, row)| EventId::new(row.id()))
    }
}

impl<'a> Block<'a> {
    /// A block of some of the events that an actor keeps together, which are there.
    pub(crate) fn among(events: &'a Events, from: usize, to: usize) -> Self {
        Self { events, from, to, stored: None }
    }

    pub(crate) fn len(self) -> usize {
        self.to - self.from
    }

    /// The event at this index.
    pub(crate) fn get(self, index: usize) -> Option<(Key, Row<'a>)> {
        if index < self.len() { self.events.get(self.from + index) } else { None }
    }

    /// Its events.
    pub(crate) fn events(self) -> impl DoubleEndedIterator<Item = (Key, Row<'a>)> + ExactSizeIterator {
        self.events.range(self.from, self.to)
    }

    pub(crate) fn last_time(self) -> i64 {
        self.to.checked_sub(1).and_then(|last| self.events.time(last)).unwrap_or(i64::MIN)
    }

    /// Index of the first event with a time after `t`.
    pub(crate) fn after(self, t: i64) -> usize {
        self.events.after(t, self.from, self.to) - self.from
    }

    /// The sums of all columns over the whole block; `None` for a block of a chain that keeps no partials.
    pub(crate) fn partial(self) -> Option<&'a Partial> {
        self.stored.map(StoredBlock::partial)
    }

    /// The sum of one column over the events `from..to`, in order.
    pub(crate) fn fold(self, column: Column, from: usize, to: usize) -> ColumnSum {
        let mut sum = ColumnSum::default();
        for (key, row) in self.events.range(self.from + from, self.from + to) {
            if let Some(cell) = row.cell(column) {
                sum.add(key.t, cell);
            }
        }
        sum
    }
}
