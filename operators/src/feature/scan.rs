//! One chain seen through the windows of a query.

use super::plan::PlannedSum;
use crate::chain::{Block, Chain, Column, ColumnSum, Key, Place, Row, Span};

/// A chain with the places where the windows begin and where they all end.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) verb: &'a str,
    chain: &'a Chain,
    /// The first event after `as_of`.
    upper: Place,
    /// Shortest window first, so latest place first.
    edges: Vec<Edge>,
}

/// Where one window begins.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// The first event inside.
    lower: Place,
    /// The events from there to the upper end.
    span: Span,
}

impl<'a> Scan<'a> {
    /// Places the windows `(bound, as_of]`; `bounds` descend.
    pub(crate) fn new(verb: &'a str, chain: &'a Chain, as_of: i64, bounds: &[i64]) -> Self {
        let upper = chain.after(as_of);
        let newest = chain.before(upper).and_then(|place| chain.get(place)).map_or(i64::MIN, |(key, _)| key.t);
        let (mut n, mut from) = (0, upper);
        let edge = |bound: &i64| {
            let lower = chain.after(*bound).min(upper);
            n += chain.distance(lower, from);
            from = lower;
            let oldest = chain.get(lower).map_or(i64::MAX, |(key, _)| key.t);
            Edge { lower, span: if n > 0 { Span { n, oldest, newest } } else { Span::default() } }
        };
        Self { verb, chain, upper, edges: bounds.iter().map(edge).collect() }
    }

    /// The events in a window.
    pub(crate) fn span(&self, edge: usize) -> Span {
        self.edges.get(edge).map_or_else(Span::default, |edge| edge.span)
    }

    /// Whether any window holds any event.
    pub(crate) fn is_empty(&self) -> bool {
        self.edges.last().is_none_or(|widest| widest.span.n == 0)
    }

    /// Events at or before `as_of`, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = (Key, &'a Row)> + use<'a> {
        let upper = self.upper;
        let blocks = self.chain.blocks().iter().enumerate().rev().skip_while(move |(number, _)| *number > upper.block);
        blocks.flat_map(move |(number, block)| {
            let to = if number == upper.block { upper.index } else { block.len() };
            block.keys().iter().copied().zip(block.rows()).take(to).rev()
        })
    }

    /// Writes to `sums` the sum of one column over each of the windows that `planned` names, in its order.
    ///
    /// Goes from the newest block to the oldest with the sum of all blocks passed. Where a window begins, its result
    /// is that sum plus the block's own events inside, and the pass goes on with the block's whole sum.
    pub(crate) fn sum(&self, column: Column, planned: &PlannedSum, sums: &mut Vec<ColumnSum>) {
        sums.clear();
        let mut begins = planned.edges.iter().filter_map(|edge| self.edges.get(*edge)).peekable();
        while begins.next_if(|edge| edge.span.n == 0).is_some() {
            sums.push(ColumnSum::default());
        }
        let mut passed = ColumnSum::default();
        let blocks = self.chain.blocks().iter().enumerate().rev().skip_while(|(number, _)| *number > self.upper.block);
        for (number, block) in blocks {
            let to = if number == self.upper.block { self.upper.index } else { block.len() };
            while let Some(edge) = begins.next_if(|edge| edge.lower.block == number) {
                let mut sum = if begins.peek().is_none() { std::mem::take(&mut passed) } else { passed.clone() };
                block.add_sum(column, edge.lower.index, to, &mut sum);
                sums.push(sum);
            }
            if begins.peek().is_none() {
                return;
            }
            block.add_sum(column, 0, to, &mut passed);
        }
    }
}

impl Chain {
    /// The place just before another.
    fn before(&self, place: Place) -> Option<Place> {
        match place.index.checked_sub(1) {
            Some(index) => Some(Place { block: place.block, index }),
            None => {
                let block = place.block.checked_sub(1)?;
                Some(Place { block, index: self.blocks().get(block)?.len().checked_sub(1)? })
            }
        }
    }

    /// Events from one place up to another that does not come before it.
    fn distance(&self, from: Place, to: Place) -> u64 {
        let between = self.blocks().get(from.block..to.block).unwrap_or(&[]);
        let n: usize = between.iter().map(Block::len).sum();
        (n + to.index).saturating_sub(from.index) as u64
    }
}
