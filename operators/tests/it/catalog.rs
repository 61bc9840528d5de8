//! Every aggregate, for tests that need no oracle.

use nowfold_core::time::minutes;
use nowfold_operators::feature::{
    Aggregator, Asked, Custom, Event, Feature, FeatureName, FeatureValue, Normalize, feature,
};

const WEIGHTS: [(&str, f64); 2] = [("dismiss", -0.3), ("apply", 1.0)];

/// The names of all aggregates of `docs/semantics.md`, section 5, with some options; each makes a feature without windows.
pub(crate) fn every_aggregate() -> Vec<Feature> {
    let price = "object.price";
    let kind = "object.kind";
    let h = minutes(10);
    let of = |name: &str, make: &dyn Fn(FeatureName) -> Feature| make(feature(name));
    let mut features = vec![
        of("count", &|f| f.count()),
        of("count_apply", &|f| f.count().verb("apply")),
        of("exists", &|f| f.exists().verb("dismiss")),
        of("recency", &|f| f.recency()),
        of("session_count", &|f| f.session_count(minutes(1))),
        of("count_by_verb", &|f| f.count_by("verb")),
        of("count_by", &|f| f.count_by(kind).cap(2)),
        of("distinct_count", &|f| f.distinct_count("object")),
        of("distinct_count_sketch", &|f| f.distinct_count("object").cap(2)),
        of("top_n", &|f| f.top_n(2, kind)),
        of("ratio_top1", &|f| f.ratio_top1(kind).default_value(-1.0)),
        of("actions", &|f| f.actions([price]).limit(4)),
        of("actions_distinct", &|f| f.actions([price]).limit(4).distinct_by("object")),
        of("last", &|f| f.last(3, kind)),
        of("last_distinct", &|f| f.last(3, price).distinct_by(kind)),
        of("first", &|f| f.first(3, kind)),
        of("first_distinct", &|f| f.first(3, price).distinct_by("object")),
        of("last_value", &|f| f.last_value(price)),
        of("first_value", &|f| f.first_value(kind)),
        of("sum", &|f| f.sum(price)),
        of("mean", &|f| f.mean(price).verbs(["view", "apply"])),
        of("weighted_mean", &|f| f.weighted_mean(price, WEIGHTS)),
        of("min", &|f| f.min(price)),
        of("max", &|f| f.max(price)),
        of("var_pop", &|f| f.var_pop(price)),
        of("var_sample", &|f| f.var_sample(price)),
        of("stddev_pop", &|f| f.stddev_pop(price)),
        of("stddev_sample", &|f| f.stddev_sample(price)),
        of("median", &|f| f.quantile(0.5, price)),
        of("quantile_sketch", &|f| f.quantile(0.9, price).cap(3)),
        of("top_k", &|f| f.top_k(3, price)),
        of("sum_by", &|f| f.sum_by(price, kind).cap(3)),
        of("mean_by", &|f| f.mean_by(price, "verb")),
        of("decay_sum", &|f| f.decay_sum(price, h)),
        of("decay_count", &|f| f.decay_count(h)),
        of("decay_mean", &|f| f.decay_mean(price, h)),
    ];
    features.extend(vectors());
    features.push(feature("custom").aggregate(longest()));
    features
}

fn vectors() -> Vec<Feature> {
    let vector = "object.vector";
    vec![
        feature("vec_sum").vec_sum(vector),
        feature("vec_mean").vec_mean(vector),
        feature("vec_mean_before").vec_mean(vector).normalize(Normalize::Before),
        feature("vec_mean_after").vec_mean(vector).normalize(Normalize::After),
        feature("vec_min").vec_min(vector),
        feature("vec_max").vec_max(vector).normalize(Normalize::Both),
        feature("vec_decay_mean").vec_decay_mean(vector, minutes(10)),
        feature("vec_weighted_mean").vec_weighted_mean(vector, WEIGHTS).normalize(Normalize::After),
        feature("vec_weighted_before").vec_weighted_mean(vector, WEIGHTS).normalize(Normalize::Before),
        feature("vec_mean_by").vec_mean_by(vector, "object").cap(3).normalize(Normalize::Both),
        feature("vec_dispersion").vec_dispersion(vector),
        feature("mean_vector").mean(vector),
    ]
}

/// Shared, so that features made of it are equal.
fn longest() -> Custom {
    static LONGEST: std::sync::OnceLock<Custom> = std::sync::OnceLock::new();
    LONGEST.get_or_init(|| Custom::new(RootMeanSquare)).clone()
}

/// The square root of the mean of squares, which shows in which order it was added.
struct RootMeanSquare;

impl Aggregator for RootMeanSquare {
    type State = (f64, u64);

    fn inputs(&self) -> Vec<String> {
        vec!["object.price".to_owned(), "verb".to_owned()]
    }

    fn init(&self) -> (f64, u64) {
        (0.0, 0)
    }

    fn add(&self, (sum, n): &mut (f64, u64), event: &Event<'_>) {
        if let Some(price) = event.number(0) {
            *sum += price * price;
            *n += 1;
        }
    }

    fn merge(&self, (sum, n): &mut (f64, u64), other: (f64, u64)) {
        *sum += other.0;
        *n += other.1;
    }

    fn finish(&self, (sum, n): (f64, u64), asked: &Asked) -> FeatureValue {
        assert!(asked.used >= n);
        if n == 0 { FeatureValue::None } else { FeatureValue::Float((sum / n as f64).sqrt()) }
    }
}
