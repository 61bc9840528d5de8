//! Aggregates by their names, which are those of the methods in Rust.

use nowfold_strict::Node;

use super::Grammar;
use super::options::Options;
use super::paths::Wanted;
use crate::feature::kind::Aggregate;
use crate::feature::{Feature, FeatureName, feature};

/// Every aggregate. Aggregates of one's own are code, and cannot be named here.
pub(super) const AGGREGATES: &[&str] = &[
    "actions",
    "count",
    "count_by",
    "decay_count",
    "decay_mean",
    "decay_sum",
    "distinct_count",
    "exists",
    "first",
    "first_value",
    "last",
    "last_value",
    "max",
    "mean",
    "mean_by",
    "min",
    "quantile",
    "rate",
    "ratio_top1",
    "recency",
    "session_count",
    "stddev_pop",
    "stddev_sample",
    "sum",
    "sum_by",
    "top_k",
    "top_n",
    "trend",
    "var_pop",
    "var_sample",
    "vec_decay_mean",
    "vec_dispersion",
    "vec_max",
    "vec_mean",
    "vec_mean_by",
    "vec_min",
    "vec_sum",
    "vec_weighted_mean",
    "weighted_mean",
];

impl Grammar {
    /// The feature of this name with an aggregate that takes its own keys from `options`.
    pub(super) fn aggregate(&self, name: &str, node: &Node<'_>, options: &mut Options<'_, '_>) -> Option<Feature> {
        let (name, aggregate) = (feature(name), node.text()?);
        if let Some(plain) = plain(&name, aggregate) {
            return Some(plain);
        }
        if let Some((wanted, build)) = of_path(aggregate) {
            return self.of(options, wanted).map(|path| build(name, path));
        }
        if let Some((wanted, build)) = of_two(aggregate) {
            let (of, by) = (self.of(options, wanted), self.by(options));
            return Some(build(name, of?, by?));
        }
        self.with_numbers(name, aggregate, options).unwrap_or_else(|| node.unknown("aggregate", aggregate, AGGREGATES))
    }

    /// Aggregates with keys of their own beside paths; `None` for an unknown name.
    fn with_numbers(
        &self,
        name: FeatureName,
        aggregate: &str,
        options: &mut Options<'_, '_>,
    ) -> Option<Option<Feature>> {
        use Wanted::{Anything, Number, Summed, Vector};
        let most = self.most.values;
        Some(match aggregate {
            "session_count" => options.duration("gap").map(|gap| name.session_count(gap)),
            "decay_count" => options.duration("half_life").map(|half| name.decay_count(half)),
            "decay_sum" => pair(self.of(options, Number), options.duration("half_life"), |p, h| name.decay_sum(p, h)),
            "decay_mean" => pair(self.of(options, Number), options.duration("half_life"), |p, h| name.decay_mean(p, h)),
            "vec_decay_mean" => {
                pair(self.of(options, Vector), options.duration("half_life"), |p, h| name.vec_decay_mean(p, h))
            }
            "last" => pair(self.of(options, Anything), options.number_or("k", 1, most), |p, k| name.last(k, p)),
            "first" => pair(self.of(options, Anything), options.number_or("k", 1, most), |p, k| name.first(k, p)),
            "top_n" => pair(self.of(options, Anything), options.number_or("k", 10, most), |p, k| name.top_n(k, p)),
            "top_k" => pair(self.of(options, Number), options.number_or("k", 10, most), |p, k| name.top_k(k, p)),
            "quantile" => {
                pair(self.of(options, Number), options.required("p", share), |path, p| name.quantile(p, path))
            }
            "weighted_mean" => {
                pair(self.of(options, Summed), self.weights(options), |p, weights| name.weighted_mean(p, weights))
            }
            "vec_weighted_mean" => {
                pair(self.of(options, Vector), self.weights(options), |p, weights| name.vec_weighted_mean(p, weights))
            }
            "actions" => {
                let select = options.take("select");
                let select = select.map_or(Some(Vec::new()), |node| node.each(|path| self.select(path)));
                select.map(|select| name.actions(select))
            }
            _ => return None,
        })
    }

    fn of(&self, options: &mut Options<'_, '_>, wanted: Wanted) -> Option<String> {
        options.required("of", |node| self.path(node, wanted))
    }

    fn by(&self, options: &mut Options<'_, '_>) -> Option<String> {
        options.required("by", |node| self.path(node, Wanted::Anything))
    }

    fn weights(&self, options: &mut Options<'_, '_>) -> Option<Vec<(String, f64)>> {
        options.required("weights", |node| {
            let entries = node.section()?.entries();
            if entries.is_empty() {
                return node.wrong("needs one weight for each of its verbs, such as { apply = 1.0 }");
            }
            let weight = |(verb, _, node): (&str, _, Node<'_>)| self.known_verb(&node, verb).zip(node.number());
            entries.into_iter().map(weight).collect::<Vec<_>>().into_iter().collect()
        })
    }
}

fn pair<A, B, T>(a: Option<A>, b: Option<B>, build: impl FnOnce(A, B) -> T) -> Option<T> {
    a.zip(b).map(|(a, b)| build(a, b))
}

fn share(node: &Node<'_>) -> Option<f64> {
    let p = node.number()?;
    if (0.0..=1.0).contains(&p) { Some(p) } else { node.wrong("must be from 0 to 1; the median is 0.5") }
}

/// Aggregates of the actions themselves. The windows of a trend are its `within`.
fn plain(name: &FeatureName, aggregate: &str) -> Option<Feature> {
    let name = name.clone();
    Some(match aggregate {
        "count" => name.count(),
        "exists" => name.exists(),
        "recency" => name.recency(),
        "rate" => name.rate(),
        "trend" => name.of(Aggregate::Trend),
        _ => return None,
    })
}

type OfPath = fn(FeatureName, String) -> Feature;
type OfTwo = fn(FeatureName, String, String) -> Feature;

/// Aggregates of one path, with what the path must lead to.
fn of_path(aggregate: &str) -> Option<(Wanted, OfPath)> {
    use Wanted::{Anything, Number, Summed, Vector};
    Some(match aggregate {
        "count_by" => (Anything, FeatureName::count_by),
        "distinct_count" => (Anything, FeatureName::distinct_count),
        "ratio_top1" => (Anything, FeatureName::ratio_top1),
        "last_value" => (Anything, FeatureName::last_value),
        "first_value" => (Anything, FeatureName::first_value),
        "sum" => (Number, FeatureName::sum),
        "mean" => (Summed, FeatureName::mean),
        "min" => (Number, FeatureName::min),
        "max" => (Number, FeatureName::max),
        "var_pop" => (Number, FeatureName::var_pop),
        "var_sample" => (Number, FeatureName::var_sample),
        "stddev_pop" => (Number, FeatureName::stddev_pop),
        "stddev_sample" => (Number, FeatureName::stddev_sample),
        "vec_mean" => (Vector, FeatureName::vec_mean),
        "vec_sum" => (Vector, FeatureName::vec_sum),
        "vec_min" => (Vector, FeatureName::vec_min),
        "vec_max" => (Vector, FeatureName::vec_max),
        "vec_dispersion" => (Vector, FeatureName::vec_dispersion),
        _ => return None,
    })
}

/// Aggregates of one path by another.
fn of_two(aggregate: &str) -> Option<(Wanted, OfTwo)> {
    Some(match aggregate {
        "sum_by" => (Wanted::Number, FeatureName::sum_by),
        "mean_by" => (Wanted::Number, FeatureName::mean_by),
        "vec_mean_by" => (Wanted::Vector, FeatureName::vec_mean_by),
        _ => return None,
    })
}
