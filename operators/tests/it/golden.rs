//! The golden edge cases of `docs/semantics.md`, section 7: hours, retention 97, skew 5 minutes, one actor.

use nowfold_core::query::{QueryError, Readiness};
use nowfold_core::time::{Timestamp, hours};
use nowfold_operators::answer::Answer;
use nowfold_operators::chain::{Admission, ChainConfig, Faults};
use nowfold_operators::feature::{Feature, FeatureSet, FeatureValue, feature};
use nowfold_schemas::action::{Action, Attribute};

use crate::support::{HOUR, STORE, Store, action};

const ADMITTED: Admission = Admission::Admitted { faults: Faults { bad_vector: 0, bad_number: 0, too_many_names: 0 } };

fn config() -> ChainConfig {
    ChainConfig::new(hours(97))
}

fn store() -> Store {
    Store::new(
        &config(),
        [
            feature("n").count().within(hours(24)),
            feature("ids").last(3, "object").within(hours(24)),
            feature("mean").mean("object.embedding").within(hours(24)),
        ],
    )
}

fn ask(store: &Store, q: f64) -> Answer {
    #[expect(clippy::cast_possible_truncation, reason = "test times are small")]
    let as_of = Timestamp::from_millis((q * HOUR as f64) as i64);
    store.features.query("m").as_of(as_of).get().unwrap()
}

fn n(store: &Store, q: f64) -> u64 {
    ask(store, q).count("n").unwrap()
}

fn newest(answer: &Answer) -> Vec<String> {
    let FeatureValue::List(items) = answer.value("ids").unwrap() else { panic!("not a list") };
    items.iter().map(|item| if let FeatureValue::Text(text) = item { text.to_string() } else { panic!() }).collect()
}

fn with_vector(action: Action, vector: &[f32]) -> Action {
    action.object_attribute("embedding", Attribute::Vector(vector.into()))
}

#[test]
fn g1_lower_edge_is_open_and_upper_edge_is_closed() {
    let mut store = store();
    store.apply(&action(76.0, "a"));
    store.apply(&action(100.0, "b"));
    let answer = ask(&store, 100.0);
    assert_eq!(answer.count("n").unwrap(), 1);
    assert_eq!(newest(&answer), ["job-b"]);
}

#[test]
fn g2_a_millisecond_earlier_the_older_event_is_in_and_the_newer_is_not() {
    let mut store = store();
    store.apply(&action(76.0, "a"));
    store.apply(&action(100.0, "b"));
    let as_of = Timestamp::from_millis(100 * HOUR - 1);
    let answer = store.features.query("m").as_of(as_of).get().unwrap();
    assert_eq!(answer.count("n").unwrap(), 1);
    assert_eq!(newest(&answer), ["job-a"]);
}

#[test]
fn g3_windows_move_on_without_any_new_event() {
    let mut store = store();
    store.apply(&with_vector(action(90.0, "a"), &[1.0, 2.0]));
    store.at(100 * HOUR);
    assert_eq!(store.features.of("m").unwrap().count("n").unwrap(), 1);
    store.at(115 * HOUR);
    let answer = store.features.of("m").unwrap();
    assert_eq!(answer.count("n").unwrap(), 0);
    assert_eq!(answer.vector("mean").unwrap(), None);
    assert!(answer.envelope.found);
}

#[test]
fn g4_out_of_order_events_are_placed_by_time() {
    let (mut late, mut in_order) = (store(), store());
    for (store, ids) in [(&mut late, ["b", "a"]), (&mut in_order, ["a", "b"])] {
        for id in ids {
            store.apply(&action(if id == "a" { 80.0 } else { 99.0 }, id));
        }
    }
    let answer = ask(&late, 100.0);
    assert_eq!(answer.count("n").unwrap(), 2);
    assert_eq!(newest(&answer), ["job-b", "job-a"]);
    assert_eq!(json(&answer), json(&ask(&in_order, 100.0)));
    assert_eq!(late.chains.digest(), in_order.chains.digest());
}

#[test]
fn g5_events_older_than_retention_are_dropped() {
    let mut store = store();
    store.apply(&action(100.0, "a"));
    let before = store.chains.digest();
    assert_eq!(store.apply(&action(2.0, "x")), Admission::LateDropped);
    assert_eq!(store.apply(&action(3.0, "y")), Admission::LateDropped);
    assert_eq!(store.chains.digest(), before);
    assert_eq!(store.chains.counters().late_dropped, 2);
    assert_eq!(store.apply(&Action::new("m", "apply", "z").at_ms(3 * HOUR + 1).id("z")), ADMITTED);
}

#[test]
fn g6_the_same_id_counts_once() {
    let mut store = Store::new(&config(), [feature("n").count().within(nowfold_core::time::minutes(90))]);
    assert_eq!(store.apply(&action(99.0, "a")), ADMITTED);
    assert_eq!(store.apply(&action(99.0, "a")), Admission::Duplicate);
    assert_eq!(store.chains.counters().duplicate, 1);
    assert_eq!(n(&store, 100.0), 1);
}

#[test]
fn g7_ties_in_time_go_to_the_higher_sequence() {
    let events = [action(99.0, "a").sequence(1), action(99.0, "b").sequence(2)];
    for order in [[0, 1], [1, 0]] {
        let mut store = Store::new(&config(), [feature("ids").last(1, "object").within(hours(24))]);
        for i in order {
            store.apply(&events[i]);
        }
        assert_eq!(newest(&ask(&store, 100.0)), ["job-b"]);
    }
}

#[test]
fn g8_events_from_the_future_expire_nobody() {
    let mut store = store();
    store.apply_at(&action(99.0, "a"), 100 * HOUR);
    assert_eq!(store.apply_at(&action(1_000.0, "z"), 100 * HOUR), Admission::FutureQuarantined);
    assert_eq!(store.chains.stream_time(), Timestamp::from_millis(99 * HOUR));
    assert_eq!(n(&store, 100.0), 1);
    assert_eq!(store.chains.counters().future_quarantined, 1);
}

#[test]
fn g9_a_retraction_undoes_its_event_before_and_after_it_arrives() {
    let retraction = || action(99.0, "a").retract();
    let (mut after, mut before) = (store(), store());
    assert_eq!(after.apply(&action(99.0, "a")), ADMITTED);
    assert_eq!(after.apply(&retraction()), Admission::Retracted);
    assert_eq!(before.apply(&retraction()), Admission::OrphanRetract);
    assert_eq!(before.apply(&action(99.0, "a")), Admission::RetractDropped);
    assert_eq!((n(&after, 100.0), n(&before, 100.0)), (0, 0));
    assert_eq!(after.apply(&action(99.0, "a")), Admission::RetractDropped);
    assert_eq!(after.chains.digest(), before.chains.digest());
}

#[test]
fn g10_a_vector_of_another_dimension_is_left_out_and_counted() {
    let mut store = store();
    store.apply(&with_vector(action(99.0, "a"), &[1.0, 0.0]));
    store.apply(&with_vector(action(99.1, "b"), &[0.0, 1.0]));
    let third = store.apply(&with_vector(action(99.2, "c"), &[1.0, 2.0, 3.0]));
    assert_eq!(third, Admission::Admitted { faults: Faults { bad_vector: 1, ..Faults::default() } });
    let answer = ask(&store, 100.0);
    assert_eq!(answer.vector("mean").unwrap(), Some([0.5, 0.5].as_slice()));
    assert_eq!((answer.used("mean").unwrap(), answer.window("mean", "24h").unwrap().missing), (2, 1));
    assert_eq!((answer.count("n").unwrap(), store.chains.counters().bad_vector), (3, 1));
}

#[test]
fn g11_weights_may_be_negative() {
    let taste: Feature =
        feature("taste").weighted_mean("object.embedding", [("apply", 1.0), ("dismiss", -1.0)]).within(hours(24));
    let mut store = Store::new(&config(), [taste]);
    store.apply(&with_vector(action(99.0, "a"), &[1.0, 0.0]));
    store.apply(&with_vector(Action::new("m", "dismiss", "job-b").at_ms(99 * HOUR).id("b"), &[0.0, 1.0]));
    store.apply(&with_vector(Action::new("m", "view", "job-c").at_ms(99 * HOUR).id("c"), &[9.0, 9.0]));
    let answer = ask(&store, 100.0);
    assert_eq!(answer.vector("taste").unwrap(), Some([0.5, -0.5].as_slice()));
    assert_eq!(answer.used("taste").unwrap(), 2);
}

#[test]
fn g12_weights_halve_with_age_though_nothing_happens() {
    let mut store = Store::new(&config(), [feature("interest").decay_count(hours(6)).within(hours(24))]);
    store.apply(&action(94.0, "a"));
    let interest = |q| ask(&store, q).number("interest").unwrap();
    assert_eq!([100.0, 106.0].map(interest), [Some(0.5), Some(0.25)]);
}

#[test]
fn g13_events_after_as_of_are_not_seen() {
    let mut store = store();
    store.apply(&action(99.0, "a"));
    store.apply(&action(101.0, "c"));
    assert_eq!(n(&store, 100.0), 1);
    assert_eq!(n(&store, 101.0), 2);
}

#[test]
fn g14_a_window_beyond_retention_is_refused() {
    let long = || feature("long").count().within(hours(98));
    let errors = FeatureSet::compile(STORE, &config(), [long()]).unwrap_err();
    assert!(matches!(errors.errors(), [QueryError::WindowExceedsRetention { .. }]), "{errors}");
    assert_eq!(errors.errors()[0].code(), "NF014");
    let adhoc = store().features.query("m").adhoc(long()).get().unwrap_err();
    assert_eq!(adhoc.code(), "NF014");
    let exactly = feature("slack").count().within(hours(97));
    assert!(FeatureSet::compile(STORE, &config(), [exactly]).is_err(), "the slack for reads must fit too");
}

#[test]
fn g15_unknown_actor_restoring_and_elsewhere_are_told_apart() {
    let store = store();
    let unknown = ask(&store, 100.0);
    assert!(!unknown.envelope.found);
    assert_eq!((unknown.count("n").unwrap(), unknown.vector("mean").unwrap()), (0, None));
    store.progress.update(|progress| progress.readiness = Readiness::Restoring { done: 61, total: 100 });
    let restoring = store.features.of("m").unwrap_err();
    assert!(matches!(restoring, QueryError::Restoring { done: 61, total: 100, .. }), "{restoring}");
    store.hub.close(&STORE.into(), 0);
    let elsewhere = store.features.of("m").unwrap_err();
    assert!(matches!(elsewhere, QueryError::NotOwner { partition: 0, .. }), "{elsewhere}");
}

#[test]
fn g16_a_restart_between_two_events_changes_nothing() {
    let log = [action(99.0, "b"), action(80.0, "a")];
    let mut straight = store();
    for action in &log {
        straight.apply(action);
    }
    let mut stopped = store();
    stopped.apply(&log[0]);
    drop(stopped);
    let mut restarted = store();
    for action in &log {
        restarted.apply(action);
    }
    assert_eq!(json(&ask(&straight, 100.0)), json(&ask(&restarted, 100.0)));
    assert_eq!(straight.chains.digest(), restarted.chains.digest());
}

fn json(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap()
}
