//! The second level: super-blocks of about 64 blocks, cut after events whose id hash has its low twelve bits zero.

use std::sync::OnceLock;

use super::block::StoredBlock;
use super::memory::Heap;
use super::partial::Partial;

/// The super-blocks of a chain with several blocks, oldest first. Together they hold every block once.
#[derive(Debug)]
pub(crate) struct Supers(Vec<Super>);

/// Consecutive blocks, the last of which ends with a super-cut unless the super-block is the chain's newest.
#[derive(Debug)]
pub(crate) struct Super {
    /// The number of its first block.
    pub(crate) first: usize,
    pub(crate) n_events: usize,
    /// Sums over its blocks; there once a reader needed them and until anything in it changes.
    folds: OnceLock<Box<Folds>>,
}

/// Sums over the blocks of a super-block, newest first.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Folds {
    /// Over all of its blocks.
    pub(crate) whole: Partial,
    /// Over its [`STEP`] newest blocks, its 2 * `STEP` newest, and so on, where it is not the chain's newest: so a
    /// window that begins inside adds up few blocks.
    newest: Vec<Partial>,
}

/// Blocks from one sum in [`Folds::newest`] to the next.
const STEP: usize = 4;

impl Folds {
    /// Of these blocks, the oldest first.
    pub(crate) fn of(blocks: &[StoredBlock], is_newest: bool) -> Self {
        let mut folds = Self::default();
        for (number, block) in blocks.iter().rev().enumerate() {
            if number > 0 && number % STEP == 0 && !is_newest {
                folds.newest.push(folds.whole.clone());
            }
            folds.whole.merge(block.partial());
        }
        folds
    }

    /// The sum over as many of the newest blocks as there is one for, up to `most`; and how many those are.
    pub(crate) fn newest(&self, most: usize) -> (Option<&Partial>, usize) {
        let n = (most / STEP).min(self.newest.len());
        (n.checked_sub(1).and_then(|at| self.newest.get(at)), n * STEP)
    }

    /// Whether it holds sums over some of the blocks only.
    pub(crate) fn is_stepped(&self) -> bool {
        !self.newest.is_empty()
    }

    fn heap(&self) -> Heap {
        let newest: Heap = self.newest.iter().map(Partial::heap).sum();
        Heap::piece(size_of::<Self>(), size_of::<Self>()) + self.whole.heap() + Heap::vec(&self.newest) + newest
    }
}

impl Super {
    fn new(first: usize, n_events: usize) -> Self {
        Self { first, n_events, folds: OnceLock::new() }
    }

    /// The sums over its blocks, which are `blocks`.
    pub(crate) fn folds(&self, blocks: &[StoredBlock], is_newest: bool) -> &Folds {
        self.folds.get_or_init(|| Box::new(Folds::of(blocks, is_newest)))
    }

    /// The sums, if they are there.
    pub(crate) fn known_folds(&self) -> Option<&Folds> {
        self.folds.get().map(|folds| &**folds)
    }
}

impl Supers {
    /// Cuts blocks into super-blocks.
    pub(crate) fn of(blocks: &[StoredBlock]) -> Self {
        let mut supers = Self(Vec::new());
        let mut begins = true;
        for (number, block) in blocks.iter().enumerate() {
            if begins {
                supers.0.push(Super::new(number, 0));
            }
            begins = block.ends_super();
            supers.grow(number, block.len());
        }
        supers
    }

    /// Memory that their partials take.
    pub(crate) fn partials_heap(&self) -> Heap {
        self.0.iter().filter_map(Super::known_folds).map(Folds::heap).sum()
    }

    /// Memory that the list takes.
    pub(crate) fn heap(&self) -> Heap {
        Heap::vec(&self.0)
    }

    pub(crate) fn as_slice(&self) -> &[Super] {
        &self.0
    }

    /// The number of the super-block that holds a block.
    pub(crate) fn holding(&self, block: usize) -> usize {
        self.0.partition_point(|own| own.first <= block).saturating_sub(1)
    }

    /// Where the blocks of a super-block end, of `n_blocks` in all.
    pub(crate) fn end(&self, number: usize, n_blocks: usize) -> usize {
        self.0.get(number + 1).map_or(n_blocks, |next| next.first)
    }

    /// A block has this many events more.
    pub(crate) fn grow(&mut self, block: usize, n_events: usize) {
        if let Some(own) = self.holding_mut(block) {
            own.n_events += n_events;
            own.folds.take();
        }
    }

    /// A block has this many events less.
    pub(crate) fn shrink(&mut self, block: usize, n_events: usize) {
        if let Some(own) = self.holding_mut(block) {
            own.n_events = own.n_events.saturating_sub(n_events);
            own.folds.take();
        }
    }

    /// An empty block was appended as `blocks` shows.
    pub(crate) fn push(&mut self, blocks: &[StoredBlock]) {
        if blocks.iter().rev().nth(1).is_some_and(StoredBlock::ends_super) {
            // As the newest one it had no sums over some of its blocks only.
            self.0.iter_mut().last().into_iter().for_each(|before| drop(before.folds.take()));
            self.0.push(Super::new(blocks.len() - 1, 0));
        }
    }

    /// A block was split in two as `blocks` shows.
    pub(crate) fn split(&mut self, block: usize, blocks: &[StoredBlock]) {
        let own = self.holding(block);
        self.0.iter_mut().skip(own + 1).for_each(|later| later.first += 1);
        if blocks.get(block).is_some_and(StoredBlock::ends_super) {
            let rest = blocks.get(block + 1..self.end(own, blocks.len())).unwrap_or(&[]);
            let n_events = rest.iter().map(StoredBlock::len).sum();
            self.shrink(block, n_events);
            self.0.insert(own + 1, Super::new(block + 1, n_events));
        }
    }

    /// Blocks were taken out or joined as `blocks` shows. The super-blocks `..before` and `after..` did not change and
    /// keep their partials.
    pub(crate) fn rebuild(&mut self, blocks: &[StoredBlock], before: usize, after: usize) {
        let old = std::mem::replace(self, Self::of(blocks)).0;
        let (n_old, n_new) = (old.len(), self.0.len());
        for (number, old) in old.into_iter().enumerate() {
            let at = match number {
                _ if number < before => Some(number),
                _ if number >= after => (number + n_new).checked_sub(n_old),
                _ => None,
            };
            if let Some(new) = at.and_then(|at| self.0.get_mut(at)) {
                new.folds = old.folds;
            }
        }
    }

    fn holding_mut(&mut self, block: usize) -> Option<&mut Super> {
        let number = self.holding(block);
        self.0.get_mut(number)
    }
}
