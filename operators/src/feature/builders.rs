//! The aggregates of actions and numbers, as methods of a feature's name.

use std::time::Duration;

use nowfold_core::time::millis;

use super::custom::Custom;
use super::define::{Feature, FeatureName};
use super::kind::{Aggregate, Grouped, Spread};
use super::window::Window;

/// Counts and the actions themselves.
impl FeatureName {
    /// Number of actions. Empty: 0.
    pub fn count(self) -> Feature {
        self.of(Aggregate::Count)
    }

    /// Whether there is any action. Empty: false.
    pub fn exists(self) -> Feature {
        self.of(Aggregate::Exists)
    }

    /// Milliseconds from the newest action to the instant of the question. Empty: none.
    pub fn recency(self) -> Feature {
        self.of(Aggregate::Recency)
    }

    /// Actions per hour of the window's length, which it must have: no `last`, no session. Empty: 0.
    ///
    /// ```
    /// use nowfold_core::time::hours;
    /// use nowfold_operators::feature::feature;
    ///
    /// // Six actions in four hours are 1.5 per hour.
    /// let pace = feature("pace").rate().verb("apply").within(hours(4));
    /// # let _ = pace;
    /// ```
    pub fn rate(self) -> Feature {
        self.of(Aggregate::Rate)
    }

    /// The count in one window divided by the count in another; none where the second is 0. Its label is `w1/w2`.
    ///
    /// ```
    /// use nowfold_core::time::hours;
    /// use nowfold_operators::feature::{Window, feature};
    ///
    /// let today = Window::sliding(hours(24));
    /// let trend = feature("trend").trend(today, today.offset(hours(24)));
    /// # assert_eq!(trend.all_windows().len(), 2);
    /// ```
    pub fn trend(self, numerator: Window, denominator: Window) -> Feature {
        self.of(Aggregate::Trend).windows([numerator, denominator])
    }

    /// Sessions in the window: runs of actions of which each follows the one before by no more than `gap`. Empty: 0.
    pub fn session_count(self, gap: Duration) -> Feature {
        self.of(Aggregate::SessionCount { gap: millis(gap) })
    }

    /// Number of actions per value of `path`; a missing value has an entry of its own. Beyond [`Feature::cap`] values
    /// (default 1,000) the least frequent ones are counted together as `other`. Empty: an empty map.
    pub fn count_by(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::CountBy { path: path.into() })
    }

    /// Number of different values of `path`: exact up to [`Feature::cap`] (default 10,000), beyond that a HyperLogLog
    /// estimate with a positive error bound. Empty: 0.
    pub fn distinct_count(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::DistinctCount { path: path.into() })
    }

    /// The `n` most frequent values of `path` with their counts; ties by the newest action. Empty: an empty list.
    pub fn top_n(self, n: usize, path: impl Into<String>) -> Feature {
        self.of(Aggregate::TopN { n, path: path.into() })
    }

    /// The share of the most frequent value of `path` among the actions that have one. Empty: none.
    pub fn ratio_top1(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::RatioTop1 { path: path.into() })
    }

    /// The actions themselves, newest first, with these parts of each; at most [`Feature::limit`] (default 100).
    /// Besides paths, `object.*` (or `objectAttributes`) selects all attributes of a side. Empty: an empty list.
    pub fn actions<S: Into<String>>(self, select: impl IntoIterator<Item = S>) -> Feature {
        self.of(Aggregate::Actions { select: select.into_iter().map(Into::into).collect() })
    }

    /// An aggregate of your own.
    pub fn aggregate(self, aggregate: impl Into<Custom>) -> Feature {
        self.of(Aggregate::Custom { custom: aggregate.into() })
    }
}

/// Single values.
impl FeatureName {
    /// The values of `path` in the `k` newest actions that have it, newest first; ties by sequence, then event id.
    /// Empty: an empty list.
    ///
    /// ```
    /// use nowfold_core::time::hours;
    /// use nowfold_operators::feature::feature;
    ///
    /// // The prices of the five jobs looked at last; of a job looked at twice, the newest price.
    /// let prices = feature("prices").last(5, "object.price").distinct_by("object").within(hours(24));
    /// # let _ = prices;
    /// ```
    pub fn last(self, k: usize, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Last { k, path: path.into() })
    }

    /// Likewise of the `k` oldest actions, oldest first.
    pub fn first(self, k: usize, path: impl Into<String>) -> Feature {
        self.of(Aggregate::First { k, path: path.into() })
    }

    /// The value of `path` in the newest action that has it. Empty: none.
    pub fn last_value(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::LastValue { path: path.into() })
    }

    /// The value of `path` in the oldest action that has it. Empty: none.
    pub fn first_value(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::FirstValue { path: path.into() })
    }
}

/// Numbers.
impl FeatureName {
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

    /// The smallest number. Empty: none.
    pub fn min(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Min { path: path.into() })
    }

    /// The largest number. Empty: none.
    pub fn max(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Max { path: path.into() })
    }

    /// Variance of the numbers themselves: the mean of their squared distances to their mean, in two passes. Empty: none.
    pub fn var_pop(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Spread { path: path.into(), spread: Spread::VarPop })
    }

    /// Variance estimated from a sample: divided by n - 1. Fewer than two numbers: none.
    pub fn var_sample(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Spread { path: path.into(), spread: Spread::VarSample })
    }

    /// The square root of [`var_pop`](Self::var_pop).
    pub fn stddev_pop(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Spread { path: path.into(), spread: Spread::StddevPop })
    }

    /// The square root of [`var_sample`](Self::var_sample).
    pub fn stddev_sample(self, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Spread { path: path.into(), spread: Spread::StddevSample })
    }

    /// The `p`-quantile, `0 <= p <= 1`, by nearest rank: the number at place `ceil(p n)`, at least 1, in ascending order.
    /// Exact up to [`Feature::cap`] numbers (default 10,000), beyond that from a DDSketch with a relative error of 1 %.
    /// Empty: none.
    pub fn quantile(self, p: f64, path: impl Into<String>) -> Feature {
        self.of(Aggregate::Quantile { p, path: path.into() })
    }

    /// The `k` largest numbers, largest first; ties by the newest action. Empty: an empty list.
    pub fn top_k(self, k: usize, path: impl Into<String>) -> Feature {
        self.of(Aggregate::TopK { k, path: path.into() })
    }

    /// Sum of a number per value of `by`; a missing one has an entry of its own. Beyond [`Feature::cap`] values (default
    /// 1,000) the rarest are left out and the answer is marked `truncated`. Empty: an empty map.
    pub fn sum_by(self, path: impl Into<String>, by: impl Into<String>) -> Feature {
        self.of(Aggregate::By { path: path.into(), by: by.into(), grouped: Grouped::Sum })
    }

    /// Likewise the mean of the numbers of each value.
    pub fn mean_by(self, path: impl Into<String>, by: impl Into<String>) -> Feature {
        self.of(Aggregate::By { path: path.into(), by: by.into(), grouped: Grouped::Mean })
    }

    /// Sum of numbers that lose half of their weight with every `half_life` of age: `sum(x 2^-((q - t) / H))`. It falls
    /// between actions. Empty: 0.
    pub fn decay_sum(self, path: impl Into<String>, half_life: Duration) -> Feature {
        self.of(Aggregate::DecaySum { path: path.into(), half_life: millis(half_life) })
    }

    /// Number of actions, each with the weight `2^-((q - t) / H)`. Empty: 0.
    ///
    /// ```
    /// use nowfold_core::time::hours;
    /// use nowfold_operators::feature::feature;
    ///
    /// // An action six hours ago counts 0.5, one twelve hours ago 0.25.
    /// let interest = feature("interest").decay_count(hours(6)).within(hours(96));
    /// # let _ = interest;
    /// ```
    pub fn decay_count(self, half_life: Duration) -> Feature {
        self.of(Aggregate::DecayCount { half_life: millis(half_life) })
    }

    /// Mean of numbers with these weights. Empty: none.
    pub fn decay_mean(self, path: impl Into<String>, half_life: Duration) -> Feature {
        self.of(Aggregate::DecayMean { path: path.into(), half_life: millis(half_life) })
    }
}
