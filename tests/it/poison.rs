//! Bad input: each kind with its outcome, and nothing else lost.

use bytes::Bytes;
use nowfold::core::record::{Headers, OutputRecord};
use nowfold::operators::Features;
use nowfold::prelude::*;

use super::support::h;

/// Actions that others fill, materialized.
fn driver() -> TestDriver {
    let app = StreamsBuilder::new("reader");
    app.actions("actions").materialize(Actions::named("activity").retention(hours(97)).features([
        feature("all").count().within(hours(96)),
        feature("mean").mean("object.embedding").within(hours(96)),
    ]));
    TestDriver::new(app.build().unwrap()).starting_at(Timestamp::from_millis(h(100))).log_append_time("actions")
}

fn action(id: &str) -> Action {
    Action::new("m", "view", "o").at_ms(h(99)).id(id).sequence(0)
}

fn encoded(action: &Action) -> Vec<u8> {
    use nowfold::core::serde::Serializer as _;
    ActionCodec::new().serialize(&"actions".into(), action).unwrap().unwrap().to_vec()
}

/// Puts `good`, the bad record, `good` and returns the driver; both good ones must count.
fn with_bad(key: Option<&[u8]>, value: Option<Vec<u8>>) -> TestDriver {
    let driver = driver();
    pipe(&driver, Some(b"m"), Some(encoded(&action("before"))));
    pipe(&driver, key, value);
    pipe(&driver, Some(b"m"), Some(encoded(&action("after"))));
    driver
}

fn pipe(driver: &TestDriver, key: Option<&[u8]>, value: Option<Vec<u8>>) {
    let record = OutputRecord {
        topic: "actions".into(),
        partition: Some(0),
        key: key.map(Bytes::copy_from_slice),
        value: value.map(Bytes::from),
        timestamp: Timestamp::from_millis(h(100)),
        headers: Headers::new(),
    };
    driver.pipe_raw(record).unwrap();
}

fn count(driver: &TestDriver, actor: &str) -> u64 {
    Features::new(driver.hub(), driver.clock(), "activity").of(actor).unwrap().count("all").unwrap()
}

/// The one dead letter: stage, cause, and that it carries where it came from and its bytes.
#[track_caller]
fn the_dead_letter(driver: &TestDriver, key: Option<&[u8]>, value: Option<&[u8]>) -> (String, String) {
    let letters = driver.dead_letters();
    let [letter] = letters.as_slice() else { panic!("{} dead letters", letters.len()) };
    assert_eq!((letter.source.to_string(), letter.offset), ("actions-0".to_owned(), 1));
    assert_eq!((letter.record.key.as_deref(), letter.record.value.as_deref()), (key, value));
    (letter.stage.clone(), letter.cause.clone())
}

#[test]
fn poison_bytes_become_a_dead_letter() {
    let driver = with_bad(Some(b"m"), Some(b"\xff\xfe not avro".to_vec()));
    let (stage, cause) = the_dead_letter(&driver, Some(b"m"), Some(b"\xff\xfe not avro"));
    assert_eq!(stage, "decode");
    assert!(cause.contains("Avro"), "{cause}");
    assert_eq!(count(&driver, "m"), 2);
}

#[test]
fn an_unknown_schema_becomes_a_dead_letter_that_names_it() {
    let mut bytes = encoded(&action("x"));
    bytes[2..10].copy_from_slice(&[7; 8]);
    let driver = with_bad(Some(b"m"), Some(bytes.clone()));
    let (stage, cause) = the_dead_letter(&driver, Some(b"m"), Some(&bytes));
    assert_eq!(stage, "decode");
    assert!(cause.contains("0707070707070707") || cause.contains("schema"), "{cause}");
    assert_eq!(count(&driver, "m"), 2);
}

#[test]
fn a_null_key_becomes_a_dead_letter() {
    let bytes = encoded(&action("x"));
    let driver = with_bad(None, Some(bytes.clone()));
    let (stage, cause) = the_dead_letter(&driver, None, Some(&bytes));
    assert_eq!(stage, "decode");
    assert!(cause.contains("null"), "{cause}");
    assert_eq!(count(&driver, "m"), 2);
}

#[test]
fn a_tombstone_erases_the_actor_up_to_its_append_time() {
    let driver = with_bad(Some(b"m"), None);
    assert!(driver.dead_letters().is_empty());
    assert_eq!(count(&driver, "m"), 0, "both have event times before the erasure");
    assert_eq!(driver.counts()["erased"], 1);
}

#[test]
fn a_missing_time_is_refused_and_kept_as_a_dead_letter() {
    let bytes = encoded(&action("x").at_ms(0));
    let driver = with_bad(Some(b"m"), Some(bytes.clone()));
    assert_eq!(the_dead_letter(&driver, Some(b"m"), Some(&bytes)).0, "admission");
    assert_eq!((count(&driver, "m"), driver.counts()["bad_timestamp"]), (2, 1));
}

#[test]
fn a_time_far_ahead_is_quarantined_and_expires_nothing() {
    let bytes = encoded(&action("x").at_ms(h(1_000)));
    let driver = with_bad(Some(b"m"), Some(bytes.clone()));
    assert_eq!(the_dead_letter(&driver, Some(b"m"), Some(&bytes)).0, "admission");
    assert_eq!((count(&driver, "m"), driver.counts()["future_quarantined"]), (2, 1));
}

#[test]
fn vectors_with_nan_or_of_another_dimension_are_left_out_and_the_action_stays() {
    let driver = driver();
    let actions = driver.input::<String, Action>("actions", ActionCodec::new().pair());
    for (id, vector) in
        [("a", vec![1.0, 0.0]), ("b", vec![f32::NAN, 0.0]), ("c", vec![0.0, 0.0, 9.0]), ("d", vec![0.0, 1.0])]
    {
        let action = action(id).object_attribute("embedding", vector);
        actions.pipe("m".to_owned(), action, Timestamp::from_millis(h(100))).unwrap();
    }
    let answer = Features::new(driver.hub(), driver.clock(), "activity").of("m").unwrap();
    assert_eq!((answer.count("all").unwrap(), answer.used("mean").unwrap()), (4, 2));
    assert_eq!(answer.vector("mean").unwrap(), Some(&[0.5, 0.5][..]));
    assert_eq!(driver.counts()["bad_vector"], 2);
}

#[test]
fn a_key_that_is_not_the_actor_becomes_a_dead_letter() {
    let bytes = encoded(&action("x"));
    let driver = with_bad(Some(b"someone-else"), Some(bytes.clone()));
    assert_eq!(the_dead_letter(&driver, Some(b"someone-else"), Some(&bytes)).0, "process");
    assert_eq!((count(&driver, "m"), count(&driver, "someone-else")), (2, 0));
}
