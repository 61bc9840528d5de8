//! The blocks of a long chain, in super-blocks of about 64: cut after events whose id hash has its low twelve bits zero.

use std::ops::Range;

use super::block::StoredBlock;
use super::memory::{Heap, Memory};
use super::removed::Gone;
use super::row::{EventId, NewEvent, Order};
use super::superblock::Super;
use super::view::Place;

/// Two blocks or more in super-blocks, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Supers(Vec<Super>);

/// Blocks whose partials are made good when another begins.
const SETTLED: usize = 4;

impl Supers {
    /// Cuts blocks into super-blocks.
    pub(crate) fn of(blocks: impl IntoIterator<Item = StoredBlock>) -> Self {
        let mut supers = Self::default();
        blocks.into_iter().for_each(|block| supers.push(block));
        supers
    }

    pub(crate) fn as_slice(&self) -> &[Super] {
        &self.0
    }

    pub(crate) fn n_blocks(&self) -> usize {
        self.0.last().map_or(0, |last| last.first + last.blocks().len())
    }

    /// The block with this number.
    pub(crate) fn get(&self, block: usize) -> Option<&StoredBlock> {
        let own = self.0.get(self.holding(block))?;
        own.blocks().get(block - own.first)
    }

    /// Some blocks with their numbers; those of them that are there.
    pub(crate) fn range(&self, blocks: Range<usize>) -> impl DoubleEndedIterator<Item = (usize, &StoredBlock)> {
        let first = self.holding(blocks.start);
        let end = self.0.partition_point(|own| own.first < blocks.end).max(first);
        self.0.get(first..end).unwrap_or(&[]).iter().flat_map(move |own| {
            let within = |block: usize| block.saturating_sub(own.first).min(own.blocks().len());
            let (from, to) = (within(blocks.start), within(blocks.end));
            let found = own.blocks().get(from..to).unwrap_or(&[]).iter().enumerate();
            found.map(move |(at, block)| (own.first + from + at, block))
        })
    }

    /// The number of the super-block that holds a block.
    pub(crate) fn holding(&self, block: usize) -> usize {
        self.0.partition_point(|own| own.first <= block).saturating_sub(1)
    }

    /// Where the blocks of a super-block end.
    pub(crate) fn end(&self, number: usize) -> usize {
        self.0.get(number).map_or(0, |own| own.first + own.blocks().len())
    }

    /// The first block with an event after `t`.
    pub(crate) fn after(&self, t: i64) -> usize {
        let number = self.0.partition_point(|own| own.last_time() <= t);
        self.0.get(number).map_or_else(|| self.n_blocks(), |own| own.first + own.after(t))
    }

    /// Inserts an event where its order says.
    pub(crate) fn insert(&mut self, is_cut: bool, event: &mut NewEvent) {
        let order = event.row().order(event.t);
        if self.last_block().is_some_and(|last| last.is_before(order) && last.is_closed()) {
            self.settle();
            let mut block = StoredBlock::default();
            block.partial();
            block.insert(i64::MIN, event);
            return self.push(block);
        }
        let (number, at) = self.place(order);
        let Some(own) = self.0.get_mut(number) else { return };
        let is_split = own.insert(at, is_cut, event);
        if is_split {
            let rest = own.split_after(at);
            self.0.splice(number + 1..number + 1, rest);
            self.renumber(number);
        }
    }

    /// Removes the event at a place, which is there. Where it was a cut, what it kept apart is joined.
    pub(crate) fn remove(&mut self, place: Place, gone: &mut Gone) {
        let number = self.holding(place.block);
        let is_last = number + 1 == self.0.len();
        let Some(own) = self.0.get_mut(number) else { return };
        let at = place.block - own.first;
        let id = own.blocks().get(at).and_then(|block| block.events().id(place.index));
        let (was_cut, was_super_cut) = (id.is_some_and(EventId::is_cut), id.is_some_and(EventId::is_super_cut));
        own.remove(at, place.index, gone);
        if was_super_cut && !is_last {
            let next = self.0.remove(number + 1);
            if let Some(own) = self.0.get_mut(number) {
                own.extend(next);
            }
        }
        if let Some(own) = self.0.get_mut(number) {
            own.heal(at, was_cut);
            if own.blocks().is_empty() {
                self.0.remove(number);
            }
        }
        self.renumber(number);
    }

    /// Removes the events before a place.
    pub(crate) fn remove_before(&mut self, through: Place, gone: &mut Gone) {
        let whole = self.0.partition_point(|own| own.first + own.blocks().len() <= through.block);
        gone.blocks.extend(self.0.drain(..whole).flat_map(Super::into_blocks));
        if let Some(own) = self.0.first_mut() {
            own.remove_before(through.block - own.first, through.index, gone);
        }
        self.renumber(0);
    }

    /// Counts the memory that it takes, without itself.
    pub(crate) fn measure(&self, memory: &mut Memory) {
        Heap::vec(&self.0).count(&mut memory.index, &mut memory.overhead);
        self.0.iter().for_each(|own| own.measure(memory));
    }

    /// The only block, where there is no other.
    pub(crate) fn take_single(&mut self) -> Option<StoredBlock> {
        if self.n_blocks() > 1 {
            return None;
        }
        Some(self.0.pop().and_then(|own| own.into_blocks().pop()).unwrap_or_default())
    }

    fn last_block(&self) -> Option<&StoredBlock> {
        self.0.last()?.blocks().last()
    }

    /// The super-block and the block in it that an event of this order belongs to.
    fn place(&self, order: Order<'_>) -> (usize, usize) {
        let last = self.0.len().saturating_sub(1);
        let mut number = self.0.partition_point(|own| own.last_time() < order.t).min(last);
        loop {
            let Some(own) = self.0.get(number) else { return (number, 0) };
            match own.place(order) {
                Some(at) => return (number, at),
                None if number == last => return (number, own.blocks().len().saturating_sub(1)),
                None => number += 1,
            }
        }
    }

    /// Makes the partials of the newest blocks, as far as late events undid them, so that readers seldom have to.
    fn settle(&self) {
        let newest = self.0.iter().rev().flat_map(|own| own.blocks().iter().rev());
        for block in newest.take(SETTLED) {
            block.partial();
        }
    }

    /// Adds a block at the end.
    fn push(&mut self, block: StoredBlock) {
        let first = self.n_blocks();
        match self.0.last_mut() {
            Some(last) if !last.is_closed() => last.push(block),
            _ => self.0.push(Super::new(first, vec![block])),
        }
    }

    /// Numbers the blocks from those of one super-block on.
    fn renumber(&mut self, number: usize) {
        let mut first = number.checked_sub(1).map_or(0, |before| self.end(before));
        for own in self.0.iter_mut().skip(number) {
            own.first = first;
            first += own.blocks().len();
        }
    }
}
