//! The actions that a group of features looks at one by one: per verb, newest first, filtered once.

use std::cmp::Ordering;

use super::super::filter::Test;
use crate::chain::{Block, Chain, Key, Order, Row};

/// An action that matched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) t: i64,
    pub(crate) row: Row<'a>,
    /// Its logical block and super-block, for the canonical order of sums.
    pub(crate) block: usize,
    pub(crate) super_block: usize,
}

/// The matching actions of one verb, newest first, read from the chain as far as anybody asked.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    pub(crate) verb: &'a str,
    pub(crate) hits: Vec<Hit<'a>>,
    chain: Chain<'a>,
    /// The block that is being read.
    at: At<'a>,
    /// Actions at or before this time are invisible.
    floor: i64,
}

/// A block, and how many of its actions are yet to be read.
#[derive(Clone, Copy, Debug)]
struct At<'a> {
    number: usize,
    super_block: usize,
    block: Option<Block<'a>>,
    left: usize,
}

/// Matching actions of several verbs, in byte order of the verbs.
#[derive(Debug)]
pub(crate) struct Lanes<'a, 't> {
    pub(crate) lanes: Vec<Lane<'a>>,
    /// How many actions of each are read for a window in time.
    pub(crate) most: usize,
    test: Option<&'t Test<'t>>,
}

/// How far a walk over all verbs came: per lane, the number of its hits that lie behind.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub(crate) at: Vec<usize>,
}

impl<'a> Hit<'a> {
    pub(crate) fn order(&self) -> Order<'a> {
        self.row.order(self.t)
    }

    /// In the order of events; what comes after the time is only looked at where times are equal.
    pub(crate) fn cmp(&self, other: &Self) -> Ordering {
        self.t.cmp(&other.t).then_with(|| self.order().cmp(&other.order()))
    }
}

impl<'a> Lane<'a> {
    /// Begins with the newest action at or before `upper`.
    pub(crate) fn new(verb: &'a str, chain: Chain<'a>, upper: i64, floor: i64) -> Self {
        let upper = chain.after(upper);
        let at = At::new(chain, upper.block, upper.index);
        Self { verb, hits: Vec::new(), chain, at, floor }
    }

    /// Reads the next action that passes; false when there is none.
    fn pull(&mut self, test: Option<&Test<'_>>) -> bool {
        while let Some((key, row)) = self.step() {
            if test.is_none_or(|test| test.passes(self.verb, row)) {
                let At { number: block, super_block, .. } = self.at;
                self.hits.push(Hit { t: key.t, row, block, super_block });
                return true;
            }
        }
        false
    }

    fn step(&mut self) -> Option<(Key, Row<'a>)> {
        while self.at.left == 0 {
            let number = self.at.number.checked_sub(1)?;
            self.at = At::new(self.chain, number, usize::MAX);
        }
        let (key, row) = self.at.block?.get(self.at.left - 1)?;
        if key.t <= self.floor {
            return None;
        }
        self.at.left -= 1;
        Some((key, row))
    }
}

impl<'a> At<'a> {
    /// Up to `left` actions of a block.
    fn new(chain: Chain<'a>, number: usize, left: usize) -> Self {
        let block = chain.blocks().get(number);
        let super_block = chain.supers().map_or(0, |supers| supers.holding(number));
        Self { number, super_block, block, left: left.min(block.map_or(0, Block::len)) }
    }
}

impl<'a, 't> Lanes<'a, 't> {
    pub(crate) fn new(lanes: Vec<Lane<'a>>, test: Option<&'t Test<'t>>) -> Self {
        Self { lanes, most: usize::MAX, test }
    }

    /// Reads every action after `lower`, or the newest of them.
    pub(crate) fn read_after(&mut self, lower: i64) {
        for lane in &mut self.lanes {
            let is_after = |hit: &Hit<'_>| hit.t > lower;
            while lane.hits.len() < self.most && lane.hits.last().is_none_or(is_after) && lane.pull(self.test) {}
        }
    }

    /// The hit with this number of a lane, counted from the newest.
    fn hit(&mut self, lane: usize, number: usize) -> Option<Hit<'a>> {
        let lane = self.lanes.get_mut(lane)?;
        while lane.hits.len() <= number && lane.pull(self.test) {}
        lane.hits.get(number).copied()
    }

    /// A walk that has not begun.
    pub(crate) fn walk(&self) -> Walk {
        Walk { at: vec![0; self.lanes.len()] }
    }
}

impl Walk {
    /// The next action of all verbs, newest first.
    pub(crate) fn next<'a>(&mut self, lanes: &mut Lanes<'a, '_>) -> Option<Hit<'a>> {
        self.next_if(lanes, |_| true)
    }

    /// The next action, if it is as wanted; otherwise the walk stays where it is.
    pub(crate) fn next_if<'a>(
        &mut self,
        lanes: &mut Lanes<'a, '_>,
        wanted: impl FnOnce(&Hit<'a>) -> bool,
    ) -> Option<Hit<'a>> {
        let (lane, hit) = self.head(lanes).filter(|(_, hit)| wanted(hit))?;
        *self.at.get_mut(lane)? += 1;
        Some(hit)
    }

    fn head<'a>(&self, lanes: &mut Lanes<'a, '_>) -> Option<(usize, Hit<'a>)> {
        let at = self.at.iter().enumerate();
        let heads = at.filter_map(|(lane, number)| Some((lane, lanes.hit(lane, *number)?)));
        heads.max_by(|(_, a), (_, b)| a.cmp(b))
    }
}
