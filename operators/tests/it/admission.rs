//! The admission rules of `docs/semantics.md`, section 3, one by one.

use nowfold_core::time::{Timestamp, hours};
use nowfold_operators::chain::{Admission, ChainConfig, Faults, MissingTime};
use nowfold_operators::feature::feature;
use nowfold_schemas::action::{Action, Attribute, Op};

use crate::support::{HOUR, Store, action};

fn store() -> Store {
    Store::new(&ChainConfig::new(hours(97)), [feature("n").count().within(hours(96))])
}

fn n(store: &Store, hour: i64) -> u64 {
    let as_of = Timestamp::from_millis(hour * HOUR);
    store.features.query("m").as_of(as_of).get().unwrap().count("n").unwrap()
}

fn erase(hour: i64) -> Action {
    let mut erase = Action::new("m", "", "").at_ms(hour * HOUR);
    erase.op = Op::Erase;
    erase
}

#[test]
fn refuses_actions_without_a_time() {
    let mut store = store();
    let without = Action { timestamp: None, ..action(1.0, "a") };
    for action in [without, action(0.0, "b"), action(-1.0, "c")] {
        assert_eq!(store.apply(&action), Admission::BadTimestamp);
    }
    assert_eq!(store.chains.counters().bad_timestamp, 3);
    assert_eq!(store.chains.stream_time(), Timestamp::MIN);
}

#[test]
fn takes_the_records_time_only_if_configured() {
    let mut config = ChainConfig::new(hours(97));
    config.missing_time = MissingTime::UseRecordTime;
    let mut store = Store::new(&config, []);
    assert!(store.apply_at(&action(0.0, "a"), 50 * HOUR).is_admitted());
    assert_eq!(store.chains.stream_time(), Timestamp::from_millis(50 * HOUR));
}

#[test]
fn refuses_actions_without_identity_or_actor() {
    let mut store = store();
    assert_eq!(store.apply(&action(1.0, "")), Admission::MissingEventId);
    assert_eq!(store.apply(&Action::new("", "apply", "x").at_ms(1).id("a")), Admission::MissingActor);
}

#[test]
fn accepts_a_time_ahead_of_the_append_time_up_to_the_skew() {
    let mut store = store();
    let skew = 5 * 60_000;
    let at = |ms: i64, id: &str| Action::new("m", "apply", "x").at_ms(ms).id(id);
    assert!(store.apply_at(&at(HOUR + skew, "a"), HOUR).is_admitted());
    assert_eq!(store.apply_at(&at(HOUR + skew + 1, "b"), HOUR), Admission::FutureQuarantined);
    assert_eq!(store.apply_at(&at(i64::MAX, "c"), HOUR), Admission::FutureQuarantined);
}

#[test]
fn the_first_in_the_log_wins_at_any_time_and_verb() {
    let mut store = store();
    store.apply(&action(99.0, "a"));
    let other = Action::new("m", "view", "job-other").at_ms(90 * HOUR).id("a");
    assert_eq!(store.apply(&other), Admission::Duplicate);
    let rows = store.features.actions("m").as_of(Timestamp::from_millis(100 * HOUR)).get().unwrap();
    assert_eq!(rows.actions.iter().map(|row| &*row.object).collect::<Vec<_>>(), ["job-a"]);
    assert!(store.apply(&Action::new("other", "apply", "x").at_ms(99 * HOUR).id("a")).is_admitted());
}

/// A process that starts from a truncated log never saw the first event: both must decide alike.
#[test]
fn an_expired_event_does_not_make_a_newer_one_a_duplicate() {
    let mut store = store();
    store.apply(&action(10.0, "a"));
    store.apply(&action(107.0, "b"));
    assert!(store.apply(&action(106.0, "a")).is_admitted());
    assert_eq!(n(&store, 107), 2);
    store.chains.verify().unwrap();
}

#[test]
fn a_retraction_meets_every_later_repeat_of_its_event() {
    let mut store = store();
    store.apply(&action(50.0, "a").retract());
    assert_eq!(store.apply(&action(60.0, "a")), Admission::RetractDropped);
    assert_eq!(store.chains.stream_time(), Timestamp::from_millis(60 * HOUR), "it arrived, then was undone");
    assert_eq!(store.apply(&action(60.0, "a")), Admission::RetractDropped);
    assert_eq!(n(&store, 60), 0);
}

#[test]
fn a_retraction_is_forgotten_after_retention() {
    let mut store = store();
    store.apply_at(&action(50.0, "a").retract(), 50 * HOUR);
    store.apply_at(&Action::new("other", "apply", "x").at_ms(148 * HOUR).id("x"), 148 * HOUR);
    assert!(store.chains.maintain(usize::MAX));
    assert_eq!(store.chains.actors(), 1);
}

/// It is kept as long as an event that its log position allows could be admitted: append time plus skew.
#[test]
fn a_retraction_is_in_force_until_its_event_would_be_late() {
    let skew = 5 * 60_000;
    for (beyond, outcome) in [(0, Admission::Duplicate), (-1, Admission::RetractDropped)] {
        let mut store = store();
        store.apply_at(&action(50.0, "a").retract(), 50 * HOUR);
        let stream_time = 50 * HOUR + skew + 97 * HOUR + beyond;
        store.apply_at(&Action::new("other", "apply", "x").at_ms(stream_time).id("x"), stream_time);
        let event = Action::new("m", "apply", "x").at_ms(stream_time).id("a");
        let first = store.apply_at(&event, stream_time);
        assert_eq!(first.is_admitted(), beyond == 0, "{first:?}");
        assert_eq!(store.apply_at(&event, stream_time), outcome);
    }
}

#[test]
fn an_erasure_drops_events_up_to_its_time_wherever_they_stand() {
    let mut store = store();
    store.apply(&action(50.0, "a"));
    store.apply(&action(70.0, "b"));
    assert_eq!(store.apply(&erase(60)), Admission::Erased { n: 1 });
    assert_eq!(store.apply(&action(60.0, "c")), Admission::EraseDropped);
    assert!(store.apply(&Action::new("m", "apply", "d").at_ms(60 * HOUR + 1).id("d")).is_admitted());
    assert_eq!(n(&store, 80), 2);
    assert_eq!(store.chains.counters().erased, 1);
    assert_eq!(store.chains.counters().erase_dropped, 1);
}

#[test]
fn a_record_without_value_erases_up_to_its_append_time() {
    let mut store = store();
    store.apply_at(&action(50.0, "a"), 50 * HOUR);
    store.apply_at(&action(60.0, "b"), 60 * HOUR);
    let appended = store.appended(60 * HOUR);
    assert_eq!(store.chains.erase("m", appended), Admission::Erased { n: 2 });
    assert!(!store.features.of("m").unwrap().envelope.found);
}

#[test]
fn an_erasure_stays_in_force_for_one_topic_retention() {
    let mut config = ChainConfig::new(hours(97));
    config.topic_retention = hours(100);
    let mut store = Store::new(&config, [feature("n").count().within(hours(96))]);
    store.apply_at(&erase(50), 50 * HOUR);
    assert_eq!(store.apply_at(&action(40.0, "a"), 150 * HOUR), Admission::EraseDropped);
    assert!(store.apply_at(&action(40.0, "a"), 150 * HOUR + 1).is_admitted());
}

#[test]
fn a_far_future_erasure_is_quarantined() {
    let mut store = store();
    store.apply_at(&action(50.0, "a"), 50 * HOUR);
    assert_eq!(store.apply_at(&erase(1_000), 50 * HOUR), Admission::FutureQuarantined);
    assert_eq!(n(&store, 60), 1);
}

#[test]
fn attributes_that_are_not_numbers_are_left_out_and_counted() {
    let mut store = store();
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let list = Attribute::List([Attribute::Int(1), Attribute::Float(f64::NAN)].into());
    let mut action = action(99.0, "a").object_attribute("list", list).object_attribute("good", Attribute::Float(1.5));
    for (i, value) in bad.into_iter().enumerate() {
        action = action.object_attribute(format!("bad{i}"), Attribute::Float(value));
    }
    assert_eq!(store.apply(&action), Admission::Admitted { faults: Faults { bad_number: 4, ..Faults::default() } });
    let at = Timestamp::from_millis(100 * HOUR);
    let rows = store.features.actions("m").select(["object.*"]).as_of(at).get().unwrap();
    assert_eq!(rows.actions[0].selected.iter().map(|(path, _)| &**path).collect::<Vec<_>>(), ["object.good"]);
}

#[test]
fn a_configured_dimension_holds_from_the_first_vector_on() {
    let config = ChainConfig::new(hours(97)).vector_dim("object.embedding", 2);
    let mut store = Store::new(&config, []);
    let vector =
        |id: &str, values: &[f32]| action(99.0, id).object_attribute("embedding", Attribute::Vector(values.into()));
    for (id, values) in
        [("a", [1.0, 2.0, 3.0].as_slice()), ("b", &[]), ("c", &[f32::NAN, 0.0]), ("d", &[f32::INFINITY, 0.0])]
    {
        let faults = Faults { bad_vector: 1, ..Faults::default() };
        assert_eq!(store.apply(&vector(id, values)), Admission::Admitted { faults });
    }
    assert_eq!(store.apply(&vector("e", &[1.0, 2.0])), Admission::Admitted { faults: Faults::default() });
}

#[test]
fn expired_events_are_pruned_as_time_goes_on() {
    let mut store = Store::new(&ChainConfig::new(hours(97)), []);
    for hour in 1..=400 {
        for actor in 0..5 {
            let action =
                Action::new(format!("m{actor}"), "apply", "x").at_ms(hour * HOUR).id(format!("{hour}-{actor}"));
            store.apply(&action);
        }
    }
    assert!(store.chains.len() <= 5 * 99, "{} events are kept", store.chains.len());
    assert_eq!(store.chains.digest().n_events, 5 * 97);
    assert_eq!(store.chains.actors(), 5);
    store.chains.verify().unwrap();
    let per_event = store.chains.bytes() / store.chains.len();
    assert!((20..200).contains(&per_event), "{per_event} bytes per event");
    store.apply(&Action::new("late", "apply", "x").at_ms(900 * HOUR).id("x"));
    assert!(store.chains.maintain(usize::MAX));
    assert_eq!((store.chains.len(), store.chains.actors()), (1, 1));
}

#[test]
fn digests_tell_different_contents_apart() {
    let event = || action(99.0, "a").object_attribute("x", Attribute::Int(1));
    let other_verb = Action { verb: "view".into(), ..event() };
    let other_object = Action { object: "other".into(), ..event() };
    let variants = [
        vec![event()],
        vec![event().sequence(1)],
        vec![event().object_attribute("x", Attribute::Int(2))],
        vec![event().object_attribute("x", Attribute::Float(1.0))],
        vec![event().actor_attribute("x", Attribute::Int(1))],
        vec![event().at_ms(99 * HOUR - 1)],
        vec![event().id("b")],
        vec![other_verb],
        vec![other_object],
        vec![event(), action(99.0, "b")],
        vec![event(), action(99.0, "c").retract()],
        vec![event(), erase(50)],
        vec![event(), action(99.0, "a").retract()],
        vec![],
    ];
    let digest = |actions: &Vec<Action>| {
        let mut store = store();
        for action in actions {
            store.apply(action);
        }
        store.chains.digest().hash
    };
    let distinct: std::collections::BTreeSet<_> = variants.iter().map(digest).collect();
    assert_eq!(distinct.len(), variants.len());
}
