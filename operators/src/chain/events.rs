//! A chain: the events of one actor and one verb in order, cut into blocks.

use std::ops::{Deref, DerefMut};

use super::block::Block;
use super::row::{Key, Order, Row};

/// The place of an event in a chain, or the end of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) block: usize,
    pub(crate) index: usize,
}

/// Events in order. Blocks are cut after every event whose key is a cut; partials exist iff there are several blocks.
#[derive(Debug)]
pub(crate) struct Chain {
    blocks: Blocks,
}

/// Nearly every chain has one block, which then lies inline.
#[derive(Debug)]
enum Blocks {
    One(Block),
    Many(Vec<Block>),
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self { blocks: Blocks::Many(Vec::new()) }
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn first_time(&self) -> i64 {
        self.blocks.first().map_or(i64::MAX, Block::first_time)
    }

    /// The place of the first event with a time after `t`.
    pub(crate) fn after(&self, t: i64) -> Place {
        let block = self.blocks.partition_point(|block| block.last_time() <= t);
        Place { block, index: self.blocks.get(block).map_or(0, |block| block.after(t)) }
    }

    pub(crate) fn get(&self, place: Place) -> Option<(Key, &Row)> {
        self.blocks.get(place.block)?.get(place.index)
    }

    /// Every event, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Row)> {
        self.blocks.iter().flat_map(|block| block.keys().iter().copied().zip(block.rows()))
    }

    /// The place of the event with this time and id.
    pub(crate) fn find(&self, t: i64, key: Key, id: &str) -> Option<Place> {
        let mut place = self.after(t.saturating_sub(1));
        while let Some(block) = self.blocks.get(place.block) {
            match block.get(place.index) {
                Some((at, row)) if at.t == t && at.id_hash == key.id_hash && row.id == id => return Some(place),
                Some((at, _)) if at.t > t => return None,
                Some(_) => place.index += 1,
                None => place = Place { block: place.block + 1, index: 0 },
            }
        }
        None
    }

    /// Inserts an event where its order says.
    pub(crate) fn insert(&mut self, key: Key, row: Row) {
        let n_before = self.blocks.len();
        let at = self.block_for(row.order(key.t));
        let Some(block) = self.blocks.get_mut(at) else { return };
        let index = block.position(row.order(key.t));
        let appended = index == block.len();
        block.insert(index, key, row);
        if key.is_cut() && !appended {
            let rest = block.split_off(index + 1);
            self.blocks.insert(at + 1, rest);
            self.rebuild(at);
        } else if appended && block.partial().is_some() {
            block.extend_partial();
        } else {
            self.rebuild(at);
        }
        self.settle(n_before);
    }

    /// Removes the event at a place.
    pub(crate) fn remove(&mut self, place: Place) -> Option<(Key, Row)> {
        let n_before = self.blocks.len();
        self.get(place)?;
        let block = self.blocks.get_mut(place.block)?;
        let (key, row) = block.remove(place.index);
        if block.is_empty() {
            self.blocks.remove(place.block);
        } else {
            if key.is_cut() && place.block + 1 < n_before {
                let next = self.blocks.remove(place.block + 1);
                if let Some(block) = self.blocks.get_mut(place.block) {
                    block.append(next);
                }
            }
            self.rebuild(place.block);
        }
        self.settle(n_before);
        Some((key, row))
    }

    /// Removes every event with a time at or before `t` and hands each to `gone`.
    pub(crate) fn remove_through(&mut self, t: i64, mut gone: impl FnMut(Key, Row)) {
        if self.first_time() > t {
            return;
        }
        let n_before = self.blocks.len();
        let whole = self.blocks.partition_point(|block| block.last_time() <= t);
        self.blocks.remove_front(whole, |block| block.into_events().for_each(|(key, row)| gone(key, row)));
        if let Some(first) = self.blocks.first_mut() {
            let index = first.after(t);
            first.remove_front(index).for_each(|(key, row)| gone(key, row));
            if index > 0 {
                self.rebuild(0);
            }
        }
        self.settle(n_before);
    }

    /// The block that an event of this order belongs to; a new one after a closed last block.
    fn block_for(&mut self, order: Order<'_>) -> usize {
        let n = self.blocks.len();
        let at = self.blocks.partition_point(|block| block.is_before(order));
        if at < n {
            return at;
        }
        match self.blocks.last() {
            Some(last) if !last.is_closed() => n - 1,
            _ => {
                self.blocks.insert(n, Block::default());
                n
            }
        }
    }

    /// Recomputes a block's partial after a change that was not an append.
    fn rebuild(&mut self, at: usize) {
        if self.blocks.len() > 1
            && let Some(block) = self.blocks.get_mut(at)
        {
            block.rebuild_partial();
        }
    }

    /// Partials exist iff there are several blocks: gives or takes them when that has changed.
    fn settle(&mut self, n_before: usize) {
        let n = self.blocks.len();
        if n == 1 {
            self.blocks.iter_mut().for_each(Block::drop_partial);
        } else if n != n_before {
            self.blocks.iter_mut().filter(|block| block.partial().is_none()).for_each(Block::rebuild_partial);
        }
    }
}

impl Blocks {
    fn insert(&mut self, at: usize, block: Block) {
        match self {
            Self::Many(blocks) if blocks.is_empty() => *self = Self::One(block),
            Self::Many(blocks) => blocks.insert(at, block),
            Self::One(first) => {
                let mut blocks = vec![std::mem::take(first)];
                blocks.insert(at, block);
                *self = Self::Many(blocks);
            }
        }
    }

    fn remove(&mut self, at: usize) -> Block {
        match self {
            Self::One(block) => {
                let block = std::mem::take(block);
                *self = Self::Many(Vec::new());
                block
            }
            Self::Many(blocks) => {
                let block = blocks.remove(at);
                self.inline();
                block
            }
        }
    }

    fn remove_front(&mut self, n: usize, mut gone: impl FnMut(Block)) {
        match self {
            Self::One(_) if n == 0 => {}
            Self::One(_) => gone(self.remove(0)),
            Self::Many(blocks) => {
                blocks.drain(..n).for_each(gone);
                self.inline();
            }
        }
    }

    fn inline(&mut self) {
        if let Self::Many(blocks) = self
            && blocks.len() == 1
            && let Some(block) = blocks.pop()
        {
            *self = Self::One(block);
        }
    }
}

impl Deref for Blocks {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        match self {
            Self::One(block) => std::slice::from_ref(block),
            Self::Many(blocks) => blocks,
        }
    }
}

impl DerefMut for Blocks {
    fn deref_mut(&mut self) -> &mut [Block] {
        match self {
            Self::One(block) => std::slice::from_mut(block),
            Self::Many(blocks) => blocks,
        }
    }
}
