//! What a reader sees of an actor's chains, however they are kept.

use std::ops::Range;

use super::block::{Block, StoredBlock};
use super::row::{Key, Row};
use super::supers::Supers;

/// The events of one verb.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VerbChain<'a> {
    pub(crate) verb: &'a str,
    pub(crate) chain: Chain<'a>,
}

/// The place of an event in a chain, or the end of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) block: usize,
    pub(crate) index: usize,
}

/// Events in order, in blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain<'a>(Blocks<'a>);

/// The blocks of a chain, oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blocks<'a> {
    One(Block<'a>),
    Many(&'a Supers),
}

impl<'a> Chain<'a> {
    pub(crate) fn new(blocks: Blocks<'a>) -> Self {
        Self(blocks)
    }

    pub(crate) fn blocks(self) -> Blocks<'a> {
        self.0
    }

    /// The super-blocks, where there are several blocks.
    pub(crate) fn supers(self) -> Option<&'a Supers> {
        match self.0 {
            Blocks::One(_) => None,
            Blocks::Many(supers) => Some(supers),
        }
    }

    /// The place of the first event with a time after `t`.
    pub(crate) fn after(self, t: i64) -> Place {
        let block = match self.0 {
            Blocks::One(block) => usize::from(block.last_time() <= t),
            Blocks::Many(supers) => supers.after(t),
        };
        Place { block, index: self.0.get(block).map_or(0, |block| block.after(t)) }
    }

    pub(crate) fn get(self, place: Place) -> Option<(Key, Row<'a>)> {
        self.0.get(place.block)?.get(place.index)
    }

    /// Every event, oldest first.
    pub(crate) fn iter(self) -> impl Iterator<Item = (Key, Row<'a>)> {
        self.0.numbered(0..usize::MAX).flat_map(|(_, block)| block.events())
    }

    /// The place of the event with this time and id.
    pub(crate) fn find(self, t: i64, id: &str) -> Option<Place> {
        let mut place = self.after(t.saturating_sub(1));
        while let Some(block) = self.0.get(place.block) {
            match block.get(place.index) {
                Some((at, row)) if at.t == t && row.id() == id => return Some(place),
                Some((at, _)) if at.t > t => return None,
                Some(_) => place.index += 1,
                None => place = Place { block: place.block + 1, index: 0 },
            }
        }
        None
    }
}

impl<'a> Blocks<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(supers) => supers.n_blocks(),
        }
    }

    pub(crate) fn get(self, number: usize) -> Option<Block<'a>> {
        match self {
            Self::One(block) => (number == 0).then_some(block),
            Self::Many(supers) => supers.get(number).map(StoredBlock::view),
        }
    }

    /// Some blocks with their numbers; those of them that are there.
    pub(crate) fn numbered(self, numbers: Range<usize>) -> impl DoubleEndedIterator<Item = (usize, Block<'a>)> {
        let (one, many) = match self {
            Self::One(block) => (numbers.contains(&0).then_some((0, block)), None),
            Self::Many(supers) => (None, Some(supers.range(numbers))),
        };
        one.into_iter().chain(many.into_iter().flatten().map(|(number, block)| (number, block.view())))
    }
}
