//! What the oracle expects: `docs/semantics.md`, section 5, one aggregate at a time, over a list of events.

mod counts;
mod means;
mod rows;

use super::events::Event;
use super::model::Model;
use super::question::{Aggregate, Ask, Window};
use super::select::Selection;
use super::value::Expected;

/// The expected answer of a feature in one window.
pub(crate) fn expect(model: &Model, actor: &str, ask: &Ask, window: Window, as_of: i64) -> Expected {
    let selection = Selection::new(model, actor, ask, window, as_of);
    let Selection { complete, truncated, open, .. } = selection;
    Expected { complete, truncated, open, ..of(ask, &selection) }
}

fn of(ask: &Ask, selection: &Selection<'_>) -> Expected {
    match &ask.aggregate {
        Aggregate::Count => counts::count(selection),
        Aggregate::CountBy { path, cap } => counts::count_by(selection, path, *cap),
        Aggregate::DistinctCount { path, cap } => counts::distinct_count(selection, path, *cap),
        Aggregate::Sum { path } => means::sum(selection, path),
        Aggregate::Mean { path } => means::mean(selection, path),
        Aggregate::WeightedMean { path, weights } => means::weighted_mean(selection, path, weights),
        Aggregate::Last { k, path } => rows::last(selection, *k, path),
        Aggregate::Actions { limit, select } => rows::actions(selection, *limit, select),
    }
}

fn times(events: &[&Event]) -> Vec<i64> {
    events.iter().map(|event| event.t).collect()
}
