//! One chain seen through the windows of a query.

use std::iter::Peekable;
use std::ops::Range;

use super::late::LateCells;
use super::plan::PlannedSum;
use crate::chain::{Block, Chain, Column, ColumnSum, Key, Place, Row, Span, SumRef, Super};

/// A chain with the places where the windows begin and where they all end.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) verb: &'a str,
    chain: Chain<'a>,
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
    pub(crate) fn new(verb: &'a str, chain: Chain<'a>, as_of: i64, bounds: &[i64]) -> Self {
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
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = (Key, Row<'a>)> + use<'a> {
        let upper = self.upper;
        let blocks = self.chain.blocks().numbered(0..upper.block + 1).rev();
        blocks.flat_map(move |(number, block)| {
            let to = if number == upper.block { upper.index } else { block.len() };
            block.events().take(to).rev()
        })
    }

    /// Writes to `sums` the sum of one column over each of the windows that `planned` names, in its order.
    ///
    /// Goes from the newest super-block to the oldest with the sum of all those passed, and within one from its newest
    /// block to its oldest with the sum of those. Where a window begins, its result is what was passed plus its own
    /// events in that block; the pass goes on with the whole block, so no window depends on another.
    pub(crate) fn sum(&self, column: Column, planned: &PlannedSum, sums: &mut Vec<ColumnSum>) {
        sums.clear();
        let mut begins = planned.edges.iter().filter_map(|edge| self.edges.get(*edge)).peekable();
        while begins.next_if(|edge| edge.span.n == 0).is_some() {
            sums.push(ColumnSum::default());
        }
        let n_blocks = self.chain.blocks().len();
        let n_supers = self.chain.supers().map_or(1, |supers| supers.holding(self.upper.block) + 1);
        let mut passed = ColumnSum::default();
        for number in (0..n_supers).rev() {
            if begins.peek().is_none() {
                return;
            }
            let blocks = self.super_blocks(number, n_blocks);
            let Some(own) = self.super_block(number, &blocks) else {
                self.sum_super(column, blocks, &mut begins, &mut passed, sums);
                continue;
            };
            while let Some(edge) = begins.next_if(|edge| edge.lower.block >= blocks.start) {
                sums.push(passed.plus(self.sum_newest(column, &blocks, own, edge.lower)));
            }
            if begins.peek().is_some()
                && let Some(whole) = own.whole().column(column)
            {
                passed.merge_part(whole);
            }
        }
    }

    /// Like [`sum`](Self::sum), for an attribute that joins late: there are no partials, so each window adds up its own
    /// events, block by block, newest first.
    pub(crate) fn sum_late(&self, cells: &mut LateCells<'a>, planned: &PlannedSum, sums: &mut Vec<ColumnSum>) {
        sums.clear();
        for (number_of_window, edge) in planned.edges.iter().filter_map(|edge| Some((*edge, self.edges.get(*edge)?))) {
            let mut window = ColumnSum::default();
            let blocks = self.chain.blocks().numbered(edge.lower.block..self.upper.block + 1);
            for (number, block) in blocks.rev() {
                let from = if number == edge.lower.block { edge.lower.index } else { 0 };
                let to = if number == self.upper.block { self.upper.index } else { block.len() };
                window.merge(&late_sum(block, from..to, cells, number_of_window));
            }
            sums.push(window);
        }
    }

    /// The sum over the events of a super-block from a place on.
    fn sum_newest(&self, column: Column, blocks: &Range<usize>, own: &Super, from: Place) -> ColumnSum {
        if from == (Place { block: blocks.start, index: 0 }) {
            return own.whole().column(column).map_or_else(ColumnSum::default, SumRef::to_sum);
        }
        // The chain's newest super-block changes so often that sums over parts of it would seldom serve twice.
        let is_newest = blocks.end == self.chain.blocks().len();
        let (newest, n) = own.newest(if is_newest { 0 } else { blocks.end.saturating_sub(from.block + 1) });
        let mut within = newest.and_then(|sum| sum.column(column)).map_or_else(ColumnSum::default, SumRef::to_sum);
        for (_, block) in self.chain.blocks().numbered(from.block + 1..blocks.end - n).rev() {
            if let Some(whole) = block.partial().and_then(|partial| partial.column(column)) {
                within.merge_part(whole);
            }
        }
        match self.chain.blocks().get(from.block) {
            Some(block) => self.plus(&within, block, column, from.index..block.len()),
            None => within,
        }
    }

    /// Goes through one super-block, from its newest block to its oldest.
    fn sum_super<'e>(
        &self,
        column: Column,
        blocks: Range<usize>,
        begins: &mut Peekable<impl Iterator<Item = &'e Edge>>,
        passed: &mut ColumnSum,
        sums: &mut Vec<ColumnSum>,
    ) {
        let mut within = ColumnSum::default();
        for (number, block) in self.chain.blocks().numbered(blocks).rev() {
            let to = if number == self.upper.block { self.upper.index } else { block.len() };
            while let Some(edge) = begins.next_if(|edge| edge.lower.block == number) {
                sums.push(passed.plus(self.plus(&within, block, column, edge.lower.index..to)));
            }
            if begins.peek().is_none() {
                return;
            }
            if to == block.len() && self.chain.supers().is_some() {
                if let Some(whole) = block.partial().and_then(|partial| partial.column(column)) {
                    within.merge_part(whole);
                }
            } else {
                within.merge(&block.fold(column, 0, to));
            }
        }
        passed.merge(&within);
    }

    /// A sum and the sum over some events of a block: its partial where those are all and the chain keeps partials.
    fn plus(&self, sum: &ColumnSum, block: Block<'_>, column: Column, events: Range<usize>) -> ColumnSum {
        if events == (0..block.len()) && self.chain.supers().is_some() {
            let whole = block.partial().and_then(|partial| partial.column(column));
            whole.map_or_else(|| sum.clone(), |whole| sum.plus(whole.to_sum()))
        } else {
            sum.plus(block.fold(column, events.start, events.end))
        }
    }

    /// The blocks of a super-block, up to the upper end.
    fn super_blocks(&self, number: usize, n_blocks: usize) -> Range<usize> {
        let Some(supers) = self.chain.supers() else { return 0..n_blocks };
        let first = supers.as_slice().get(number).map_or(0, |own| own.first);
        first..supers.end(number).min(self.upper.block + 1)
    }

    /// A super-block that lies before the upper end.
    fn super_block(&self, number: usize, blocks: &Range<usize>) -> Option<&'a Super> {
        if blocks.end > self.upper.block { None } else { self.chain.supers()?.as_slice().get(number) }
    }
}

/// The sum over some events of a block, in order.
fn late_sum<'a>(block: Block<'a>, events: Range<usize>, cells: &mut LateCells<'a>, window: usize) -> ColumnSum {
    let mut sum = ColumnSum::default();
    for (key, row) in block.events().take(events.end).skip(events.start) {
        if let Some(cell) = cells.get(row.object(), window) {
            sum.add(key.t, cell);
        }
    }
    sum
}

impl Chain<'_> {
    /// The place just before another.
    fn before(self, place: Place) -> Option<Place> {
        match place.index.checked_sub(1) {
            Some(index) => Some(Place { block: place.block, index }),
            None => {
                let block = place.block.checked_sub(1)?;
                Some(Place { block, index: self.blocks().get(block)?.len().checked_sub(1)? })
            }
        }
    }

    /// Events from one place up to another that does not come before it.
    fn distance(self, from: Place, to: Place) -> u64 {
        (self.n_before(to.block, from.block) + to.index).saturating_sub(from.index) as u64
    }

    /// Events in the blocks from `first` up to `end`.
    fn n_before(self, end: usize, first: usize) -> usize {
        let in_blocks = |first, end| self.blocks().numbered(first..end).map(|(_, block)| block.len()).sum::<usize>();
        let Some(supers) = self.supers() else { return in_blocks(first, end) };
        let (from, to) = (supers.holding(first) + 1, supers.holding(end));
        match (supers.as_slice().get(from), supers.as_slice().get(to)) {
            (Some(second), Some(last)) if from <= to => {
                let whole = supers.as_slice().get(from..to).unwrap_or(&[]);
                let whole: usize = whole.iter().map(|own| own.n_events).sum();
                in_blocks(first, second.first) + whole + in_blocks(last.first, end)
            }
            _ => in_blocks(first, end),
        }
    }
}
