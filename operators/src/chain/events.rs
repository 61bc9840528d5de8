//! A chain as an actor with many events keeps it: cut into blocks and super-blocks.

use super::block::StoredBlock;
use super::ids::IdIndex;
use super::memory::{Heap, Memory};
use super::partial::Partial;
use super::removed::{Gone, Removed};
use super::row::{EventId, NewEvent, Order};
use super::supers::Supers;
use super::view::{Blocks, Chain, Place};

/// Events in order. Blocks are cut after every event whose id is a cut, super-blocks after every super-cut.
#[derive(Debug)]
pub(crate) struct StoredChain(Kind);

/// Only a chain without events has an empty block.
#[derive(Debug)]
enum Kind {
    One(StoredBlock),
    Many(Box<Many>),
}

/// Two blocks or more.
#[derive(Debug)]
struct Many {
    blocks: Vec<StoredBlock>,
    supers: Supers,
}

impl StoredChain {
    /// A chain of one block, or without events.
    pub(crate) fn new(block: StoredBlock) -> Self {
        Self(Kind::One(block))
    }

    pub(crate) fn view(&self) -> Chain<'_> {
        Chain::new(match &self.0 {
            Kind::One(block) => Blocks::One(block.view()),
            Kind::Many(many) => Blocks::Many(&many.blocks, &many.supers),
        })
    }

    pub(crate) fn blocks(&self) -> &[StoredBlock] {
        match &self.0 {
            Kind::One(block) if block.is_empty() => &[],
            Kind::One(block) => std::slice::from_ref(block),
            Kind::Many(many) => &many.blocks,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks().is_empty()
    }

    pub(crate) fn first_time(&self) -> i64 {
        self.blocks().first().map_or(i64::MAX, StoredBlock::first_time)
    }

    /// Counts the memory that it takes, without itself.
    pub(crate) fn measure(&self, memory: &mut Memory) {
        for block in self.blocks() {
            block.events().heap().count(&mut memory.events, &mut memory.overhead);
            let partial = block.known_partial().map(Partial::heap);
            partial.into_iter().for_each(|heap| heap.count(&mut memory.partials, &mut memory.overhead));
        }
        if let Kind::Many(many) = &self.0 {
            let own = Heap::piece(size_of::<Many>(), size_of::<Many>());
            let lists = own + Heap::vec(&many.blocks) + many.supers.heap();
            lists.count(&mut memory.index, &mut memory.overhead);
            many.supers.partials_heap().count(&mut memory.partials, &mut memory.overhead);
        }
    }

    /// Its block, where there is one.
    pub(crate) fn into_one_block(self) -> Option<StoredBlock> {
        match self.0 {
            Kind::One(block) => Some(block),
            Kind::Many(_) => None,
        }
    }

    /// Inserts an event where its order says.
    pub(crate) fn insert(&mut self, is_cut: bool, event: &mut NewEvent) {
        match &mut self.0 {
            Kind::Many(many) => many.insert(is_cut, event),
            Kind::One(block) if block.is_closed() && block.is_before(event.row().order(event.t)) => {
                let mut next = StoredBlock::default();
                next.insert(event);
                self.0 = Kind::many(vec![std::mem::take(block), next]);
            }
            Kind::One(block) => {
                let index = block.insert(event);
                if is_cut && index + 1 < block.len() {
                    let rest = block.split_off(index + 1);
                    self.0 = Kind::many(vec![std::mem::take(block), rest]);
                }
            }
        }
    }

    /// Removes the event at a place, which is there.
    pub(crate) fn remove(&mut self, place: Place, gone: &mut Gone) {
        match &mut self.0 {
            Kind::One(block) => block.remove(place.index, place.index + 1, gone),
            Kind::Many(many) => many.remove(place, gone),
        }
        self.0.inline();
    }

    /// Removes every event with a time at or before `t`, from the index of ids as well.
    pub(crate) fn remove_through(&mut self, t: i64, floor: i64, mut ids: Option<&mut IdIndex>, removed: &mut Removed) {
        if self.first_time() > t {
            return;
        }
        let through = self.view().after(t);
        for (number, block) in self.blocks().iter().enumerate().take(through.block + 1) {
            let to = if number == through.block { through.index } else { block.len() };
            for (key, row) in block.events().range(0, to) {
                removed.count(key, row, floor);
                if let Some(ids) = &mut ids {
                    ids.remove(EventId::new(row.id()).hash, key.t);
                }
            }
        }
        match &mut self.0 {
            Kind::One(block) => block.remove(0, block.view().after(t), &mut removed.gone),
            Kind::Many(many) => many.remove_before(through, &mut removed.gone),
        }
        self.0.inline();
    }
}

impl Kind {
    fn many(blocks: Vec<StoredBlock>) -> Self {
        Self::Many(Box::new(Many { supers: Supers::of(&blocks), blocks }))
    }

    /// Puts a single block inline again.
    fn inline(&mut self) {
        if let Self::Many(many) = self
            && many.blocks.len() < 2
        {
            *self = Self::One(many.blocks.pop().unwrap_or_default());
        }
    }
}

impl Many {
    fn insert(&mut self, is_cut: bool, event: &mut NewEvent) {
        let at = self.block_for(event.row().order(event.t));
        let Some(block) = self.blocks.get_mut(at) else { return };
        let index = block.insert(event);
        self.supers.grow(at, 1);
        if is_cut && index + 1 < block.len() {
            let rest = block.split_off(index + 1);
            self.blocks.insert(at + 1, rest);
            self.supers.split(at, &self.blocks);
        }
    }

    /// The block that an event of this order belongs to; a new one after a closed last block.
    fn block_for(&mut self, order: Order<'_>) -> usize {
        let n = self.blocks.len();
        if self.blocks.last().is_some_and(|last| last.is_before(order)) {
            if self.blocks.last().is_some_and(StoredBlock::is_closed) {
                self.begin_block();
                return n;
            }
            return n - 1;
        }
        let mut at = self.blocks.partition_point(|block| block.last_time() < order.t);
        while self.blocks.get(at).is_some_and(|block| block.is_before(order)) {
            at += 1;
        }
        at
    }

    /// Begins a block at the end. Partials of the blocks before it are made now, as far as late events undid them, so
    /// that readers seldom have to.
    fn begin_block(&mut self) {
        for block in self.blocks.iter().rev().take(SETTLED) {
            block.partial();
        }
        let block = StoredBlock::default();
        block.partial();
        self.blocks.push(block);
        self.supers.push(&self.blocks);
    }

    fn remove(&mut self, place: Place, gone: &mut Gone) {
        let own = self.supers.holding(place.block);
        let Some(block) = self.blocks.get_mut(place.block) else { return };
        let was_cut = block.events().id(place.index).is_some_and(EventId::is_cut);
        block.remove(place.index, place.index + 1, gone);
        let last = place.block + 1 == self.blocks.len();
        if self.blocks.get(place.block).is_some_and(StoredBlock::is_empty) {
            self.blocks.remove(place.block);
        } else if was_cut && !last {
            let next = self.blocks.remove(place.block + 1);
            if let Some(block) = self.blocks.get_mut(place.block) {
                block.append(next);
            }
        } else {
            self.supers.shrink(place.block, 1);
            return;
        }
        self.supers.rebuild(&self.blocks, own, own + 2);
    }

    fn remove_before(&mut self, through: Place, gone: &mut Gone) {
        let kept = self.supers.holding(through.block);
        gone.blocks.extend(self.blocks.drain(..through.block));
        if let Some(first) = self.blocks.first_mut() {
            first.remove(0, through.index, gone);
        }
        self.supers.rebuild(&self.blocks, 0, kept + 1);
    }
}

/// Blocks whose partials are made good when another begins.
const SETTLED: usize = 4;
