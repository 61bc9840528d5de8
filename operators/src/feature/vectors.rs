//! The aggregates of vectors, as methods of a feature's name.

use std::time::Duration;

use nowfold_core::time::millis;

use super::define::{Feature, FeatureName};
use super::kind::{Aggregate, Grouped, Pool};

/// Vectors. All are computed in f64 and given as f32, with as many elements as the attribute has.
impl FeatureName {
    /// Mean, element by element. Empty: none.
    ///
    /// ```
    /// use nowfold_core::time::hours;
    /// use nowfold_operators::feature::{Normalize, feature};
    ///
    /// let taste = feature("taste").vec_mean("object.embedding").normalize(Normalize::After).within(hours(24));
    /// # let _ = taste;
    /// ```
    pub fn vec_mean(self, path: impl Into<String>) -> Feature {
        self.pool(path, Pool::Mean)
    }

    /// Sum, element by element. Empty: none, never a vector of zeros.
    pub fn vec_sum(self, path: impl Into<String>) -> Feature {
        self.pool(path, Pool::Sum)
    }

    /// The smallest of each element. Empty: none.
    pub fn vec_min(self, path: impl Into<String>) -> Feature {
        self.pool(path, Pool::Min)
    }

    /// The largest of each element. Empty: none.
    pub fn vec_max(self, path: impl Into<String>) -> Feature {
        self.pool(path, Pool::Max)
    }

    /// Mean in which an action loses half of its weight with every `half_life` of age:
    /// `sum(w x) / sum(w)`, `w = 2^-((q - t) / H)`. Empty: none.
    pub fn vec_decay_mean(self, path: impl Into<String>, half_life: Duration) -> Feature {
        self.pool(path, Pool::DecayMean { half_life: millis(half_life) })
    }

    /// Mean weighted by verb: `sum(w x) / sum(|w|)`, over actions with one of these verbs. Weights may be negative.
    /// Empty, or all weights zero: none.
    pub fn vec_weighted_mean<V: Into<String>>(
        self,
        path: impl Into<String>,
        weights: impl IntoIterator<Item = (V, f64)>,
    ) -> Feature {
        let weights = weights.into_iter().map(|(verb, weight)| (verb.into(), weight)).collect();
        self.pool(path, Pool::WeightedMean { weights })
    }

    /// Mean per value of `by`; a missing one has an entry of its own. Beyond [`Feature::cap`] values (default 100) the
    /// rarest are left out and the answer is marked `truncated`. Empty: an empty map.
    pub fn vec_mean_by(self, path: impl Into<String>, by: impl Into<String>) -> Feature {
        self.of(Aggregate::By { path: path.into(), by: by.into(), grouped: Grouped::VecMean })
    }

    /// How far the vectors point in different directions: `1 - |mean of the vectors at length 1|`, from 0 (all alike) to
    /// 1. Empty: none.
    pub fn vec_dispersion(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::VecDispersion { path: path.into() })
    }

    fn pool(self, path: impl Into<String>, pool: Pool) -> Feature {
        self.of(Aggregate::Pool { path: path.into(), pool })
    }
}
