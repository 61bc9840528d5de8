//! The actions that a group of features looks at one by one: per verb, newest first, filtered once.

use std::cmp::Reverse;

use super::super::filter::Test;
use crate::chain::{Chain, Key, Order, Place, Row};

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
    /// Just after the next action to be read.
    next: Place,
    /// Actions at or before this time are invisible.
    floor: i64,
}

/// Matching actions of several verbs, in byte order of the verbs.
#[derive(Debug)]
pub(crate) struct Lanes<'a, 't> {
    pub(crate) lanes: Vec<Lane<'a>>,
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
}

impl<'a> Lane<'a> {
    /// Begins with the newest action at or before `upper`.
    pub(crate) fn new(verb: &'a str, chain: Chain<'a>, upper: i64, floor: i64) -> Self {
        Self { verb, hits: Vec::new(), chain, next: chain.after(upper), floor }
    }

    /// Reads the next action that passes; false when there is none.
    fn pull(&mut self, test: Option<&Test<'_>>) -> bool {
        while let Some((place, key, row)) = self.step() {
            if test.is_none_or(|test| test.passes(self.verb, row)) {
                let super_block = self.chain.supers().map_or(0, |supers| supers.holding(place.block));
                self.hits.push(Hit { t: key.t, row, block: place.block, super_block });
                return true;
            }
        }
        false
    }

    fn step(&mut self) -> Option<(Place, Key, Row<'a>)> {
        let place = match self.next.index.checked_sub(1) {
            Some(index) => Place { index, ..self.next },
            None => {
                let block = self.next.block.checked_sub(1)?;
                Place { block, index: self.chain.blocks().get(block)?.len().checked_sub(1)? }
            }
        };
        let (key, row) = self.chain.get(place)?;
        if key.t <= self.floor {
            return None;
        }
        self.next = place;
        Some((place, key, row))
    }
}

impl<'a, 't> Lanes<'a, 't> {
    pub(crate) fn new(lanes: Vec<Lane<'a>>, test: Option<&'t Test<'t>>) -> Self {
        Self { lanes, test }
    }

    /// Reads every action after `lower`.
    pub(crate) fn read_after(&mut self, lower: i64) {
        for lane in &mut self.lanes {
            while lane.hits.last().is_none_or(|hit| hit.t > lower) && lane.pull(self.test) {}
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
        let (_, hit, lane) = self.heads(lanes).max_by_key(|(order, _, lane)| (*order, Reverse(*lane)))?;
        *self.at.get_mut(lane)? += 1;
        Some(hit)
    }

    /// The next action without taking it.
    pub(crate) fn peek<'a>(&self, lanes: &mut Lanes<'a, '_>) -> Option<Hit<'a>> {
        self.heads(lanes).max_by_key(|(order, ..)| *order).map(|(_, hit, _)| hit)
    }

    fn heads<'a>(&self, lanes: &mut Lanes<'a, '_>) -> impl Iterator<Item = (Order<'a>, Hit<'a>, usize)> {
        let at = self.at.iter().enumerate();
        at.filter_map(|(lane, number)| lanes.hit(lane, *number).map(|hit| (hit.order(), hit, lane)))
    }
}
