//! Questions, in terms of `docs/semantics.md` and of neither side.

use nowfold_schemas::action::Attribute;

/// A window; times in milliseconds.
#[expect(dead_code, reason = "kinds that are still to come")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Sliding { length: i64 },
    EndExcluded { length: i64 },
    Offset { length: i64, offset: i64 },
    Last { n: usize },
    LastWithin { n: usize, length: i64 },
    Tumbling { length: i64, from: i64, previous: bool },
    Session { gap: i64 },
}

impl Window {
    /// The kinds, as the coverage names them.
    pub(crate) const ALL_KINDS: [&'static str; 8] =
        ["sliding", "end-excluded", "offset", "last-n", "last-n-within", "tumbling", "tumbling-previous", "session"];
    pub(crate) const KINDS: [&'static str; 1] = ["sliding"];

    pub(crate) fn kind(self) -> &'static str {
        let number = match self {
            Self::Sliding { .. } => 0,
            Self::EndExcluded { .. } => 1,
            Self::Offset { .. } => 2,
            Self::Last { .. } => 3,
            Self::LastWithin { .. } => 4,
            Self::Tumbling { previous: false, .. } => 5,
            Self::Tumbling { previous: true, .. } => 6,
            Self::Session { .. } => 7,
        };
        Self::ALL_KINDS[number]
    }

    /// Where it begins at `as_of`: it is complete when nothing after that has expired.
    pub(crate) fn begins(self, as_of: i64) -> i64 {
        match self {
            Self::Sliding { length } => as_of - length,
            _ => panic!("{self:?} is not offered"),
        }
    }
}

/// What an event must be like to count.
#[expect(dead_code, reason = "still to come")]
#[derive(Clone, Debug)]
pub(crate) enum Predicate {
    Equals(&'static str, Attribute),
    In(&'static str, Vec<Attribute>),
    /// A number of `low..=high`; an end left open where it is none.
    Between(&'static str, Option<f64>, Option<f64>),
    IsNull(&'static str),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
}

/// What is computed from the events of a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Aggregate {
    Count,
    CountBy { path: &'static str, cap: usize },
    Sum { path: &'static str },
    Mean { path: &'static str },
    WeightedMean { path: &'static str, weights: Vec<(&'static str, f64)> },
    DistinctCount { path: &'static str, cap: usize },
    Last { k: usize, path: &'static str },
    Actions { limit: usize, select: Vec<&'static str> },
}

impl Aggregate {
    /// The aggregates, as the coverage names them.
    pub(crate) const NAMES: [&'static str; 8] =
        ["count", "count_by", "sum", "mean", "weighted_mean", "distinct_count", "last", "actions"];

    pub(crate) fn name(&self) -> &'static str {
        let number = match self {
            Self::Count => 0,
            Self::CountBy { .. } => 1,
            Self::Sum { .. } => 2,
            Self::Mean { .. } => 3,
            Self::WeightedMean { .. } => 4,
            Self::DistinctCount { .. } => 5,
            Self::Last { .. } => 6,
            Self::Actions { .. } => 7,
        };
        Self::NAMES[number]
    }
}

/// A feature.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) windows: Vec<Window>,
    pub(crate) aggregate: Aggregate,
    pub(crate) verbs: Option<Vec<&'static str>>,
    pub(crate) predicate: Option<Predicate>,
}

/// Features asked of one actor in one call.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) actor: &'static str,
    pub(crate) as_of: i64,
    pub(crate) asks: Vec<Ask>,
}
