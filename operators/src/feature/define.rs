//! Features as values: `feature("applied").mean("object.embedding").verb("apply").within(hours(24))`.

use super::predicate::Predicate;
use super::value::FeatureValue;
use super::window::{Window, Windows};

/// Begins the definition of a feature; the aggregate comes next.
///
/// ```
/// use nowfold_core::time::hours;
/// use nowfold_operators::feature::feature;
///
/// let applied = feature("applied").mean("object.embedding").verb("apply").within(hours(24));
/// let counts = feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]);
/// # assert_eq!((applied.name(), counts.name()), ("applied", "counts"));
/// ```
pub fn feature(name: impl Into<String>) -> FeatureName {
    FeatureName(name.into())
}

/// A feature's name, waiting for its aggregate. Paths are those of [`Path`](super::Path).
#[derive(Clone, Debug)]
#[must_use]
pub struct FeatureName(String);

/// A rolling feature of an actor: an aggregate over the actions in one or several windows that end at `as_of`.
///
/// Nothing is checked before it joins a [`FeatureSet`](super::FeatureSet).
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Feature {
    pub(crate) name: String,
    pub(crate) aggregate: Aggregate,
    pub(crate) verbs: Option<Vec<String>>,
    pub(crate) filter: Option<Predicate>,
    pub(crate) distinct_by: Option<String>,
    pub(crate) windows: Vec<Window>,
    pub(crate) default: Option<FeatureValue>,
    pub(crate) cap: Option<usize>,
    pub(crate) limit: Option<usize>,
}

/// What is computed from the actions of a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Aggregate {
    Count,
    CountBy { path: String },
    Sum { path: String },
    Mean { path: String },
    WeightedMean { path: String, weights: Vec<(String, f64)> },
    DistinctCount { path: String },
    Last { k: usize, path: String },
    Actions { select: Vec<String> },
}

impl FeatureName {
    /// Number of actions. Empty: 0.
    pub fn count(self) -> Feature {
        self.of(Aggregate::Count)
    }

    /// Number of actions per value of `path`; a missing value has an entry of its own. Beyond [`Feature::cap`] values
    /// (default 1,000) the least frequent ones are counted together as `other`. Empty: an empty map.
    pub fn count_by(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::CountBy { path: path.into() })
    }

    /// Sum of a number attribute. Whole numbers are summed exactly, floats as f64 in the canonical order. Empty: 0.
    pub fn sum(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Sum { path: path.into() })
    }

    /// Mean of an attribute over the actions that have it: element by element where it is a vector, else of numbers.
    /// Computed in f64; a vector is given as f32. Empty: none.
    pub fn mean(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Mean { path: path.into() })
    }

    /// Mean weighted by verb: `sum(w x) / sum(|w|)`, of vectors or numbers, over actions with one of these verbs.
    /// Weights may be negative. Empty, or all weights zero: none.
    pub fn weighted_mean<V: Into<String>>(
        self,
        path: impl Into<String>,
        weights: impl IntoIterator<Item = (V, f64)>,
    ) -> Feature {
        let weights = weights.into_iter().map(|(verb, weight)| (verb.into(), weight)).collect();
        self.of(Aggregate::WeightedMean { path: path.into(), weights })
    }

    /// Number of different values of `path`: exact up to [`Feature::cap`] (default 10,000), beyond that a HyperLogLog
    /// estimate with a positive error bound. Empty: 0.
    pub fn distinct_count(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::DistinctCount { path: path.into() })
    }

    /// The values of `path` in the `k` newest actions that have it, newest first; ties by sequence, then event id.
    /// Empty: an empty list.
    pub fn last(self, k: usize, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Last { k, path: path.into() })
    }

    /// The actions themselves, newest first, with these parts of each; at most [`Feature::limit`] (default 100).
    /// Besides paths, `object.*` (or `objectAttributes`) selects all attributes of a side. Empty: an empty list.
    pub fn actions<S: Into<String>>(self, select: impl IntoIterator<Item = S>) -> Feature {
        self.of(Aggregate::Actions { select: select.into_iter().map(Into::into).collect() })
    }

    fn of(self, aggregate: Aggregate) -> Feature {
        Feature {
            name: self.0,
            aggregate,
            verbs: None,
            filter: None,
            distinct_by: None,
            windows: Vec::new(),
            default: None,
            cap: None,
            limit: None,
        }
    }
}

impl Feature {
    /// Only actions with this verb.
    pub fn verb(self, verb: impl Into<String>) -> Self {
        self.verbs([verb])
    }

    /// Only actions with one of these verbs.
    pub fn verbs<V: Into<String>>(mut self, verbs: impl IntoIterator<Item = V>) -> Self {
        self.verbs.get_or_insert_default().extend(verbs.into_iter().map(Into::into));
        self
    }

    /// Only actions for which this is true; called again, for which both are.
    pub fn filter(mut self, predicate: Predicate) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(before) => Predicate::All(vec![before, predicate]),
            None => predicate,
        });
        self
    }

    /// For `last` and `actions`: of the actions with one value of this path, only the newest.
    pub fn distinct_by(mut self, path: impl Into<String>) -> Self {
        self.distinct_by = Some(path.into());
        self
    }

    /// The window, or several: `as_of - w < t <= as_of`. With several, the value is a map by their labels.
    pub fn within(self, windows: impl Into<Windows>) -> Self {
        self.windows(windows.into().0.into_iter().map(Window::sliding))
    }

    /// A window of any kind.
    pub fn window(self, window: Window) -> Self {
        self.windows([window])
    }

    /// Windows of any kind. The value is then a map by their labels: in the order given, or from the shortest to the
    /// longest where all are plain sliding ones.
    pub fn windows(mut self, windows: impl IntoIterator<Item = Window>) -> Self {
        self.windows.extend(windows);
        self
    }

    /// What stands for a value that is none: the mean of nothing, or a result beyond the range of numbers.
    pub fn default_value(mut self, value: impl Into<FeatureValue>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// For `count_by`: values listed; for `distinct_count`: values counted exactly.
    pub fn cap(mut self, n: usize) -> Self {
        self.cap = Some(n);
        self
    }

    /// For `actions`: how many at most.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = Some(n);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its windows, in the order given.
    pub fn all_windows(&self) -> &[Window] {
        &self.windows
    }
}
