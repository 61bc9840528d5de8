//! The newest events: `last` and `actions`.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::path::{Found, Resolved, Select};
use super::super::plan::{Planned, PlannedAggregate};
use super::super::result::WindowResult;
use super::super::value::{ActionRow, FeatureValue};
use super::{Visitor, ring};
use crate::chain::{Key, Names, Order, Row, Span};

use nowfold_core::time::Timestamp;

/// The newest events of every chain. All windows end at the same time, so the widest one's serve all.
#[derive(Debug)]
pub(crate) struct Newest<'a> {
    k: usize,
    /// The attribute an event must have to count among the `k`; `None`: every event does.
    path: Option<Resolved>,
    bounds: Vec<i64>,
    found_in_chain: usize,
    events: Vec<Event<'a>>,
}

/// An event that is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    verb: &'a str,
    t: i64,
    row: Row<'a>,
    /// Whether it has the attribute.
    counts: bool,
}

impl<'a> Newest<'a> {
    pub(crate) fn new(k: usize, path: Option<Resolved>, bounds: Vec<i64>) -> Self {
        Self { k, path, bounds, found_in_chain: 0, events: Vec::new() }
    }

    pub(crate) fn finish(mut self, planned: &Planned, matched: &[Span], names: &Names) -> Vec<WindowResult> {
        self.events.sort_unstable_by(|a, b| b.order().cmp(&a.order()));
        let windows = planned.windows.iter().zip(matched).zip(&self.bounds);
        let results = windows.map(|((window, matched), bound)| {
            let inside = self.events.iter().take_while(|event| event.t > *bound);
            let (mut used, mut missing, mut newest) = (Span::default(), 0, Vec::new());
            for event in inside {
                if newest.len() == self.k {
                    break;
                }
                if event.counts {
                    used.add(event.t);
                    newest.push(event);
                } else {
                    missing += 1;
                }
            }
            let value = self.value(planned, &newest, names);
            WindowResult::new(&window.label, value, used, missing, matched.n)
        });
        results.collect()
    }

    fn value(&self, planned: &Planned, newest: &[&Event<'_>], names: &Names) -> FeatureValue {
        match (&planned.aggregate, self.path) {
            (PlannedAggregate::Actions { select, .. }, _) => {
                FeatureValue::Actions(newest.iter().map(|event| event.show(select, names)).collect())
            }
            (_, Some(path)) => FeatureValue::List(newest.iter().map(|event| event.part(path)).collect()),
            (_, None) => FeatureValue::None,
        }
    }
}

impl<'a> Visitor<'a> for Newest<'a> {
    fn enter(&mut self) {
        self.found_in_chain = 0;
    }

    fn visit(&mut self, verb: &'a str, key: Key, row: Row<'a>) -> ControlFlow<()> {
        if self.found_in_chain == self.k || ring(&self.bounds, key.t).is_none() {
            return ControlFlow::Break(());
        }
        let counts = self.path.is_none_or(|path| !matches!(path.find(verb, row), Found::Missing));
        self.found_in_chain += usize::from(counts);
        self.events.push(Event { counts, ..Event::new(verb, key.t, row) });
        ControlFlow::Continue(())
    }
}

impl<'a> Event<'a> {
    pub(crate) fn new(verb: &'a str, t: i64, row: Row<'a>) -> Self {
        Self { verb, t, row, counts: true }
    }

    fn order(&self) -> Order<'a> {
        self.row.order(self.t)
    }

    fn part(&self, path: Resolved) -> FeatureValue {
        FeatureValue::of_found(path.find(self.verb, self.row))
    }

    pub(crate) fn show(&self, select: &[Select], names: &Names) -> ActionRow {
        let mut selected = Vec::with_capacity(select.len());
        for select in select {
            match select {
                Select::One(path) => selected.push((Arc::from(path.to_string()), self.part(path.resolve(names)))),
                Select::All(side) => {
                    let mut cells: Vec<_> = self
                        .row
                        .cells()
                        .filter_map(|(column, cell)| {
                            let (of, name) = names.name(column)?;
                            (of == side).then(|| (format!("{}.{name}", side.as_str()), FeatureValue::of_cell(cell)))
                        })
                        .collect();
                    cells.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                    selected.extend(cells.into_iter().map(|(path, value)| (Arc::from(path), value)));
                }
            }
        }
        ActionRow {
            timestamp: Timestamp::from_millis(self.t),
            verb: Arc::from(self.verb),
            object: Arc::from(self.row.object()),
            event_id: Arc::from(self.row.id()),
            sequence: self.row.sequence(),
            selected,
        }
    }
}
