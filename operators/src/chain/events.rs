//! A chain as an actor with many events keeps it: cut into blocks and super-blocks.

use super::block::StoredBlock;
use super::ids::IdIndex;
use super::memory::{Heap, Memory};
use super::removed::{Gone, Removed};
use super::row::{EventId, NewEvent};
use super::supers::Supers;
use super::view::{Blocks, Chain, Place};

/// Events in order. Blocks are cut after every event whose id is a cut, super-blocks after every super-cut.
#[derive(Debug)]
pub(crate) struct StoredChain(Kind);

/// Only a chain without events has an empty block; two blocks and more are in super-blocks.
#[derive(Debug)]
enum Kind {
    One(StoredBlock),
    Many(Box<Supers>),
}

impl StoredChain {
    /// A chain of one block, or without events.
    pub(crate) fn new(block: StoredBlock) -> Self {
        Self(Kind::One(block))
    }

    pub(crate) fn view(&self) -> Chain<'_> {
        Chain::new(match &self.0 {
            Kind::One(block) => Blocks::One(block.view()),
            Kind::Many(supers) => Blocks::Many(supers),
        })
    }

    /// Its blocks, oldest first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &StoredBlock> {
        let (one, many) = match &self.0 {
            Kind::One(block) => (Some(block).filter(|block| !block.is_empty()), None),
            Kind::Many(supers) => (None, Some(supers.range(0..usize::MAX))),
        };
        one.into_iter().chain(many.into_iter().flatten().map(|(_, block)| block))
    }

    /// Whether it is one block, or empty.
    pub(crate) fn is_one_block(&self) -> bool {
        matches!(self.0, Kind::One(_))
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::One(block) if block.is_empty())
    }

    pub(crate) fn first_time(&self) -> i64 {
        self.blocks().next().map_or(i64::MAX, StoredBlock::first_time)
    }

    /// Counts the memory that it takes, without itself.
    pub(crate) fn measure(&self, memory: &mut Memory) {
        match &self.0 {
            Kind::One(block) => block.measure(memory),
            Kind::Many(supers) => {
                Heap::piece(size_of::<Supers>(), size_of::<Supers>()).count(&mut memory.index, &mut memory.overhead);
                supers.measure(memory);
            }
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
            Kind::Many(supers) => supers.insert(is_cut, event),
            Kind::One(block) if block.is_closed() && block.is_before(event.row().order(event.t)) => {
                let mut next = StoredBlock::default();
                next.insert(i64::MIN, event);
                self.0 = Kind::two(std::mem::take(block), next);
            }
            Kind::One(block) => {
                let index = block.insert(block.last_time(), event);
                if is_cut && index + 1 < block.len() {
                    let rest = block.split_off(index + 1);
                    self.0 = Kind::two(std::mem::take(block), rest);
                }
            }
        }
    }

    /// Removes the event at a place, which is there.
    pub(crate) fn remove(&mut self, place: Place, gone: &mut Gone) {
        match &mut self.0 {
            Kind::One(block) => block.remove(place.index, place.index + 1, gone),
            Kind::Many(supers) => supers.remove(place, gone),
        }
        self.0.inline();
    }

    /// Removes every event with a time at or before `t`, from the index of ids as well.
    pub(crate) fn remove_through(&mut self, t: i64, floor: i64, mut ids: Option<&mut IdIndex>, removed: &mut Removed) {
        if self.first_time() > t {
            return;
        }
        let through = self.view().after(t);
        for (number, block) in self.blocks().enumerate().take(through.block + 1) {
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
            Kind::Many(supers) => supers.remove_before(through, &mut removed.gone),
        }
        self.0.inline();
    }
}

impl Kind {
    fn two(first: StoredBlock, second: StoredBlock) -> Self {
        Self::Many(Box::new(Supers::of([first, second])))
    }

    /// Puts a single block inline again.
    fn inline(&mut self) {
        if let Self::Many(supers) = self
            && let Some(block) = supers.take_single()
        {
            *self = Self::One(block);
        }
    }
}
