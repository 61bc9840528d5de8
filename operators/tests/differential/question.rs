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

/// What is computed from the events of a window; times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Aggregate {
    Count,
    Exists,
    Recency,
    Rate,
    Trend {
        denominator: Window,
    },
    SessionCount {
        gap: i64,
    },
    CountBy {
        path: &'static str,
        cap: usize,
    },
    DistinctCount {
        path: &'static str,
        cap: usize,
    },
    TopN {
        n: usize,
        path: &'static str,
    },
    RatioTop1 {
        path: &'static str,
    },
    /// Named `last`, `first`, `last_value` or `first_value`, which take one.
    Listed {
        name: &'static str,
        k: usize,
        path: &'static str,
        distinct_by: Option<&'static str>,
    },
    Actions {
        limit: usize,
        select: Vec<&'static str>,
        distinct_by: Option<&'static str>,
    },
    Sum {
        path: &'static str,
    },
    Mean {
        path: &'static str,
    },
    WeightedMean {
        path: &'static str,
        weights: Vec<(&'static str, f64)>,
    },
    Min {
        path: &'static str,
    },
    Max {
        path: &'static str,
    },
    /// Named `var_pop`, `var_sample`, `stddev_pop` or `stddev_sample`.
    Spread {
        name: &'static str,
        path: &'static str,
    },
    Quantile {
        p: f64,
        path: &'static str,
        cap: usize,
    },
    TopK {
        k: usize,
        path: &'static str,
    },
    /// Named `sum_by`, `mean_by` or `vec_mean_by`.
    By {
        name: &'static str,
        path: &'static str,
        by: &'static str,
        cap: usize,
        unit: Unit,
    },
    /// Named `decay_count`, `decay_sum` or `decay_mean`.
    Decay {
        name: &'static str,
        path: &'static str,
        half_life: i64,
    },
    Pool {
        pool: Pool,
        path: &'static str,
        unit: Unit,
    },
    Dispersion {
        path: &'static str,
    },
}

/// How vectors become one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pool {
    Sum,
    Mean,
    Min,
    Max,
    DecayMean { half_life: i64 },
    WeightedMean { weights: Vec<(&'static str, f64)> },
}

/// Whether vectors get the length 1, before they are pooled and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) before: bool,
    pub(crate) after: bool,
}

impl Aggregate {
    /// The aggregates, as features and the coverage name them.
    pub(crate) const NAMES: [&'static str; 39] = [
        "count",
        "exists",
        "recency",
        "rate",
        "trend",
        "session_count",
        "count_by",
        "distinct_count",
        "top_n",
        "ratio_top1",
        "last",
        "first",
        "last_value",
        "first_value",
        "actions",
        "sum",
        "mean",
        "weighted_mean",
        "min",
        "max",
        "var_pop",
        "var_sample",
        "stddev_pop",
        "stddev_sample",
        "quantile",
        "top_k",
        "sum_by",
        "mean_by",
        "vec_mean_by",
        "decay_count",
        "decay_sum",
        "decay_mean",
        "vec_sum",
        "vec_mean",
        "vec_min",
        "vec_max",
        "vec_decay_mean",
        "vec_weighted_mean",
        "vec_dispersion",
    ];

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Exists => "exists",
            Self::Recency => "recency",
            Self::Rate => "rate",
            Self::Trend { .. } => "trend",
            Self::SessionCount { .. } => "session_count",
            Self::CountBy { .. } => "count_by",
            Self::DistinctCount { .. } => "distinct_count",
            Self::TopN { .. } => "top_n",
            Self::RatioTop1 { .. } => "ratio_top1",
            Self::Actions { .. } => "actions",
            Self::Sum { .. } => "sum",
            Self::Mean { .. } => "mean",
            Self::WeightedMean { .. } => "weighted_mean",
            Self::Min { .. } => "min",
            Self::Max { .. } => "max",
            Self::Quantile { .. } => "quantile",
            Self::TopK { .. } => "top_k",
            Self::Pool { pool, .. } => pool.name(),
            Self::Dispersion { .. } => "vec_dispersion",
            Self::Listed { name, .. } | Self::Spread { name, .. } => name,
            Self::By { name, .. } | Self::Decay { name, .. } => name,
        }
    }

    /// Whether an aggregate is offered in windows of a kind: a rate needs a length.
    pub(crate) fn is_offered(name: &str, kind: &str) -> bool {
        name != "rate" || !["last", "last-within", "session"].contains(&kind)
    }

    /// The weights by verb, which also choose the verbs.
    pub(crate) fn weights(&self) -> Option<&[(&'static str, f64)]> {
        match self {
            Self::WeightedMean { weights, .. } | Self::Pool { pool: Pool::WeightedMean { weights }, .. } => {
                Some(weights)
            }
            _ => None,
        }
    }
}

impl Pool {
    fn name(&self) -> &'static str {
        match self {
            Self::Sum => "vec_sum",
            Self::Mean => "vec_mean",
            Self::Min => "vec_min",
            Self::Max => "vec_max",
            Self::DecayMean { .. } => "vec_decay_mean",
            Self::WeightedMean { .. } => "vec_weighted_mean",
        }
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
