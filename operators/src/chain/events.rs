//! A chain: the events of one actor and one verb in order, cut into blocks and super-blocks.

use super::block::Block;
use super::row::{Key, Order, Row, StoredRow};
use super::supers::Supers;

/// The place of an event in a chain, or the end of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) block: usize,
    pub(crate) index: usize,
}

/// Events in order. Blocks are cut after every event whose key is a cut, super-blocks after every super-cut.
#[derive(Debug)]
pub(crate) struct Chain(Blocks);

/// Nearly every chain has one block, which then lies inline; only a chain without events has an empty one.
#[derive(Debug)]
enum Blocks {
    One(Block),
    Many(Box<Many>),
}

/// Two blocks or more.
#[derive(Debug)]
struct Many {
    blocks: Vec<Block>,
    supers: Supers,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self(Blocks::One(Block::default()))
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        match &self.0 {
            Blocks::One(block) if block.is_empty() => &[],
            Blocks::One(block) => std::slice::from_ref(block),
            Blocks::Many(many) => &many.blocks,
        }
    }

    /// The super-blocks, where there are several blocks.
    pub(crate) fn supers(&self) -> Option<&Supers> {
        match &self.0 {
            Blocks::One(_) => None,
            Blocks::Many(many) => Some(&many.supers),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks().is_empty()
    }

    pub(crate) fn first_time(&self) -> i64 {
        self.blocks().first().map_or(i64::MAX, Block::first_time)
    }

    /// The place of the first event with a time after `t`.
    pub(crate) fn after(&self, t: i64) -> Place {
        let blocks = self.blocks();
        let block = blocks.partition_point(|block| block.last_time() <= t);
        Place { block, index: blocks.get(block).map_or(0, |block| block.after(t)) }
    }

    pub(crate) fn get(&self, place: Place) -> Option<(Key, Row<'_>)> {
        self.blocks().get(place.block)?.get(place.index)
    }

    /// Every event, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, Row<'_>)> {
        self.blocks().iter().flat_map(Block::events)
    }

    /// The place of the event with this time and id.
    pub(crate) fn find(&self, t: i64, key: Key, id: &str) -> Option<Place> {
        let mut place = self.after(t.saturating_sub(1));
        while let Some(block) = self.blocks().get(place.block) {
            match block.get(place.index) {
                Some((at, row)) if at.t == t && at.id_hash == key.id_hash && row.id() == id => return Some(place),
                Some((at, _)) if at.t > t => return None,
                Some(_) => place.index += 1,
                None => place = Place { block: place.block + 1, index: 0 },
            }
        }
        None
    }

    /// Inserts an event where its order says.
    pub(crate) fn insert(&mut self, key: Key, row: StoredRow) {
        match &mut self.0 {
            Blocks::Many(many) => many.insert(key, row),
            Blocks::One(block) if block.is_closed() && block.is_before(row.order(key.t)) => {
                let mut next = Block::default();
                next.insert(key, row);
                self.0 = Blocks::many(vec![std::mem::take(block), next]);
            }
            Blocks::One(block) => {
                let index = block.insert(key, row);
                if key.is_cut() && index + 1 < block.len() {
                    let rest = block.split_off(index + 1);
                    self.0 = Blocks::many(vec![std::mem::take(block), rest]);
                }
            }
        }
    }

    /// Removes the event at a place.
    pub(crate) fn remove(&mut self, place: Place) -> Option<(Key, StoredRow)> {
        self.get(place)?;
        let removed = match &mut self.0 {
            Blocks::One(block) => Some(block.remove(place.index)),
            Blocks::Many(many) => many.remove(place),
        };
        self.0.inline();
        removed
    }

    /// Removes every event with a time at or before `t` and hands each to `gone`.
    pub(crate) fn remove_through(&mut self, t: i64, mut gone: impl FnMut(Key, StoredRow)) {
        if self.first_time() > t {
            return;
        }
        let gone = |(key, row)| gone(key, row);
        match &mut self.0 {
            Blocks::One(block) => block.remove_front(block.after(t), gone),
            Blocks::Many(many) => many.remove_through(t, gone),
        }
        self.0.inline();
    }
}

impl Blocks {
    fn many(blocks: Vec<Block>) -> Self {
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
    fn insert(&mut self, key: Key, row: StoredRow) {
        let at = self.block_for(row.order(key.t));
        let Some(block) = self.blocks.get_mut(at) else { return };
        let index = block.insert(key, row);
        self.supers.grow(at, 1);
        if key.is_cut() && index + 1 < block.len() {
            let rest = block.split_off(index + 1);
            self.blocks.insert(at + 1, rest);
            self.supers.split(at, &self.blocks);
        }
    }

    /// The block that an event of this order belongs to; a new one after a closed last block.
    fn block_for(&mut self, order: Order<'_>) -> usize {
        let n = self.blocks.len();
        if self.blocks.last().is_some_and(|last| last.is_before(order)) {
            if self.blocks.last().is_some_and(Block::is_closed) {
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
        let block = Block::default();
        block.partial();
        self.blocks.push(block);
        self.supers.push(&self.blocks);
    }

    fn remove(&mut self, place: Place) -> Option<(Key, StoredRow)> {
        let own = self.supers.holding(place.block);
        let block = self.blocks.get_mut(place.block)?;
        let (key, row) = block.remove(place.index);
        let last = place.block + 1 == self.blocks.len();
        if self.blocks.get(place.block).is_some_and(Block::is_empty) {
            self.blocks.remove(place.block);
        } else if key.is_cut() && !last {
            let next = self.blocks.remove(place.block + 1);
            if let Some(block) = self.blocks.get_mut(place.block) {
                block.append(next);
            }
        } else {
            self.supers.shrink(place.block, 1);
            return Some((key, row));
        }
        self.supers.rebuild(&self.blocks, own, own + 2);
        Some((key, row))
    }

    fn remove_through(&mut self, t: i64, mut gone: impl FnMut((Key, StoredRow))) {
        let whole = self.blocks.partition_point(|block| block.last_time() <= t);
        let kept = self.supers.holding(whole);
        self.blocks.drain(..whole).for_each(|block| block.into_events().for_each(&mut gone));
        if let Some(first) = self.blocks.first_mut() {
            first.remove_front(first.after(t), gone);
        }
        self.supers.rebuild(&self.blocks, 0, kept + 1);
    }
}

/// Blocks whose partials are made good when another begins.
const SETTLED: usize = 4;
