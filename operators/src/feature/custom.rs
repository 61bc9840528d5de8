//! Aggregates of your own: a state that begins, takes actions, joins another, and finishes.

use std::fmt;
use std::sync::Arc;

use nowfold_core::time::Timestamp;

use super::number::Number;
use super::path::{Found, Resolved};
use super::rows::{Hit, Input, Outcome};
use super::value::FeatureValue;
use crate::chain::{Cell, Row, Span};

/// An aggregate of your own, for [`FeatureName::aggregate`](super::FeatureName::aggregate).
///
/// It is called in the canonical order of sums (`docs/semantics.md`, section 4): actions of one verb and logical block
/// are added in order to a state of their own; the states of the blocks are merged newest first, then those of the verbs
/// in byte order. So equal sets of actions give equal results, bit for bit, however they arrived. It must depend on
/// nothing but its arguments.
///
/// ```
/// use nowfold_core::time::hours;
/// use nowfold_operators::feature::{Aggregator, Asked, Event, FeatureValue, feature};
///
/// /// The geometric mean of positive prices.
/// struct GeometricMean;
///
/// impl Aggregator for GeometricMean {
///     type State = (f64, u64);
///
///     fn inputs(&self) -> Vec<String> {
///         vec!["object.price".to_owned()]
///     }
///
///     fn init(&self) -> (f64, u64) {
///         (0.0, 0)
///     }
///
///     fn add(&self, (logs, n): &mut (f64, u64), event: &Event<'_>) {
///         if let Some(price) = event.number(0).filter(|price| *price > 0.0) {
///             *logs += price.ln();
///             *n += 1;
///         }
///     }
///
///     fn merge(&self, (logs, n): &mut (f64, u64), other: (f64, u64)) {
///         *logs += other.0;
///         *n += other.1;
///     }
///
///     fn finish(&self, (logs, n): (f64, u64), _: &Asked) -> FeatureValue {
///         if n == 0 { FeatureValue::None } else { FeatureValue::Float((logs / n as f64).exp()) }
///     }
/// }
///
/// let typical = feature("typical").aggregate(GeometricMean).verb("apply").within(hours(24));
/// # let _ = typical;
/// ```
pub trait Aggregator: Send + Sync + 'static {
    /// What it keeps while it looks at actions.
    type State;

    /// The paths that it looks at, such as `object.price`. Actions that lack any of them are not shown to it and count as
    /// missing; see [`takes_missing`](Self::takes_missing).
    fn inputs(&self) -> Vec<String>;

    /// Whether it is shown actions that lack an input. Default: no.
    fn takes_missing(&self) -> bool {
        false
    }

    /// The state of no action.
    fn init(&self) -> Self::State;

    /// Takes in one action.
    fn add(&self, state: &mut Self::State, event: &Event<'_>);

    /// Takes in the state of other actions.
    fn merge(&self, state: &mut Self::State, other: Self::State);

    /// The value.
    fn finish(&self, state: Self::State, asked: &Asked) -> FeatureValue;
}

/// What a question asks of an [`Aggregator`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// The instant of the question.
    pub as_of: Timestamp,
    /// How many actions it was shown.
    pub used: u64,
}

/// One action as an [`Aggregator`] sees it.
#[derive(Debug)]
pub struct Event<'a> {
    pub(crate) t: i64,
    pub(crate) verb: &'a str,
    pub(crate) row: Row<'a>,
    pub(crate) inputs: &'a [Resolved],
}

/// An [`Aggregator`] that features can share and compare: two are equal where one is a clone of the other.
#[derive(Clone)]
pub struct Custom(Arc<dyn Erased>);

impl Custom {
    /// Makes an aggregate sharable, for example to be found by name.
    pub fn new(aggregator: impl Aggregator) -> Self {
        Self(Arc::new(aggregator))
    }

    pub(crate) fn inputs(&self) -> Vec<String> {
        self.0.inputs()
    }

    pub(crate) fn outcome(&self, input: &Input<'_, '_>, inputs: &[Resolved]) -> Outcome {
        self.0.outcome(input, inputs)
    }
}

impl<A: Aggregator> From<A> for Custom {
    fn from(aggregator: A) -> Self {
        Self::new(aggregator)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").field("inputs", &self.inputs()).finish_non_exhaustive()
    }
}

/// An aggregator without its type; a whole window at a time, so that single actions cost no dynamic call.
trait Erased: Send + Sync {
    fn inputs(&self) -> Vec<String>;
    fn outcome(&self, input: &Input<'_, '_>, inputs: &[Resolved]) -> Outcome;
}

impl<A: Aggregator> Erased for A {
    fn inputs(&self) -> Vec<String> {
        Aggregator::inputs(self)
    }

    fn outcome(&self, input: &Input<'_, '_>, inputs: &[Resolved]) -> Outcome {
        let mut used = Span::default();
        let add = |state: &mut A::State, verb, hit: &Hit<'_>| {
            let event = Event { t: hit.t, verb, row: hit.row, inputs };
            if self.takes_missing() || event.has_all() {
                used.add(hit.t);
                self.add(state, &event);
            }
        };
        let state = input.fold(|| self.init(), add, |state, other| self.merge(state, other));
        let asked = Asked { as_of: Timestamp::from_millis(input.as_of), used: used.n };
        Outcome::new(self.finish(state, &asked), used, input.matched)
    }
}

impl<'a> Event<'a> {
    /// When it happened.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.t)
    }

    /// What was done.
    pub fn verb(&self) -> &'a str {
        self.verb
    }

    /// What it was done to.
    pub fn object(&self) -> &'a str {
        self.row.object()
    }

    /// The value of an input, by its place in [`Aggregator::inputs`]; none where the action lacks it.
    pub fn value(&self, input: usize) -> FeatureValue {
        self.find(input).map_or(FeatureValue::None, FeatureValue::of_found)
    }

    /// An input that is a number.
    pub fn number(&self, input: usize) -> Option<f64> {
        Number::of(self.find(input)?).map(Number::as_f64)
    }

    /// An input that is text.
    pub fn text(&self, input: usize) -> Option<&'a str> {
        match self.find(input)? {
            Found::Text(text) | Found::Cell(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn find(&self, input: usize) -> Option<Found<'a>> {
        Some(self.inputs.get(input)?.find(self.verb, self.row))
    }

    fn has_all(&self) -> bool {
        self.inputs.iter().all(|path| !matches!(path.find(self.verb, self.row), Found::Missing))
    }
}
