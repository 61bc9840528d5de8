//! The aggregates as data: what each looks at, and which options it takes.

use super::custom::Custom;

/// What is computed from the actions of a window. Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Aggregate {
    Count,
    Exists,
    Recency,
    Rate,
    Trend,
    SessionCount { gap: i64 },
    CountBy { path: String },
    DistinctCount { path: String },
    TopN { n: usize, path: String },
    RatioTop1 { path: String },
    Actions { select: Vec<String> },
    Last { k: usize, path: String },
    First { k: usize, path: String },
    LastValue { path: String },
    FirstValue { path: String },
    Sum { path: String },
    Mean { path: String },
    WeightedMean { path: String, weights: Vec<(String, f64)> },
    Min { path: String },
    Max { path: String },
    Spread { path: String, spread: Spread },
    Quantile { p: f64, path: String },
    TopK { k: usize, path: String },
    By { path: String, by: String, grouped: Grouped },
    DecaySum { path: String, half_life: i64 },
    DecayCount { half_life: i64 },
    DecayMean { path: String, half_life: i64 },
    Pool { path: String, pool: Pool },
    VecDispersion { path: String },
    Custom { custom: Custom },
}

/// How far numbers lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    VarPop,
    VarSample,
    StddevPop,
    StddevSample,
}

/// What is computed for each value of another attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouped {
    Sum,
    Mean,
    VecMean,
}

/// How vectors become one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pool {
    Sum,
    Mean,
    Min,
    Max,
    DecayMean { half_life: i64 },
    WeightedMean { weights: Vec<(String, f64)> },
}

/// When vectors are given the length 1 (L2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normalize {
    /// Each before it is pooled.
    Before,
    /// The pooled one.
    After,
    /// Both.
    Both,
}

/// What an aggregate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of<'a> {
    /// The actions themselves.
    Nothing,
    /// Values of any kind.
    Any(&'a str),
    /// Numbers or vectors.
    Summed(&'a str),
}

impl Normalize {
    pub(crate) fn before(self) -> bool {
        matches!(self, Self::Before | Self::Both)
    }

    pub(crate) fn after(self) -> bool {
        matches!(self, Self::After | Self::Both)
    }
}

impl Aggregate {
    pub(crate) fn of(&self) -> Of<'_> {
        match self {
            Self::Count | Self::Exists | Self::Recency | Self::Rate | Self::Trend => Of::Nothing,
            Self::SessionCount { .. } | Self::Actions { .. } | Self::DecayCount { .. } | Self::Custom { .. } => {
                Of::Nothing
            }
            Self::CountBy { path } | Self::DistinctCount { path } | Self::RatioTop1 { path } => Of::Any(path),
            Self::TopN { path, .. } | Self::Last { path, .. } | Self::First { path, .. } => Of::Any(path),
            Self::LastValue { path } | Self::FirstValue { path } => Of::Any(path),
            Self::Sum { path } | Self::Mean { path } | Self::WeightedMean { path, .. } => Of::Summed(path),
            Self::Min { path } | Self::Max { path } | Self::Spread { path, .. } => Of::Summed(path),
            Self::Quantile { path, .. } | Self::TopK { path, .. } | Self::By { path, .. } => Of::Summed(path),
            Self::DecaySum { path, .. } | Self::DecayMean { path, .. } => Of::Summed(path),
            Self::Pool { path, .. } | Self::VecDispersion { path } => Of::Summed(path),
        }
    }

    pub(crate) fn weights(&self) -> Option<&[(String, f64)]> {
        match self {
            Self::WeightedMean { weights, .. } | Self::Pool { pool: Pool::WeightedMean { weights }, .. } => {
                Some(weights)
            }
            _ => None,
        }
    }

    /// The cap where the definition names none; `None` where there is nothing to cap.
    pub(crate) fn default_cap(&self) -> Option<usize> {
        match self {
            Self::CountBy { .. } | Self::By { grouped: Grouped::Sum | Grouped::Mean, .. } => Some(1_000),
            Self::By { grouped: Grouped::VecMean, .. } => Some(100),
            Self::DistinctCount { .. } | Self::Quantile { .. } => Some(10_000),
            _ => None,
        }
    }

    pub(crate) fn takes_distinct_by(&self) -> bool {
        matches!(
            self,
            Self::First { .. }
                | Self::Last { .. }
                | Self::FirstValue { .. }
                | Self::LastValue { .. }
                | Self::Actions { .. }
        )
    }

    pub(crate) fn takes_normalize(&self) -> bool {
        matches!(self, Self::Pool { .. } | Self::By { grouped: Grouped::VecMean, .. })
    }

    /// What is wrong with its own numbers, if anything is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Last { k: 0, .. } => Some("asks for the last 0; ask for at least 1"),
            Self::First { k: 0, .. } => Some("asks for the first 0; ask for at least 1"),
            Self::TopK { k: 0, .. } | Self::TopN { n: 0, .. } => Some("asks for the top 0; ask for at least 1"),
            Self::Quantile { p, .. } if !(0.0..=1.0).contains(p) => {
                Some("asks for a quantile that is not from 0 to 1; the median is 0.5")
            }
            Self::SessionCount { gap: 0 } => Some("has a gap of less than a millisecond; make it longer"),
            Self::DecaySum { half_life: 0, .. }
            | Self::DecayCount { half_life: 0 }
            | Self::DecayMean { half_life: 0, .. }
            | Self::Pool { pool: Pool::DecayMean { half_life: 0 }, .. } => {
                Some("has a half-life of less than a millisecond; make it longer")
            }
            _ => None,
        }
    }
}
