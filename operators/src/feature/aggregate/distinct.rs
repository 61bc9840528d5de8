//! Numbers of different values: exact in small windows, estimated in large ones.

use std::collections::HashSet;
use std::ops::ControlFlow;

use cardinality_estimator::CardinalityEstimator;
use foldhash::fast::RandomState;

use super::super::group::GroupKey;
use super::super::path::Resolved;
use super::super::plan::Planned;
use super::super::result::WindowResult;
use super::super::value::FeatureValue;
use super::{Visitor, resolved_is_verb, ring};
use crate::chain::{Key, Row, Span};

/// Three standard errors of the sketch with its 4,096 registers: 3 * 1.04 / sqrt(4096).
const SKETCH_ERROR: f64 = 0.048_75;

/// Different values per window.
#[derive(Debug)]
pub(crate) struct Distinct<'a> {
    path: Resolved,
    cap: usize,
    bounds: Vec<i64>,
    /// One per window. Each is fed by its own events only, in the order of the walk, so that neither the arrival
    /// order nor the other windows can change an estimate.
    windows: Vec<Values<'a>>,
    used: Vec<Span>,
}

/// The different values that were met.
#[derive(Debug)]
pub(crate) enum Values<'a> {
    /// All values, and their hashes in the order in which they came up.
    Exact(HashSet<GroupKey<'a>, RandomState>, Vec<u64>),
    Sketch(Box<CardinalityEstimator<u64>>),
}

impl<'a> Distinct<'a> {
    pub(crate) fn new(path: Resolved, cap: usize, bounds: Vec<i64>) -> Self {
        let windows = bounds.iter().map(|_| Values::default()).collect();
        Self { path, cap, windows, used: vec![Span::default(); bounds.len()], bounds }
    }

    pub(crate) fn is_of_verb(&self) -> bool {
        resolved_is_verb(self.path)
    }

    /// Counts a chain's verb in the windows that hold any of its events.
    pub(crate) fn chain(&mut self, verb: &'a str, spans: impl Iterator<Item = Span>) {
        for ((values, used), span) in self.windows.iter_mut().zip(&mut self.used).zip(spans) {
            if span.n > 0 {
                values.insert(GroupKey::Text(verb), self.cap);
                used.merge(span);
            }
        }
    }

    pub(crate) fn finish(self, planned: &Planned, matched: &[Span]) -> Vec<WindowResult> {
        let windows = planned.windows.iter().zip(matched).zip(self.windows).zip(self.used);
        let results = windows.map(|(((window, matched), values), used)| {
            let (n, error_bound) = values.count();
            let value = FeatureValue::Count(n);
            WindowResult { error_bound, ..WindowResult::new(&window.label, value, used, matched.n - used.n, matched.n) }
        });
        results.collect()
    }
}

impl<'a> Visitor<'a> for Distinct<'a> {
    fn visit(&mut self, verb: &'a str, key: Key, row: Row<'a>) -> ControlFlow<()> {
        let Some(ring) = ring(&self.bounds, key.t) else { return ControlFlow::Break(()) };
        let value = GroupKey::of(self.path.find(verb, row));
        if value != GroupKey::Null {
            self.used.iter_mut().skip(ring).for_each(|used| used.add(key.t));
            for values in self.windows.iter_mut().skip(ring) {
                // What a window has seen, every longer one has seen.
                if !values.insert(value, self.cap) {
                    break;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl Default for Values<'_> {
    fn default() -> Self {
        Self::Exact(HashSet::default(), Vec::new())
    }
}

impl<'a> Values<'a> {
    /// Returns false when the value is known to have been there.
    pub(crate) fn insert(&mut self, value: GroupKey<'a>, cap: usize) -> bool {
        match self {
            Self::Sketch(sketch) => sketch.insert_hash(value.hash()),
            Self::Exact(values, hashes) => {
                if !values.insert(value) {
                    return false;
                }
                hashes.push(value.hash());
                if values.len() > cap {
                    let mut sketch = CardinalityEstimator::new();
                    hashes.iter().for_each(|hash| sketch.insert_hash(*hash));
                    *self = Self::Sketch(Box::new(sketch));
                }
            }
        }
        true
    }

    /// The count and its error bound.
    pub(crate) fn count(&self) -> (u64, f64) {
        match self {
            Self::Exact(values, _) => (values.len() as u64, 0.0),
            Self::Sketch(sketch) => (sketch.estimate() as u64, SKETCH_ERROR),
        }
    }
}
