//! Every aggregate on a log that can be followed by hand (`docs/semantics.md`, section 5).

use std::sync::Arc;

use nowfold_core::time::{Timestamp, hours, minutes};
use nowfold_operators::chain::ChainConfig;
use nowfold_operators::explain::PassedOver;
use nowfold_operators::feature::{
    Feature, FeatureSet, FeatureValue, LateJoin, MapKey, Normalize, Window, any, attr, feature, not,
};
use nowfold_operators::features::Metric;
use nowfold_schemas::action::{Action, Attribute};
use nowfold_schemas::attributes;

use crate::support::{HOUR, STORE, Store};

/// Hour, verb, object, price, vector.
type Line = (i64, &'static str, &'static str, Option<f64>, Option<[f32; 2]>);

const LOG: [Line; 6] = [
    (90, "view", "x", Some(1.0), Some([3.0, 4.0])),
    (94, "view", "y", None, None),
    (96, "apply", "x", Some(5.0), Some([0.0, 2.0])),
    (97, "view", "z", Some(2.0), Some([-1.0, 0.0])),
    (99, "dismiss", "y", Some(-3.0), Some([0.0, 0.0])),
    (100, "apply", "z", Some(5.0), None),
];

fn config() -> ChainConfig {
    ChainConfig::new(hours(97))
}

fn store() -> Store {
    filled(Store::new(&config(), []))
}

fn filled(mut store: Store) -> Store {
    for (number, (hour, verb, object, price, vector)) in LOG.into_iter().enumerate() {
        let mut action = Action::new("m", verb, object).at_ms(hour * HOUR).id(format!("id-{number}"));
        if let Some(price) = price {
            action = action.object_attribute("price", price);
        }
        if let Some(vector) = vector {
            action = action.object_attribute("vector", Attribute::Vector(vector.as_slice().into()));
        }
        assert!(store.apply(&action).is_admitted());
    }
    store
}

/// The value as of 100 h.
fn value(feature: Feature) -> FeatureValue {
    ask(feature, 100)
}

fn ask(feature: Feature, hour: i64) -> FeatureValue {
    let store = store();
    let as_of = Timestamp::from_millis(hour * HOUR);
    let answer = store.features.query("m").as_of(as_of).adhoc(feature).get().unwrap();
    answer.features[0].windows[0].value.clone()
}

/// In the last 8 hours: all but the first.
fn in_8h(feature: Feature) -> FeatureValue {
    value(feature.within(hours(8)))
}

fn f() -> nowfold_operators::feature::FeatureName {
    feature("f")
}

fn list(values: &[f64]) -> FeatureValue {
    FeatureValue::List(values.iter().map(|value| FeatureValue::Float(*value)).collect())
}

fn texts(values: &[&str]) -> FeatureValue {
    FeatureValue::List(values.iter().map(|value| FeatureValue::from(*value)).collect())
}

fn float(value: f64) -> FeatureValue {
    FeatureValue::Float(value)
}

fn vector(values: [f32; 2]) -> FeatureValue {
    FeatureValue::Vector(values.as_slice().into())
}

#[test]
fn actions_are_counted() {
    assert_eq!(in_8h(f().count()), FeatureValue::Count(5));
    assert_eq!(in_8h(f().exists().verb("dismiss")), FeatureValue::Bool(true));
    assert_eq!(in_8h(f().exists().verb("buy")), FeatureValue::Bool(false));
    assert_eq!(in_8h(f().recency().verb("view")), FeatureValue::Int(3 * HOUR));
    assert_eq!(in_8h(f().recency().verb("buy")), FeatureValue::None);
    assert_eq!(in_8h(f().rate()), float(0.625));
    assert_eq!(in_8h(f().session_count(hours(1))), FeatureValue::Count(3));
    assert_eq!(in_8h(f().session_count(hours(2))), FeatureValue::Count(1));
    assert_eq!(in_8h(f().session_count(hours(2)).verb("buy")), FeatureValue::Count(0));
}

#[test]
fn counts_are_compared() {
    let half = Window::sliding(hours(4));
    assert_eq!(value(f().trend(half, half.offset(hours(4)))), float(1.5));
    assert_eq!(value(f().trend(half, half.offset(hours(50)))), FeatureValue::None);
    assert_eq!(value(f().trend(half, half.offset(hours(50))).default_value(0.0)), float(0.0));
    let store = store();
    let query = store.features.query("m").as_of(Timestamp::from_millis(100 * HOUR));
    let answer = query.adhoc(f().trend(half, Window::sliding(hours(8)))).get().unwrap();
    let result = answer.window("f", "4h/8h").unwrap();
    assert_eq!((result.used, result.matched, &result.value), (3, 5, &float(0.6)));
}

#[test]
fn values_are_ranked_by_how_often_they_occur() {
    let ranked = |pairs: &[(&str, u64)]| {
        FeatureValue::Ranked(pairs.iter().map(|(text, n)| (MapKey::Text((*text).into()), *n)).collect())
    };
    assert_eq!(in_8h(f().top_n(2, "object")), ranked(&[("z", 2), ("y", 2)]));
    assert_eq!(in_8h(f().top_n(9, "object")), ranked(&[("z", 2), ("y", 2), ("x", 1)]));
    assert_eq!(in_8h(f().ratio_top1("verb")), float(0.4));
    assert_eq!(in_8h(f().ratio_top1("object.price")), float(0.5));
    assert_eq!(in_8h(f().ratio_top1("object.country")), FeatureValue::None);
}

#[test]
fn first_and_last_values_skip_actions_without_one() {
    assert_eq!(in_8h(f().last(2, "object.price")), list(&[5.0, -3.0]));
    assert_eq!(in_8h(f().first(2, "object.price")), list(&[5.0, 2.0]));
    assert_eq!(in_8h(f().last_value("object.price")), float(5.0));
    assert_eq!(in_8h(f().first_value("object")), "y".into());
    assert_eq!(in_8h(f().first_value("object.price")), float(5.0));
    assert_eq!(in_8h(f().last_value("object.country")), FeatureValue::None);
}

#[test]
fn distinct_by_keeps_the_newest_of_each_value() {
    let all = |feature: Feature| value(feature.within(hours(24)));
    assert_eq!(all(f().last(9, "object").distinct_by("object")), texts(&["z", "y", "x"]));
    assert_eq!(all(f().last(9, "object.price").distinct_by("object")), list(&[5.0, -3.0, 5.0]));
    assert_eq!(all(f().first(2, "object.price").distinct_by("object")), list(&[5.0, -3.0]));
    let FeatureValue::Actions(rows) = all(f().actions(["object"]).distinct_by("verb")) else { panic!("no rows") };
    assert_eq!(rows.iter().map(|row| row.event_id.to_string()).collect::<Vec<_>>(), ["id-5", "id-4", "id-3"]);
}

#[test]
fn numbers_are_summarised() {
    assert_eq!(in_8h(f().min("object.price")), float(-3.0));
    assert_eq!(in_8h(f().max("object.price")), float(5.0));
    assert_eq!(in_8h(f().min("object.country")), FeatureValue::None);
    // 5, 2, -3 and 5: mean 2.25, squared distances 7.5625, 0.0625, 27.5625 and 7.5625.
    assert_eq!(in_8h(f().var_pop("object.price")), float(10.6875));
    assert_eq!(in_8h(f().var_sample("object.price")), float(14.25));
    assert_eq!(in_8h(f().stddev_pop("object.price")), float(10.6875_f64.sqrt()));
    assert_eq!(in_8h(f().stddev_sample("object.price")), float(14.25_f64.sqrt()));
    assert_eq!(in_8h(f().var_pop("object.price").verb("dismiss")), float(0.0));
    assert_eq!(in_8h(f().var_sample("object.price").verb("dismiss")), FeatureValue::None);
    assert_eq!(in_8h(f().top_k(3, "object.price")), list(&[5.0, 5.0, 2.0]));
}

#[test]
fn quantiles_are_numbers_of_the_window() {
    let quantile = |p| in_8h(f().quantile(p, "object.price"));
    assert_eq!([0.0, 0.25, 0.26, 0.5, 0.75, 1.0].map(quantile), [-3.0, -3.0, 2.0, 2.0, 5.0, 5.0].map(float));
    assert_eq!(in_8h(f().quantile(0.5, "object.country")), FeatureValue::None);
    let FeatureValue::Float(sketched) = in_8h(f().quantile(0.5, "object.price").cap(3)) else { panic!("no float") };
    assert!((sketched - 2.0).abs() <= 0.02, "{sketched}");
}

#[test]
fn groups_have_sums_and_means_of_their_own() {
    let FeatureValue::Groups(sums) = in_8h(f().sum_by("object.price", "verb")) else { panic!("no groups") };
    assert_eq!(sums.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>(), [10.0, -3.0, 2.0].map(float));
    let FeatureValue::Groups(means) = in_8h(f().mean_by("object.price", "object")) else { panic!("no groups") };
    assert_eq!(means.get("z"), Some(&float(3.5)));
    let FeatureValue::Groups(vectors) = in_8h(f().vec_mean_by("object.vector", "verb")) else { panic!("no groups") };
    assert_eq!(vectors.get("apply"), Some(&vector([0.0, 2.0])));
    assert_eq!(vectors.get("buy"), None);
}

#[test]
fn groups_beyond_the_cap_are_left_out_and_the_answer_says_so() {
    let capped = |cap| {
        let feature = f().mean_by("object.price", "verb").cap(cap).within(hours(24));
        store().features.query("m").as_of(Timestamp::from_millis(100 * HOUR)).adhoc(feature).get().unwrap()
    };
    let answer = capped(2);
    let FeatureValue::Groups(groups) = answer.value("f").unwrap() else { panic!("no groups") };
    assert_eq!(groups.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(), ["apply", "view"]);
    assert!(answer.envelope.truncated && !capped(3).envelope.truncated);
}

#[test]
fn weights_halve_with_every_half_life_of_age() {
    // Ages 6, 4, 3, 1 and 0 hours.
    let powers = |ages: &[i32]| ages.iter().map(|age| 0.5_f64.powi(*age)).sum::<f64>();
    assert_eq!(in_8h(f().decay_count(hours(1))), float(powers(&[6, 4, 3, 1, 0])));
    let sum = 5.0 / 16.0 + 2.0 / 8.0 - 3.0 / 2.0 + 5.0;
    assert_eq!(in_8h(f().decay_sum("object.price", hours(1))), float(sum));
    assert_eq!(in_8h(f().decay_mean("object.price", hours(1))), float(sum / powers(&[4, 3, 1, 0])));
    assert_eq!(in_8h(f().decay_sum("object.price", hours(1)).verb("buy")), float(0.0));
    assert_eq!(in_8h(f().decay_mean("object.price", hours(1)).verb("buy")), FeatureValue::None);
}

#[test]
fn decay_falls_between_actions_without_a_new_one() {
    let at = |hour| ask(f().decay_count(hours(6)).verb("dismiss").within(hours(24)), hour);
    assert_eq!([99, 105, 111].map(at), [1.0, 0.5, 0.25].map(float));
    let offset = Window::sliding(hours(24)).offset(hours(6));
    assert_eq!(ask(f().decay_count(hours(6)).verb("dismiss").window(offset), 105), float(0.5));
}

#[test]
fn vectors_are_pooled_element_by_element() {
    let all = |feature: Feature| value(feature.within(hours(24)));
    let path = "object.vector";
    assert_eq!(all(f().vec_sum(path)), vector([2.0, 6.0]));
    assert_eq!(all(f().vec_mean(path)), vector([0.5, 1.5]));
    assert_eq!(all(f().vec_min(path)), vector([-1.0, 0.0]));
    assert_eq!(all(f().vec_max(path)), vector([3.0, 4.0]));
    assert_eq!(all(f().vec_weighted_mean(path, [("view", 2.0), ("apply", -1.0)])), vector([0.8, 1.2]));
    // Ages 10, 4, 3 and 1 hours.
    let w = [10, 4, 3, 1].map(|age| 0.5_f64.powi(age));
    #[expect(clippy::cast_possible_truncation, reason = "as the rule says")]
    let decayed = [(w[0] * 3.0 - w[2]) / w.iter().sum::<f64>(), (w[0] * 4.0 + w[1] * 2.0) / w.iter().sum::<f64>()]
        .map(|x| x as f32);
    assert_eq!(all(f().vec_decay_mean(path, hours(1))), vector(decayed));
    assert_eq!(all(f().vec_sum(path).verb("buy")), FeatureValue::None);
}

#[test]
fn vectors_are_given_length_1_before_or_after() {
    let all = |feature: Feature| value(feature.within(hours(24)));
    let path = "object.vector";
    // The zeros of the dismissal have no direction, so three remain.
    assert_eq!(all(f().vec_sum(path).normalize(Normalize::Before)), vector([-0.4, 1.8]));
    assert_eq!(all(f().vec_mean(path).verb("view").normalize(Normalize::After)), vector([0.447_213_6, 0.894_427_2]));
    assert_eq!(all(f().vec_mean(path).verb("dismiss").normalize(Normalize::After)), FeatureValue::None);
    assert_eq!(all(f().vec_mean(path).verb("dismiss").normalize(Normalize::Before)), FeatureValue::None);
    assert_eq!(all(f().vec_mean(path).verb("dismiss")), vector([0.0, 0.0]));
    let FeatureValue::Float(spread) = all(f().vec_dispersion(path)) else { panic!("no float") };
    let expected = 1.0 - (0.4_f64.powi(2) + 1.8_f64.powi(2)).sqrt() / 3.0;
    assert!((spread - expected).abs() < 1e-12, "{spread} {expected}");
    assert_eq!(all(f().vec_dispersion(path).verb("dismiss")), FeatureValue::None);
}

#[test]
fn filters_choose_actions_before_windows_do() {
    let priced = not(attr("object.price").is_null());
    assert_eq!(in_8h(f().count().filter(priced.clone())), FeatureValue::Count(4));
    let dear = any([attr("object.price").ge(5), attr("verb").eq("dismiss")]);
    assert_eq!(in_8h(f().sum("object.price").filter(dear.clone()).filter(priced)), float(7.0));
    assert_eq!(value(f().last(9, "object.price").filter(dear).window(Window::last(2))), list(&[5.0, -3.0]));
    assert_eq!(in_8h(f().count().filter(attr("actor").eq("n"))), FeatureValue::Count(0));
}

#[test]
fn candidates_are_scored_against_the_pooled_vector() {
    let store = store();
    let query = |candidates: Vec<Vec<f32>>, metric| {
        let taste = feature("taste").vec_mean("object.vector").within([hours(4), hours(24)]);
        store
            .features
            .query("m")
            .as_of(Timestamp::from_millis(100 * HOUR))
            .adhoc(taste)
            .score("taste", metric, candidates)
    };
    let candidates = vec![vec![1.0, 0.0], vec![0.0, 0.0]];
    let answer = query(candidates.clone(), Metric::Dot).get().unwrap();
    assert_eq!(answer.scores("taste").unwrap(), [Some(0.5), Some(0.0)]);
    assert_eq!(answer.scores_in("taste", "24h").unwrap(), answer.scores("taste").unwrap());
    assert_eq!(answer.scores_in("taste", "4h").unwrap(), [Some(-0.5), Some(0.0)]);
    for (name, window, cause) in [("taste", "5h", "it has 4h, 24h"), ("other", "4h", "no candidates were given")] {
        let error = answer.scores_in(name, window).unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(json["scores"]["taste"]["24h"], serde_json::json!([0.5, 0.0]));
    let answer = query(candidates, Metric::Cosine).get().unwrap();
    assert_eq!(answer.scores("taste").unwrap(), [Some(0.5 / 2.5_f64.sqrt()), None]);
    let error = query(vec![vec![1.0]], Metric::Dot).get().unwrap_err().to_string();
    assert!(error.contains("has 2 elements, but candidate 0 has 1"), "{error}");
}

#[test]
fn a_default_stands_for_none_and_for_nothing_else() {
    let plain = feature("f").mean("object.price").default_value(-1.0);
    assert_eq!(in_8h(plain.clone().verb("buy")), float(-1.0));
    assert_eq!(in_8h(plain.clone()), float(2.25));
    assert_eq!(value(plain.verb("buy").window(Window::last(3))), float(-1.0));
    assert_eq!(in_8h(f().sum("object.price").verb("buy").default_value(-1.0)), FeatureValue::Int(0));
    assert_eq!(in_8h(f().vec_mean("object.vector").verb("buy").default_value(vec![0.0, 1.0])), vector([0.0, 1.0]));
}

#[test]
fn attributes_that_join_late_are_computed_with_in_every_window() {
    let lookup = |object: &str| match object {
        "x" => Some(attributes! { "size" => 4, "late" => vec![2.0_f32, 0.0] }),
        "z" => Some(attributes! { "size" => 1, "late" => vec![0.0_f32, 6.0] }),
        _ => None,
    };
    let late = || Some(LateJoin::new(["size", "late"], Arc::new(lookup)));
    let ask = |feature: Feature| {
        let set = FeatureSet::compile_with(STORE, &config(), late(), [feature]).unwrap();
        let store = filled(Store::of(&config(), set));
        let answer = store.features.query("m").as_of(Timestamp::from_millis(100 * HOUR)).get().unwrap();
        assert!(answer.features[0].late_joined);
        answer.features[0].windows[0].value.clone()
    };
    assert_eq!(ask(f().max("object.size").within(hours(8))), FeatureValue::Int(4));
    assert_eq!(ask(f().mean("object.size").window(Window::last(3))), float(1.0));
    assert_eq!(ask(f().sum("object.size").filter(attr("verb").eq("apply")).within(hours(8))), FeatureValue::Int(5));
    assert_eq!(ask(f().vec_mean("object.late").window(Window::last(4))), vector([2.0 / 3.0, 4.0]));
    assert_eq!(ask(f().vec_max("object.late").within(hours(8))), vector([2.0, 6.0]));
    let refused = f().top_n(1, "object.size").within(hours(8));
    let error = FeatureSet::compile_with(STORE, &config(), late(), [refused]).unwrap_err();
    assert!(error.to_string().contains("joins late"), "{error}");
}

#[test]
fn explanations_know_which_values_were_chosen() {
    let store = store();
    let ids = |feature: Feature| {
        let explained = store.features.explain(feature, "m").as_of(Timestamp::from_millis(100 * HOUR)).get().unwrap();
        let window = &explained.windows[0];
        let used = window.events.iter().map(|event| event.event_id.to_string()).collect::<Vec<_>>();
        let passed = |passed: &PassedOver| (passed.action.event_id.to_string(), passed.reason);
        (used, window.passed_over.iter().map(passed).collect::<Vec<_>>())
    };
    let (used, passed) = ids(f().first(2, "object.price").within(hours(8)));
    assert_eq!(used, ["id-3", "id-2"]);
    let reasons = [("id-5", "not_among_oldest"), ("id-4", "not_among_oldest"), ("id-1", "missing_attribute")];
    assert_eq!(passed, reasons.map(|(id, reason)| (id.to_owned(), reason)));
    let (used, passed) = ids(f().last_value("object").filter(attr("verb").eq("view")).window(Window::last(2)));
    assert_eq!(used, ["id-3"]);
    assert_eq!(passed.iter().filter(|(_, reason)| *reason == "not_among_newest").count(), 1);
    assert_eq!(ids(f().var_pop("object.price").within(hours(4))).0, ["id-5", "id-4", "id-3"]);
}

#[test]
fn definitions_that_make_no_sense_are_refused() {
    let w = Window::sliding(hours(1));
    let cases = [
        (f().rate().window(Window::last(3)), "a rate in a window without a length"),
        (f().trend(w, w.offset(hours(1))).window(Window::last(1)), "compares two windows"),
        (f().quantile(1.5, "object.price").window(w), "a quantile that is not from 0 to 1"),
        (f().top_k(0, "object.price").window(w), "the top 0"),
        (f().decay_count(minutes(0)).window(w), "a half-life of less than"),
        (f().min("verb").window(w), "cannot compute with verb, which is text"),
        (f().vec_mean("object.v").distinct_by("object").window(w), "a distinct_by that does not apply"),
        (f().mean("object.v").normalize(Normalize::After).window(w), "a normalize that does not apply"),
        (f().count().filter(attr("price").eq(1)).window(w), "\"price\" is not a path"),
        (f().count().window(Window::last(3).offset(hours(1))), "last-3 with offset, which is for sliding windows"),
        (f().vec_weighted_mean("object.v", [("apply", f64::NAN)]).window(w), "one finite weight"),
        (f().count().window(Window::tumbling(hours(49)).previous()), "NF014"),
        (f().count().window(w.offset(hours(97))), "NF014"),
    ];
    for (feature, expected) in cases {
        let error = FeatureSet::compile(STORE, &config(), [feature]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
