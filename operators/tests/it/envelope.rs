//! What answers say about themselves: laws 4 and 5, and their JSON.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_core::query::{Lag, Progress, ProgressCell, QueryError, Readiness};
use nowfold_core::time::{Timestamp, hours, minutes, seconds};
use nowfold_operators::chain::ChainConfig;
use nowfold_operators::feature::{FeatureSet, MapKey, feature};
use nowfold_operators::features::Features;
use nowfold_operators::position::Position;
use nowfold_schemas::action::{Action, Attribute};

use crate::support::{HOUR, STORE, Store, TOPIC, action};

const NOW: i64 = 1_795_428_000_123;

fn store() -> Store {
    let features = [
        feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
        feature("counts").count_by("verb").within([hours(96), hours(1), hours(24)]),
    ];
    let store = Store::new(&ChainConfig::new(hours(97)), features);
    store.at(NOW);
    store
}

fn applied(store: &mut Store, hours_ago: i64, id: &str, vector: &[f32]) {
    let action = Action::new("member-111", "apply", format!("job-{id}")).at_ms(NOW - hours_ago * HOUR).id(id);
    let action = action.object_attribute("embedding", Attribute::Vector(vector.into()));
    assert!(store.apply_at(&action, NOW).is_admitted());
}

fn position(offset: i64) -> Position {
    Position::new().with(TopicPartition::new(TOPIC, 0), offset)
}

#[test]
fn json_is_that_of_the_api() {
    let mut store = store();
    applied(&mut store, 2, "a", &[0.25, -0.5]);
    applied(&mut store, 30, "b", &[9.0, 9.0]);
    let mut answer = store.features.clone().owned_by("127.0.0.1:7070").of("member-111").unwrap();
    answer.envelope.took_us = Some(38);
    let expected = concat!(
        r#"{"actor":"member-111","features":{"#,
        r#""applied":{"value":[0.25,-0.5],"used":1,"missing":0,"#,
        r#""oldest":"2026-11-23T08:00:00.123Z","newest":"2026-11-23T08:00:00.123Z","error_bound":0},"#,
        r#""counts":{"value":{"1h":{},"24h":{"apply":1},"96h":{"apply":2}},"used":2,"missing":0,"#,
        r#""oldest":"2026-11-22T04:00:00.123Z","newest":"2026-11-23T08:00:00.123Z","error_bound":0}},"#,
        r#""as_of":"2026-11-23T10:00:00.123Z","found":true,"complete":true,"truncated":false,"stale":false,"#,
        r#""lag_ms":0,"source_lag_ms":0,"owner":"127.0.0.1:7070","position":{"actions-0":1},"took_us":38}"#,
    );
    assert_eq!(serde_json::to_string(&answer).unwrap(), expected);
}

#[test]
fn empty_values_are_zero_empty_or_none_and_never_nan() {
    let features = [
        feature("count").count().within(hours(1)),
        feature("sum").sum("object.x").within(hours(1)),
        feature("mean").mean("object.x").within(hours(1)),
        feature("taste").weighted_mean("object.x", [("apply", 1.0)]).within(hours(1)),
        feature("distinct").distinct_count("object").within(hours(1)),
        feature("last").last(3, "object").within(hours(1)),
        feature("by").count_by("object").within(hours(1)),
        feature("rows").actions(["object"]).within(hours(1)),
    ];
    let mut store = Store::new(&ChainConfig::new(hours(97)), features);
    store.apply(&action(99.0, "old"));
    store.at(200 * HOUR);
    for actor in ["nobody", "m"] {
        let answer = store.features.of(actor).unwrap();
        let json: serde_json::Value = serde_json::to_value(&answer).unwrap();
        let value = |name: &str| json["features"][name]["value"].to_string();
        let values = ["count", "sum", "mean", "taste", "distinct", "last", "by", "rows"].map(value);
        assert_eq!(values, ["0", "0", "null", "null", "0", "[]", "{}", "[]"]);
        assert_eq!(answer.envelope.found, actor == "m");
    }
}

#[test]
fn accessors_tell_wrong_names_kinds_and_windows() {
    let mut store = store();
    applied(&mut store, 2, "a", &[1.0]);
    let answer = store.features.of("member-111").unwrap();
    assert_eq!(answer.map("counts", "96h").unwrap().get("apply"), 1);
    assert_eq!(answer.lag().to_string(), "0 ms");
    assert_eq!(answer.vector("nope").unwrap_err().code(), "NF011");
    assert_eq!(answer.count("applied").unwrap_err().code(), "NF016");
    assert_eq!(answer.value("counts").unwrap_err().code(), "NF016");
    let error = answer.map("counts", "2h").unwrap_err().to_string();
    assert_eq!(error, r#"NF016 feature "counts" has no window "2h"; it has 1h, 24h, 96h"#);
}

#[test]
fn asks_for_some_registered_and_some_new_features() {
    let store = store();
    let names = |answer: nowfold_operators::answer::Answer| -> Vec<String> {
        answer.features.iter().map(|feature| feature.name.to_string()).collect()
    };
    let query = || store.features.query("m");
    let new = || feature("new").count().within(hours(2));
    assert_eq!(names(query().get().unwrap()), ["applied", "counts"]);
    assert_eq!(names(query().select(["counts"]).get().unwrap()), ["counts"]);
    assert_eq!(names(query().adhoc(new()).get().unwrap()), ["new"]);
    assert_eq!(names(query().select(["applied"]).adhoc(new()).get().unwrap()), ["applied", "new"]);
    assert_eq!(query().select(["nope"]).get().unwrap_err().code(), "NF011");
    assert_eq!(query().select(["counts", "counts"]).get().unwrap_err().code(), "NF016");
}

#[test]
fn malformed_features_are_refused_all_at_once() {
    let bad = [
        feature("no-window").count(),
        feature("empty").count().within(Duration::ZERO),
        feature("twice").count().within([hours(1), minutes(60)]),
        feature("path").mean("price").within(hours(1)),
        feature("text").sum("object").within(hours(1)),
        feature("none").last(0, "object").within(hours(1)),
        feature("cap").count().cap(3).within(hours(1)),
        feature("weights").weighted_mean("object.x", [("a", f64::NAN)]).within(hours(1)),
        feature("verbs").weighted_mean("object.x", [("a", 1.0)]).verb("b").within(hours(1)),
        feature("long").count().within(hours(97)),
        feature("same").count().within(hours(1)),
        feature("same").count().within(hours(1)),
    ];
    let errors = FeatureSet::compile(STORE, &ChainConfig::new(hours(97)), bad).unwrap_err();
    assert_eq!(errors.errors().len(), 11, "{errors}");
}

#[test]
fn as_of_may_not_lie_in_the_future() {
    let store = store();
    let ask = |ms: i64| store.features.query("m").as_of(Timestamp::from_millis(ms)).get();
    assert!(ask(NOW + 5 * 60_000).is_ok());
    assert_eq!(ask(NOW + 5 * 60_000 + 1).unwrap_err().code(), "NF015");
    assert!(ask(i64::MIN).is_ok(), "edges saturate");
}

#[test]
fn law_4_an_answer_includes_the_position_asked_for_or_fails() {
    let mut store = store();
    applied(&mut store, 2, "a", &[1.0]);
    let ask = |features: &Features, offset: i64| {
        features.query("member-111").at_least(&position(offset)).wait_up_to(Duration::from_millis(50)).get()
    };
    assert!(ask(&store.features, 0).is_ok());
    let behind = ask(&store.features, 1).unwrap_err();
    let QueryError::Behind { applied: Some(0), wanted: 1, .. } = behind else { panic!("{behind}") };
    let other = Position::new().with(TopicPartition::new(TOPIC, 7), 99);
    assert!(store.features.query("member-111").at_least(&other).get().is_ok(), "other partitions do not matter");
}

#[test]
fn law_4_waits_as_long_as_it_may() {
    let mut store = store();
    applied(&mut store, 2, "a", &[1.0]);
    let progress = store.progress.clone();
    let waits = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = waits.clone();
    let pause = move |_: Duration| {
        if counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 9 {
            progress.update(|progress| progress.applied = Some(5));
        }
    };
    let features = store.features.clone().pausing_with(Arc::new(pause));
    let query = || features.query("member-111").at_least(&position(5));
    assert_eq!(query().wait_up_to(Duration::from_millis(5)).get().unwrap_err().code(), "NF013");
    assert_eq!(waits.load(std::sync::atomic::Ordering::SeqCst), 5);
    let answer = query().wait_up_to(Duration::from_millis(50)).get().unwrap();
    assert_eq!(answer.envelope.position, position(5));
    assert_eq!(waits.load(std::sync::atomic::Ordering::SeqCst), 10);
}

#[test]
fn law_5_a_history_that_begins_inside_a_window_is_incomplete() {
    let mut store = store();
    applied(&mut store, 2, "a", &[1.0]);
    applied(&mut store, 30, "b", &[1.0]);
    let floor = |ms: i64| store.progress.update(|progress| progress.log_floor = Timestamp::from_millis(ms));
    floor(NOW - 96 * HOUR);
    assert!(store.features.of("member-111").unwrap().envelope.complete, "the edge itself is outside the window");
    floor(NOW - 96 * HOUR + 1);
    assert!(!store.features.of("member-111").unwrap().envelope.complete);
    floor(NOW - 30 * HOUR);
    let answer = store.features.of("member-111").unwrap();
    assert_eq!(answer.used("counts").unwrap(), 1, "events at or below the floor are invisible");
    assert!(store.features.query("member-111").select(["applied"]).get().unwrap().envelope.complete);
    let past = store.features.query("member-111").as_of(Timestamp::from_millis(NOW - 50 * HOUR)).get().unwrap();
    assert!(!past.envelope.complete);
    assert!(!past.envelope.found);
}

#[test]
fn law_5_stale_answers_say_so() {
    let store = store();
    let envelope = || store.features.of("m").unwrap().envelope;
    assert_eq!((envelope().stale, envelope().lag_ms), (false, Some(0)));
    store.clock.set(NOW + 2_000);
    assert!(!envelope().stale);
    store.clock.set(NOW + 2_001);
    assert!(envelope().stale, "known for longer than two seconds");
    store.at(NOW);
    store.progress.update(|progress| progress.lag = Lag::Since(Timestamp::from_millis(NOW - 700)));
    assert_eq!((envelope().stale, envelope().lag_ms), (false, Some(700)));
    store.progress.update(|progress| progress.lag = Lag::Unknown);
    assert_eq!((envelope().stale, envelope().lag_ms), (true, None));
    store.at(NOW);
    let source = Arc::new(ProgressCell::restoring());
    store.hub.set_sources(vec![source.clone()]);
    assert_eq!((envelope().stale, envelope().source_lag_ms), (true, None));
    let at = Timestamp::from_millis;
    let known = |progress: &mut Progress| (progress.lag, progress.known_at) = (Lag::Since(at(NOW - 20)), at(NOW));
    source.update(known);
    assert_eq!((envelope().stale, envelope().source_lag_ms), (false, Some(20)));
}

#[test]
fn a_restoring_store_answers_only_within_an_allowed_lag() {
    let mut store = store();
    applied(&mut store, 2, "a", &[1.0]);
    let restoring = |lag: Lag| {
        store.progress.update(|progress| {
            progress.readiness = Readiness::Restoring { done: 1, total: 4_000_001 };
            progress.lag = lag;
        });
    };
    let ask = || store.features.query("member-111").allow_stale(minutes(5)).get();
    restoring(Lag::Unknown);
    let error = ask().unwrap_err();
    assert!(matches!(error, QueryError::Restoring { retry_after, .. } if retry_after == seconds(16)), "{error}");
    restoring(Lag::Since(Timestamp::from_millis(NOW - 5 * 60_000 - 1)));
    assert_eq!(ask().unwrap_err().code(), "NF012");
    restoring(Lag::Since(Timestamp::from_millis(NOW - 5 * 60_000)));
    let answer = ask().unwrap();
    assert!(answer.envelope.stale);
    assert_eq!(answer.used("applied").unwrap(), 1);
}

#[test]
fn a_restoring_store_says_so_whatever_position_is_required() {
    let mut store = store();
    applied(&mut store, 2, "a", &[1.0]);
    let restore = |lag: Lag| {
        store.progress.update(|progress| {
            progress.readiness = Readiness::Restoring { done: 1, total: 9 };
            progress.lag = lag;
        });
    };
    restore(Lag::Unknown);
    let ask = || store.features.query("member-111").at_least(&position(5));
    assert_eq!(ask().get().unwrap_err().code(), "NF012");
    restore(Lag::None);
    assert_eq!(ask().allow_stale(minutes(5)).get().unwrap_err().code(), "NF013", "stale is fine, behind is not");
}

#[test]
fn law_5_estimates_say_how_far_off_they_may_be() {
    let distinct = feature("objects").distinct_count("object").cap(100).within([hours(1), hours(24)]);
    let mut store = Store::new(&ChainConfig::new(hours(97)), [distinct]);
    store.at(NOW);
    for i in 0..5_000 {
        let hours_ago = if i < 100 { 0 } else { 2 };
        let action = Action::new("m", "view", format!("job-{i}")).at_ms(NOW - hours_ago * HOUR).id(format!("{i}"));
        store.apply_at(&action, NOW);
    }
    let answer = store.features.of("m").unwrap();
    let (small, large) = (answer.window("objects", "1h").unwrap(), answer.window("objects", "24h").unwrap());
    assert_eq!((serde_json::to_string(&small.value).unwrap().as_str(), small.error_bound), ("100", 0.0));
    let estimate: f64 = serde_json::to_string(&large.value).unwrap().parse().unwrap();
    assert!(large.error_bound > 0.0);
    assert!((estimate - 5_000.0).abs() <= 5_000.0 * large.error_bound, "{estimate}");
    assert!(serde_json::to_value(&answer).unwrap()["features"]["objects"]["error_bound"].as_f64().unwrap() > 0.0);
}

#[test]
fn sums_of_whole_numbers_are_exact_and_beyond_i64_approximate() {
    let sum = || feature("sum").sum("object.x").within(hours(1));
    let mut store = Store::new(&ChainConfig::new(hours(97)), [sum()]);
    store.at(NOW);
    let add = |store: &mut Store, id: &str, x: i64| {
        let action = Action::new("m", "view", "x").at_ms(NOW).id(id).object_attribute("x", Attribute::Int(x));
        store.apply_at(&action, NOW);
        let window = store.features.of("m").unwrap().window("sum", "1h").unwrap().clone();
        (serde_json::to_string(&window.value).unwrap(), window.error_bound > 0.0)
    };
    assert_eq!(add(&mut store, "a", i64::MAX), (i64::MAX.to_string(), false));
    assert_eq!(add(&mut store, "b", 1), ("9.223372036854776e+18".to_owned(), true));
    assert_eq!(add(&mut store, "c", -2), ((i64::MAX - 1).to_string(), false));
}

#[test]
fn counted_values_that_read_alike_are_kept_apart_in_json() {
    let by = feature("by").count_by("object.kind").cap(4).within(hours(1));
    let mut store = Store::new(&ChainConfig::new(hours(97)), [by]);
    store.at(NOW);
    let kinds = [Attribute::Null, Attribute::Text("null".into()), Attribute::Int(5), Attribute::Text("5".into())];
    for (i, kind) in kinds.into_iter().enumerate() {
        let action = Action::new("m", "view", "x").at_ms(NOW).id(format!("{i}")).object_attribute("kind", kind);
        store.apply_at(&action, NOW);
    }
    let answer = store.features.of("m").unwrap();
    let json = serde_json::to_string(answer.map("by", "1h").unwrap()).unwrap();
    assert_eq!(json, r#"{"null":1,"5":1,"\"5\"":1,"\"null\"":1}"#);
    assert!(answer.map("by", "1h").unwrap().iter().any(|(key, n)| *key == MapKey::Null && n == 1));
}

/// The query of the paper: what did this member apply to in the last 24 hours, with the jobs' embeddings?
#[test]
fn actions_are_listed_newest_first_with_what_was_selected() {
    let mut store = store();
    for (i, id) in ["a", "b", "c"].into_iter().enumerate() {
        applied(&mut store, 3 - i64::try_from(i).unwrap(), id, &[0.5]);
    }
    applied(&mut store, 25, "old", &[0.5]);
    let ask = |limit: usize| {
        let query = store.features.actions("member-111").verb("apply").within(hours(24));
        query.select(["object.embedding", "verb.source"]).limit(limit).get().unwrap()
    };
    let answer = ask(2);
    assert_eq!(answer.actions.iter().map(|row| &*row.event_id).collect::<Vec<_>>(), ["c", "b"]);
    assert!(answer.envelope.truncated);
    assert_eq!(answer.matched, 3);
    assert!(!ask(3).envelope.truncated);
    assert_eq!(
        serde_json::to_string(&answer.actions[0]).unwrap(),
        concat!(
            r#"{"timestamp":"2026-11-23T09:00:00.123Z","verb":"apply","object":"job-c","event_id":"c","sequence":0,"#,
            r#""selected":{"object.embedding":[0.5],"verb.source":null}}"#
        )
    );
    let all = store.features.actions("member-111").get().unwrap();
    assert_eq!(all.actions.len(), 4, "by default over all that the store answers");
}

#[test]
fn a_batch_answers_every_actor_as_of_one_instant() {
    let mut store = store();
    applied(&mut store, 2, "a", &[1.0]);
    let answers = store.features.of_many(["member-111", "nobody"]).unwrap();
    let found: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().envelope.found).collect();
    assert_eq!(found, [true, false]);
    assert_eq!(Features::new(store.hub.clone(), store.clock.clone(), "nope").of("m").unwrap_err().code(), "NF010");
}
