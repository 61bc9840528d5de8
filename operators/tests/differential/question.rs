//! Questions, in terms of `docs/semantics.md` and of neither side.

use nowfold_schemas::action::Attribute;

/// A window; times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Sliding { length: i64, offset: i64, end_excluded: bool },
    Last { n: usize, within: Option<i64> },
    Tumbling { length: i64, from: i64, previous: bool },
    Session { gap: i64 },
}

impl Window {
    /// The kinds, as the coverage names them.
    pub(crate) const KINDS: [&'static str; 9] = [
        "sliding",
        "offset",
        "end-excluded",
        "offset-end-excl",
        "last",
        "last-within",
        "tumbling",
        "previous",
        "session",
    ];

    pub(crate) fn kind(self) -> &'static str {
        let number = match self {
            Self::Sliding { offset: 0, end_excluded: false, .. } => 0,
            Self::Sliding { end_excluded: false, .. } => 1,
            Self::Sliding { offset: 0, .. } => 2,
            Self::Sliding { .. } => 3,
            Self::Last { within: None, .. } => 4,
            Self::Last { .. } => 5,
            Self::Tumbling { previous: false, .. } => 6,
            Self::Tumbling { .. } => 7,
            Self::Session { .. } => 8,
        };
        Self::KINDS[number]
    }
}

/// What an event must be like to count: true, false or unknown, as in SQL.
#[derive(Clone, Debug)]
pub(crate) enum Predicate {
    Is(&'static str, Comparison, Attribute),
    In(&'static str, Vec<Attribute>),
    IsNull(&'static str),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
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
