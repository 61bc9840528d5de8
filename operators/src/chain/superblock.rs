//! One super-block: about 64 blocks and their sums.

use std::sync::OnceLock;

use super::block::StoredBlock;
use super::memory::{Heap, Memory};
use super::partial::Partial;
use super::removed::Gone;
use super::row::{NewEvent, Order};
use super::search;

/// Consecutive blocks, the last of which ends with a super-cut unless the super-block is the chain's newest.
#[derive(Debug)]
pub(crate) struct Super {
    /// The number of its first block.
    pub(crate) first: usize,
    pub(crate) n_events: usize,
    /// The time of its last event.
    last_time: i64,
    /// The times of its blocks' last events, close together for searches.
    last_times: Vec<i64>,
    blocks: Vec<StoredBlock>,
    sums: OnceLock<Partial>,
    newest: OnceLock<Vec<Partial>>,
}

/// Blocks from one sum over the newest blocks to the next.
const STEP: usize = 4;

/// With so many blocks a super-block has their sums before anybody asks; most actors never have so many.
const LARGE: usize = 4;

impl Super {
    pub(super) fn new(first: usize, blocks: Vec<StoredBlock>) -> Self {
        let (sums, newest) = (OnceLock::new(), OnceLock::new());
        let (last_time, last_times) = (i64::MIN, Vec::new());
        let mut new = Self { first, n_events: 0, last_time, last_times, blocks, sums, newest };
        new.changed();
        new
    }

    pub(crate) fn blocks(&self) -> &[StoredBlock] {
        &self.blocks
    }

    pub(super) fn into_blocks(self) -> Vec<StoredBlock> {
        self.blocks
    }

    /// The time of its last event.
    pub(super) fn last_time(&self) -> i64 {
        self.last_time
    }

    /// Whether later events belong to another one.
    pub(super) fn is_closed(&self) -> bool {
        self.blocks.last().is_some_and(StoredBlock::ends_super)
    }

    /// Of its blocks the first with an event after `t`; or how many there are.
    pub(super) fn after(&self, t: i64) -> usize {
        search::n_before(&self.last_times, |last| *last <= t)
    }

    /// Of its blocks the first that does not come before `order`.
    pub(super) fn place(&self, order: Order<'_>) -> Option<usize> {
        let from = search::n_before(&self.last_times, |last| *last < order.t);
        let later = self.last_times.iter().zip(&self.blocks).skip(from);
        let n_before = later.take_while(|(last, block)| **last == order.t && block.is_before(order)).count();
        Some(from + n_before).filter(|at| *at < self.blocks.len())
    }

    /// The sums over its blocks, newest first; they are kept until anything in it changes.
    pub(crate) fn whole(&self) -> &Partial {
        self.sums.get_or_init(|| self.sums_of_newest(0).0)
    }

    /// The sum over as many of the newest blocks as there is one for, up to `most`; and how many those are. A window that
    /// begins inside adds up few blocks then.
    pub(crate) fn newest(&self, most: usize) -> (Option<&Partial>, usize) {
        if most < STEP {
            return (None, 0);
        }
        let steps = self.newest.get_or_init(|| self.sums_of_newest(STEP).1);
        let n = (most / STEP).min(steps.len());
        (n.checked_sub(1).and_then(|at| steps.get(at)), n * STEP)
    }

    /// Whether the sums that are kept are those of its blocks, its events are counted, and searches find its blocks.
    pub(super) fn is_sound(&self) -> bool {
        let (whole, steps) = self.sums_of_newest(STEP);
        self.sums.get().is_none_or(|own| *own == whole)
            && self.newest.get().is_none_or(|own| *own == steps)
            && self.n_events == self.blocks.iter().map(StoredBlock::len).sum::<usize>()
            && self.last_times.last() == Some(&self.last_time)
            && self.last_times.iter().copied().eq(self.blocks.iter().map(StoredBlock::last_time))
    }

    /// Counts the memory that it takes, without itself.
    pub(super) fn measure(&self, memory: &mut Memory) {
        (Heap::vec(&self.blocks) + Heap::vec(&self.last_times)).count(&mut memory.index, &mut memory.overhead);
        self.blocks.iter().for_each(|block| block.measure(memory));
        let steps = self.newest.get().map(|steps| Heap::vec(steps) + steps.iter().map(Partial::heap).sum());
        let sums = self.sums.get().map(Partial::heap).into_iter().chain(steps);
        sums.for_each(|heap| heap.count(&mut memory.partials, &mut memory.overhead));
    }

    /// Inserts an event into one of its blocks; whether that was split, since the event is a cut.
    pub(super) fn insert(&mut self, at: usize, is_cut: bool, event: &mut NewEvent) -> bool {
        let is_large = self.blocks.len() >= LARGE;
        let (Some(block), Some(last_time)) = (self.blocks.get_mut(at), self.last_times.get(at)) else { return false };
        let index = block.insert(*last_time, event);
        self.n_events += 1;
        let rest = (is_cut && index + 1 < block.len()).then(|| block.split_off(index + 1));
        let last_time = block.last_time();
        if rest.is_some() && is_large {
            // Whoever comes next reads the halves; their events are in the cache now.
            block.partial();
        }
        if let Some(last) = self.last_times.get_mut(at) {
            *last = last_time;
        }
        let is_split = rest.is_some();
        if let Some(rest) = rest {
            if is_large {
                rest.partial();
            }
            self.last_times.insert(at + 1, rest.last_time());
            self.blocks.insert(at + 1, rest);
        }
        self.forget();
        is_split
    }

    /// What comes after a block that ends with a super-cut, as one of its own.
    pub(super) fn split_after(&mut self, at: usize) -> Option<Self> {
        if !self.blocks.get(at).is_some_and(StoredBlock::ends_super) || at + 1 == self.blocks.len() {
            return None;
        }
        let rest = Self::new(0, self.blocks.split_off(at + 1));
        self.changed();
        Some(rest)
    }

    /// Adds a block at the end.
    pub(super) fn push(&mut self, block: StoredBlock) {
        self.n_events += block.len();
        self.last_times.push(block.last_time());
        self.blocks.push(block);
        self.forget();
    }

    /// Adds the blocks of the next one.
    pub(super) fn extend(&mut self, next: Self) {
        self.blocks.extend(next.blocks);
        self.changed();
    }

    pub(super) fn remove(&mut self, at: usize, index: usize, gone: &mut Gone) {
        if let Some(block) = self.blocks.get_mut(at) {
            block.remove(index, index + 1, gone);
        }
        self.changed();
    }

    /// Takes out a block that has no events left, or joins it with the next one where what was between them is gone.
    pub(super) fn heal(&mut self, at: usize, was_cut: bool) {
        if self.blocks.get(at).is_some_and(StoredBlock::is_empty) {
            self.blocks.remove(at);
        } else if was_cut && at + 1 < self.blocks.len() {
            let next = self.blocks.remove(at + 1);
            if let Some(block) = self.blocks.get_mut(at) {
                block.append(next);
            }
        }
        self.changed();
    }

    /// Removes the events before a place.
    pub(super) fn remove_before(&mut self, at: usize, index: usize, gone: &mut Gone) {
        gone.blocks.extend(self.blocks.drain(..at));
        if let Some(first) = self.blocks.first_mut() {
            first.remove(0, index, gone);
        }
        self.changed();
    }

    /// Sums over all blocks, and over the `step` newest, the 2 * `step` newest, and so on.
    fn sums_of_newest(&self, step: usize) -> (Partial, Vec<Partial>) {
        let (mut sum, mut steps) = (Partial::default(), Vec::new());
        for (number, block) in self.blocks.iter().rev().enumerate() {
            if number > 0 && step > 0 && number % step == 0 {
                steps.push(sum.clone());
            }
            sum.merge(block.partial());
        }
        (sum, steps)
    }

    /// Its blocks are others.
    fn changed(&mut self) {
        self.n_events = self.blocks.iter().map(StoredBlock::len).sum();
        self.last_times.clear();
        self.last_times.extend(self.blocks.iter().map(StoredBlock::last_time));
        self.forget();
    }

    /// The sums over its blocks are others, and its last event may be.
    fn forget(&mut self) {
        self.last_time = self.last_times.last().copied().unwrap_or(i64::MIN);
        self.sums.take();
        self.newest.take();
    }
}
