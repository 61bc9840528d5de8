//! Admission in a topology: late actions, natural keys, what is counted.

use std::sync::Arc;

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::serde::{Pair, Plain, Utf8};
use nowfold_core::time::{Timestamp, hours};
use nowfold_operators::chain::Dedup;
use nowfold_operators::{
    ActionSource, Actions, EventIdentity, FLOOR_HEADER, Features, REASON_HEADER, ToActions, feature,
};
use nowfold_schemas::ActionCodec;
use nowfold_schemas::action::Action;
use nowfold_testkit::TestDriver;

use crate::support::{HOUR, action};

fn at(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour * HOUR)
}

fn actions() -> Actions {
    Actions::named("activity").retention(hours(97)).features([feature("n").count().within(hours(96))])
}

/// A driver of an actions topic at hour 100, whose late actions go to the topic `late`.
fn driver(actions: Actions) -> TestDriver {
    let app = StreamsBuilder::new("reader");
    let late = app.actions("actions").materialize(actions).late();
    late.into_stream().to("late", ActionCodec::new().pair());
    TestDriver::new(app.build().unwrap()).starting_at(at(100)).log_append_time("actions")
}

fn pipe(driver: &TestDriver, action: Action) {
    let input = driver.input::<Arc<str>, Action>("actions", ActionCodec::new().pair());
    input.pipe("m", action, at(100)).unwrap();
}

fn n(driver: &TestDriver) -> u64 {
    Features::new(driver.hub(), driver.clock(), "activity").of("m").unwrap().count("n").unwrap()
}

#[test]
fn late_actions_are_a_stream_of_their_own_with_the_reason() {
    let driver = driver(actions());
    pipe(&driver, action(100.0, "now"));
    pipe(&driver, action(2.0, "late"));
    pipe(&driver, action(5.0, "in time"));
    let late = driver.output::<Arc<str>, Action>("late", ActionCodec::new().pair()).read_all();
    let [late] = late.as_slice() else { panic!("{} late actions", late.len()) };
    assert_eq!((&*late.key, &late.value), ("m", &action(2.0, "late")));
    let header = |name| late.headers.last(name).and_then(|header| header.value.clone()).unwrap();
    assert_eq!(header(REASON_HEADER), "late_dropped");
    assert_eq!(header(FLOOR_HEADER), (3 * HOUR).to_string());
    assert_eq!((n(&driver), driver.count("late_dropped"), driver.dead_letters().len()), (2, 1, 0));
    driver.restart().unwrap();
    let again = driver.output::<Arc<str>, Action>("late", ActionCodec::new().pair()).read_all();
    assert_eq!((again.len(), n(&driver)), (0, 2), "a replay sends none again");
}

#[test]
fn late_actions_become_dead_letters_on_request() {
    let driver = driver(actions().late_records_to_dead_letters());
    pipe(&driver, action(100.0, "now"));
    pipe(&driver, action(2.0, "late"));
    let letters = driver.dead_letters();
    let [letter] = letters.as_slice() else { panic!("{} dead letters", letters.len()) };
    assert_eq!((letter.stage.as_str(), letter.offset), ("admission", 1));
    assert!(
        letter.cause.starts_with("late_dropped: ") && letter.cause.contains(&at(3).to_string()),
        "{}",
        letter.cause
    );
    let codec = ActionCodec::new();
    let bytes = nowfold_core::serde::Serializer::serialize(&codec, &"actions".into(), &action(2.0, "late")).unwrap();
    assert_eq!(letter.record.value, bytes, "the record as it was");
}

#[test]
fn a_quarantined_record_is_kept_as_it_was_with_the_reason() {
    let driver = driver(actions());
    pipe(&driver, action(500.0, "z"));
    let letters = driver.dead_letters();
    let [letter] = letters.as_slice() else { panic!("{} dead letters", letters.len()) };
    assert!(letter.cause.starts_with("future_quarantined: "), "{}", letter.cause);
    let bytes = nowfold_core::serde::Serializer::serialize(&ActionCodec::new(), &"actions".into(), &action(500.0, "z"))
        .unwrap();
    assert_eq!((letter.record.value.clone(), letter.record.key.as_deref()), (bytes, Some(&b"m"[..])));
    assert_eq!((n(&driver), driver.count("future_quarantined")), (0, 1));
}

#[test]
fn versions_and_limits_are_settings_of_the_store() {
    let versions = driver(actions().dedup(Dedup::LatestWins));
    for sequence in [1, 3, 2] {
        pipe(&versions, action(99.0, "a").sequence(sequence));
    }
    assert_eq!((n(&versions), versions.count("replaced"), versions.count("duplicate")), (1, 1, 1));
    let capped = driver(actions().max_events_per_actor(2));
    for (hour, id) in [(99.0, "a"), (98.0, "b"), (97.0, "c"), (99.5, "d")] {
        pipe(&capped, action(hour, id));
    }
    assert_eq!((n(&capped), capped.count("capped"), capped.count("admitted")), (2, 2, 3));
    capped.restart().unwrap();
    assert_eq!((n(&capped), capped.count("capped")), (2, 2), "a replay counts nothing again");
}

#[test]
fn equal_actions_of_a_source_without_ids_are_one_by_their_natural_key() {
    for (identity, expected) in [(EventIdentity::Record, 4), (EventIdentity::NaturalKey, 2)] {
        let app = StreamsBuilder::new("visits");
        app.stream("pages", Plain::<String, String>::new())
            .to_actions_with("standardize", identity, |member, page| {
                let action = Action::new(member, "view", page.trim_end_matches('!')).at_ms(99 * HOUR);
                if page.ends_with('!') { action.id("own") } else { action }
            })
            .through("actions")
            .materialize(actions());
        let driver = TestDriver::new(app.build().unwrap()).starting_at(at(100)).log_append_time("actions");
        let pages = driver.input::<String, String>("pages", Pair::new(Utf8, Utf8));
        for page in ["home", "home", "home", "home!"] {
            pages.pipe("m", page, at(100)).unwrap();
        }
        assert_eq!(n(&driver), expected, "{identity:?}; an id of the mapping's own stays");
        let rows = Features::new(driver.hub(), driver.clock(), "activity").actions("m").get().unwrap();
        let natural = rows.actions.iter().any(|row| *row.event_id == *format!("{}/4/view/home", 99 * HOUR));
        assert_eq!(natural, identity == EventIdentity::NaturalKey);
    }
}
