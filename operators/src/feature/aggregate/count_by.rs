//! Counts per value.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use foldhash::fast::RandomState;

use super::super::group::GroupKey;
use super::super::path::Resolved;
use super::super::plan::Planned;
use super::super::result::WindowResult;
use super::super::value::{CountMap, FeatureValue, MapKey};
use super::{Visitor, resolved_is_verb, ring};
use crate::chain::{Key, Row, Span};

/// Counts per value and ring, a ring being what a window holds beyond the next shorter one.
#[derive(Debug)]
pub(crate) struct CountBy<'a> {
    path: Resolved,
    cap: usize,
    bounds: Vec<i64>,
    /// Where a value's counts begin in `counts`.
    places: HashMap<GroupKey<'a>, usize, RandomState>,
    counts: Vec<u64>,
}

impl<'a> CountBy<'a> {
    pub(crate) fn new(path: Resolved, cap: usize, bounds: Vec<i64>) -> Self {
        Self { path, cap, bounds, places: HashMap::default(), counts: Vec::new() }
    }

    pub(crate) fn is_by_verb(&self) -> bool {
        resolved_is_verb(self.path)
    }

    /// Counts a whole chain under its verb.
    pub(crate) fn chain(&mut self, verb: &'a str, spans: impl Iterator<Item = Span>) {
        let mut before = 0;
        for (ring, span) in spans.enumerate() {
            if span.n > 0 {
                self.add(GroupKey::Text(verb), ring, span.n - before);
            }
            before = span.n;
        }
    }

    fn add(&mut self, key: GroupKey<'a>, ring: usize, n: u64) {
        let place = *self.places.entry(key).or_insert_with(|| {
            let place = self.counts.len();
            self.counts.resize(place + self.bounds.len(), 0);
            place
        });
        if let Some(count) = self.counts.get_mut(place + ring) {
            *count += n;
        }
    }

    pub(crate) fn finish(self, planned: &Planned, matched: &[Span]) -> Vec<WindowResult> {
        let mut places: Vec<_> = self.places.into_iter().collect();
        places.sort_unstable();
        let groups: Vec<_> = places.into_iter().map(|(key, place)| (key.to_owned(), place)).collect();
        let windows = planned.windows.iter().zip(matched).enumerate();
        let results = windows.map(|(number, (window, span))| {
            let count = |place: usize| self.counts.iter().skip(place).take(number + 1).sum::<u64>();
            let mut counts = Vec::with_capacity(groups.len());
            counts.extend(groups.iter().map(|(key, place)| (key.clone(), count(*place))).filter(|(_, n)| *n > 0));
            // Null comes first in order. Events without a value are used too: they have their entry.
            let missing = counts.first().map_or(0, |(key, n)| if *key == MapKey::Null { *n } else { 0 });
            let map =
                FeatureValue::Map(CountMap(if counts.len() > self.cap { capped(counts, self.cap) } else { counts }));
            WindowResult::new(&window.label, map, *span, missing, span.n)
        });
        results.collect()
    }
}

impl<'a> Visitor<'a> for CountBy<'a> {
    fn visit(&mut self, verb: &'a str, key: Key, row: Row<'a>) -> ControlFlow<()> {
        let Some(ring) = ring(&self.bounds, key.t) else { return ControlFlow::Break(()) };
        self.add(GroupKey::of(self.path.find(verb, row)), ring, 1);
        ControlFlow::Continue(())
    }
}

/// The `cap` most frequent values, ties in order of the values, and the rest as `other`; `counts` are in order.
pub(crate) fn capped(counts: Vec<(MapKey, u64)>, cap: usize) -> Vec<(MapKey, u64)> {
    let mut places: Vec<_> = counts.iter().enumerate().map(|(place, (_, n))| (Reverse(*n), place)).collect();
    places.sort_unstable();
    let other = places.iter().skip(cap).map(|(n, _)| n.0).sum();
    let kept: HashSet<_> = places.into_iter().take(cap).map(|(_, place)| place).collect();
    let kept = counts.into_iter().enumerate().filter(|(place, _)| kept.contains(place)).map(|(_, count)| count);
    kept.chain([(MapKey::Other, other)]).collect()
}
