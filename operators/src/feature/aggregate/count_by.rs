//! Counts per value.

use std::collections::HashMap;
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
        let windows = planned.windows.iter().zip(matched).enumerate();
        let results = windows.map(|(number, (window, span))| {
            let count = |place: &usize| self.counts.iter().skip(*place).take(number + 1).sum::<u64>();
            let counts = self.places.iter().map(|(key, place)| (*key, count(place)));
            let counts: Vec<_> = counts.filter(|(_, n)| *n > 0).collect();
            let missing = counts.iter().find(|(key, _)| *key == GroupKey::Null).map_or(0, |(_, n)| *n);
            let map = FeatureValue::Map(capped(counts, self.cap));
            // Events without a value are used too: they have their entry.
            WindowResult::new(&window.label, map, *span, missing, span.n)
        });
        results.collect()
    }
}

impl<'a> Visitor<'a> for CountBy<'a> {
    fn visit(&mut self, verb: &'a str, key: Key, row: &'a Row) -> ControlFlow<()> {
        let Some(ring) = ring(&self.bounds, key.t) else { return ControlFlow::Break(()) };
        self.add(GroupKey::of(self.path.find(verb, row)), ring, 1);
        ControlFlow::Continue(())
    }
}

/// The `cap` most frequent values, ties in order of the values, and the rest as `other`.
fn capped(mut counts: Vec<(GroupKey<'_>, u64)>, cap: usize) -> CountMap {
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let other: u64 = counts.iter().skip(cap).map(|(_, n)| n).sum();
    counts.truncate(cap);
    counts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut entries: Vec<_> = counts.into_iter().map(|(key, n)| (key.to_owned(), n)).collect();
    if other > 0 {
        entries.push((MapKey::Other, other));
    }
    CountMap(entries)
}
