//! Features as values: `feature("applied").mean("object.embedding").verb("apply").within(hours(24))`.

use super::kind::{Aggregate, Normalize};
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

/// A rolling feature of an actor: an aggregate over the actions in one or several windows, as of an instant.
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
    pub(crate) normalize: Option<Normalize>,
    pub(crate) windows: Vec<Window>,
    pub(crate) default: Option<FeatureValue>,
    pub(crate) cap: Option<usize>,
    pub(crate) limit: Option<usize>,
}

impl FeatureName {
    pub(crate) fn of(self, aggregate: Aggregate) -> Feature {
        Feature {
            name: self.0,
            aggregate,
            verbs: None,
            filter: None,
            distinct_by: None,
            normalize: None,
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

    /// For `first`, `last` and `actions`: of the actions with one value of this path, only the newest. A missing value is
    /// a value too.
    pub fn distinct_by(mut self, path: impl Into<String>) -> Self {
        self.distinct_by = Some(path.into());
        self
    }

    /// For pooled vectors: gives vectors the length 1 before they are pooled, or what comes out, or both. A vector of
    /// zeros has no direction: before, its action counts as missing; after, the value is none.
    pub fn normalize(mut self, normalize: Normalize) -> Self {
        self.normalize = Some(normalize);
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

    /// For `count_by`, `sum_by`, `mean_by` and `vec_mean_by`: values listed; for `distinct_count` and `quantile`: values
    /// looked at exactly.
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
