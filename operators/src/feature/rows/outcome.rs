//! Which family of aggregates makes the value of a window.

use super::super::aggregate::{Finish, OfSpan};
use super::super::kind::{Aggregate, Pool};
use super::super::value::FeatureValue;
use super::input::{Input, Outcome};
use super::plan::{PlannedRows, PlannedWindow};
use super::{by, decay, dispersion, distinct, frequency, listed, numbers, pool, quantile, sessions, spread, totals};

impl PlannedRows {
    pub(super) fn outcome(&self, input: &Input<'_, '_>, window: &PlannedWindow) -> Outcome {
        match &self.aggregate {
            Aggregate::Count | Aggregate::Exists | Aggregate::Recency | Aggregate::Rate | Aggregate::Trend => {
                let kind = OfSpan::of(&self.aggregate).unwrap_or(OfSpan::Count);
                let value = kind.value(input.matched, input.as_of, window.length_ms);
                Outcome::new(value, input.matched, input.matched)
            }
            Aggregate::SessionCount { gap } => sessions::count(input, *gap),
            Aggregate::CountBy { .. } => frequency::count_by(input, self.cap),
            Aggregate::DistinctCount { .. } => distinct::distinct_count(input, self.cap),
            Aggregate::TopN { n, .. } => frequency::top_n(input, *n),
            Aggregate::RatioTop1 { .. } => frequency::ratio_top1(input),
            Aggregate::Actions { .. } => listed::actions(input, &self.select, self.limit),
            Aggregate::Last { k, .. } => listed::last(input, *k),
            Aggregate::First { k, .. } => listed::first(input, *k),
            Aggregate::LastValue { .. } => only(listed::last(input, 1)),
            Aggregate::FirstValue { .. } => only(listed::first(input, 1)),
            Aggregate::Custom { custom } => {
                let inputs: Vec<_> = self.inputs.iter().map(|path| path.resolve(input.names)).collect();
                custom.outcome(input, &inputs)
            }
            _ => self.computed(input),
        }
    }

    /// Aggregates of numbers and vectors.
    fn computed(&self, input: &Input<'_, '_>) -> Outcome {
        match &self.aggregate {
            Aggregate::Sum { .. } => totals::total(input, Finish::Sum),
            Aggregate::Mean { .. } => totals::total(input, Finish::Mean),
            Aggregate::WeightedMean { weights, .. } => totals::weighted(input, weights, Finish::WeightedMean),
            Aggregate::Min { .. } => numbers::min(input),
            Aggregate::Max { .. } => numbers::max(input),
            Aggregate::TopK { k, .. } => numbers::top_k(input, *k),
            Aggregate::Spread { spread, .. } => spread::spread(input, *spread),
            Aggregate::Quantile { p, .. } => quantile::quantile(input, *p, self.cap),
            Aggregate::By { grouped, .. } => by::by(input, *grouped, self.normalize, self.cap),
            Aggregate::DecaySum { half_life, .. } => decay::sum(input, *half_life),
            Aggregate::DecayCount { half_life } => decay::count(input, *half_life),
            Aggregate::DecayMean { half_life, .. } => decay::mean(input, *half_life),
            Aggregate::Pool { pool: pooling, .. } => match pooling {
                Pool::Min => pool::extreme(input, self.normalize, f64::min),
                Pool::Max => pool::extreme(input, self.normalize, f64::max),
                pooling => pool::mean(input, self.normalize, pooling),
            },
            Aggregate::VecDispersion { .. } => dispersion::dispersion(input),
            _ => Outcome::default(),
        }
    }
}

/// The only item of a list; none where it is empty.
fn only(outcome: Outcome) -> Outcome {
    let value = match outcome.value {
        FeatureValue::List(items) => items.into_iter().next().unwrap_or_default(),
        value => value,
    };
    Outcome { value, ..outcome }
}
