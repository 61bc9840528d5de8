//! The aggregates: each gathers from the chains of matching verbs, in byte order of the verbs, and then finishes.

mod count_by;
mod distinct;
mod newest;
mod spans;
mod sums;

use std::ops::ControlFlow;

use super::path::Resolved;
use super::plan::{Planned, PlannedAggregate};
use super::result::WindowResult;
use super::scan::Scan;
use crate::chain::{ColumnSum, Key, Names, Row, Span};

use self::count_by::CountBy;
use self::distinct::Distinct;
use self::newest::Newest;
use self::sums::Sums;

pub(crate) use self::count_by::capped;
pub(crate) use self::distinct::Values;
pub(crate) use self::newest::Event;
pub(crate) use self::spans::OfSpan;
pub(crate) use self::sums::{Finish, Finished, Total, finite, norm, vector};

/// One feature being computed.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    planned: &'a Planned,
    /// All events of matching verbs, per window.
    matched: Vec<Span>,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    OfSpan(OfSpan),
    Sums(Sums),
    CountBy(CountBy<'a>),
    Distinct(Distinct<'a>),
    Newest(Newest<'a>),
}

/// Takes the events of a chain one by one, newest first.
pub(crate) trait Visitor<'a> {
    /// Another chain begins.
    fn enter(&mut self) {}

    /// One event; breaks when this chain has no more to give.
    fn visit(&mut self, verb: &'a str, key: Key, row: Row<'a>) -> ControlFlow<()>;
}

impl<'a> Running<'a> {
    /// Begins a feature; `bounds` are the lower ends of all windows of its plan.
    pub(crate) fn new(planned: &'a Planned, bounds: &[i64], names: &Names) -> Self {
        let n_windows = planned.windows.len();
        let bounds = || planned.windows.iter().filter_map(|window| bounds.get(window.edge).copied()).collect();
        let kind = match &planned.aggregate {
            PlannedAggregate::OfSpan(kind) => Kind::OfSpan(*kind),
            PlannedAggregate::Sums { .. } => Kind::Sums(Sums::new(n_windows)),
            PlannedAggregate::CountBy { path, cap } => Kind::CountBy(CountBy::new(path.resolve(names), *cap, bounds())),
            PlannedAggregate::Distinct { path, cap } => {
                Kind::Distinct(Distinct::new(path.resolve(names), *cap, bounds()))
            }
            PlannedAggregate::Last { k, path } => Kind::Newest(Newest::new(*k, Some(path.resolve(names)), bounds())),
            PlannedAggregate::Actions { limit, .. } => Kind::Newest(Newest::new(*limit, None, bounds())),
        };
        Self { planned, matched: vec![Span::default(); n_windows], kind }
    }

    pub(crate) fn planned(&self) -> &'a Planned {
        self.planned
    }

    /// Takes in what is known of a chain without looking at its events; `sums` are those of the feature's attribute.
    pub(crate) fn chain(&mut self, scan: &Scan<'a>, sums: &[ColumnSum]) {
        for (matched, window) in self.matched.iter_mut().zip(&self.planned.windows) {
            matched.merge(scan.span(window.edge));
        }
        let spans = || self.planned.windows.iter().map(|window| scan.span(window.edge));
        match &mut self.kind {
            Kind::Sums(kind) => kind.chain(self.planned, scan.verb, sums),
            Kind::CountBy(kind) if kind.is_by_verb() => kind.chain(scan.verb, spans()),
            Kind::Distinct(kind) if kind.is_of_verb() => kind.chain(scan.verb, spans()),
            Kind::OfSpan(_) | Kind::CountBy(_) | Kind::Distinct(_) | Kind::Newest(_) => {}
        }
    }

    /// The visitor, where the feature must look at single events.
    pub(crate) fn visitor(&mut self) -> Option<&mut dyn Visitor<'a>> {
        match &mut self.kind {
            Kind::CountBy(kind) if !kind.is_by_verb() => Some(kind),
            Kind::Distinct(kind) if !kind.is_of_verb() => Some(kind),
            Kind::Newest(kind) => Some(kind),
            _ => None,
        }
    }

    /// The results, one for each window.
    pub(crate) fn finish(self, names: &Names, as_of: i64) -> Vec<WindowResult> {
        let windows = self.planned.windows.iter().zip(&self.matched);
        let mut results: Vec<_> = match self.kind {
            Kind::OfSpan(kind) => windows
                .map(|(window, span)| {
                    let value = kind.value(*span, as_of, window.length_ms);
                    WindowResult::new(&window.label, value, *span, 0, span.n)
                })
                .collect(),
            Kind::Sums(kind) => kind.finish(self.planned, &self.matched),
            Kind::CountBy(kind) => kind.finish(self.planned, &self.matched),
            Kind::Distinct(kind) => kind.finish(self.planned, &self.matched),
            Kind::Newest(kind) => kind.finish(self.planned, &self.matched, names),
        };
        if let Some(default) = &self.planned.default {
            for result in &mut results {
                result.value = std::mem::take(&mut result.value).or_default(Some(default));
            }
        }
        results
    }
}

/// The shortest window that an event of time `t` lies in; `bounds` are those of a feature's windows, shortest first.
fn ring(bounds: &[i64], t: i64) -> Option<usize> {
    bounds.iter().position(|bound| t > *bound)
}

/// What an attribute leads to, by the path of the feature.
fn resolved_is_verb(path: Resolved) -> bool {
    matches!(path, Resolved::Verb)
}
