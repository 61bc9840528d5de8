//! What the oracle expects: `docs/semantics.md`, section 5, one aggregate at a time, over a list of events.

mod by;
mod counts;
mod frequencies;
mod numbers;
mod rows;
mod spread;
mod totals;
mod vectors;

use super::events::Event;
use super::model::Model;
use super::question::{Aggregate, Ask, Window};
use super::select::Selection;
use super::value::{Expected, Value};

/// The expected answer of a feature in one window.
pub(crate) fn expect(model: &Model, actor: &str, ask: &Ask, window: Window, as_of: i64) -> Expected {
    let selection = Selection::new(model, actor, ask, window, as_of);
    let expected = of(ask, window, &selection);
    let whole = |selection: &Selection<'_>, expected: Expected| Expected {
        complete: expected.complete && selection.complete,
        truncated: expected.truncated || selection.truncated,
        open: selection.open,
        ..expected
    };
    match ask.aggregate {
        Aggregate::Trend { denominator } => {
            let below = Selection::new(model, actor, ask, denominator, as_of);
            let value = Value::float(selection.events().len() as f64 / below.events().len() as f64);
            let expected = Expected { value, ..whole(&below, expected) };
            whole(&selection, expected)
        }
        _ => whole(&selection, expected),
    }
}

fn of(ask: &Ask, window: Window, selection: &Selection<'_>) -> Expected {
    match &ask.aggregate {
        Aggregate::Count | Aggregate::Trend { .. } => counts::count(selection),
        Aggregate::Exists => counts::exists(selection),
        Aggregate::Recency => counts::recency(selection),
        Aggregate::Rate => counts::rate(selection, window),
        Aggregate::SessionCount { gap } => counts::session_count(selection, *gap),
        Aggregate::CountBy { path, cap } => frequencies::count_by(selection, path, *cap),
        Aggregate::DistinctCount { path, cap } => frequencies::distinct_count(selection, path, *cap),
        Aggregate::TopN { n, path } => frequencies::top_n(selection, *n, path),
        Aggregate::RatioTop1 { path } => frequencies::ratio_top1(selection, path),
        Aggregate::Listed { name, k, path, distinct_by } => rows::listed(selection, name, *k, path, *distinct_by),
        Aggregate::Actions { limit, select, distinct_by } => rows::actions(selection, *limit, select, *distinct_by),
        Aggregate::Sum { path } => totals::sum(selection, path),
        Aggregate::Mean { path } => totals::mean(selection, path),
        Aggregate::WeightedMean { path, weights } => totals::weighted_mean(selection, path, weights),
        Aggregate::Min { path } => numbers::extreme(selection, path, std::cmp::Ordering::Less),
        Aggregate::Max { path } => numbers::extreme(selection, path, std::cmp::Ordering::Greater),
        Aggregate::Spread { name, path } => spread::spread(selection, name, path),
        Aggregate::Quantile { p, path, cap } => numbers::quantile(selection, *p, path, *cap),
        Aggregate::TopK { k, path } => numbers::top_k(selection, *k, path),
        Aggregate::By { name, path, by, cap, unit } => by::by(selection, name, (path, by), *cap, *unit),
        Aggregate::Decay { name, path, half_life } => spread::decay(selection, name, path, *half_life),
        Aggregate::Pool { pool, path, unit } => vectors::pool(selection, pool, path, *unit),
        Aggregate::Dispersion { path } => vectors::dispersion(selection, path),
    }
}

fn times(events: &[&Event]) -> Vec<i64> {
    events.iter().map(|event| event.t).collect()
}

/// A value of some of the events; the others lack the attribute.
fn used(selection: &Selection<'_>, value: Value, times: Vec<i64>) -> Expected {
    let missing = selection.events().len() - times.len();
    Expected::exact(value, times, missing)
}
