//! What every versioned engine must do.

use std::time::Duration;

use nowfold_core::state::{StateStore, VersionPut, VersionedStore};
use nowfold_core::time::millisecs;

use super::support::{at, bytes, changelog, done};

/// Checks a versioned engine against the contract of [`VersionedStore`]. `make` gives an empty store of this history.
///
/// ```
/// use nowfold_core::state::MemoryVersioned;
/// use nowfold_testkit::contract::versioned_store;
///
/// versioned_store(|history| Box::new(MemoryVersioned::new(history)));
/// ```
///
/// # Panics
/// At the first point that the engine breaks, with a sentence that names it.
pub fn versioned_store(make: impl Fn(Duration) -> Box<dyn StateStore>) {
    let check = |rule: fn(&mut dyn StateStore)| rule(make(millisecs(50)).as_mut());
    check(answers_as_of_any_time);
    check(deletes_from_a_time_on);
    check(keeps_a_history_and_always_the_newest);
    check(takes_back_what_a_waiting_record_wrote);
    check(restores_from_its_changelog);
}

fn versioned(store: &mut dyn StateStore) -> &mut dyn VersionedStore {
    store.as_versioned().unwrap_or_else(|| panic!("as_versioned gives the store"))
}

fn put(store: &mut dyn StateStore, key: &str, value: Option<&str>, time: i64) -> VersionPut {
    done(versioned(store).put(bytes(key), value.map(bytes), at(time)))
}

/// Value, start and end of the version as of a time.
fn as_of(store: &mut dyn StateStore, key: &str, time: i64) -> Option<(String, i64, Option<i64>)> {
    let version = done(versioned(store).as_of(key.as_bytes(), at(time)))?;
    let value = String::from_utf8_lossy(&version.value).into_owned();
    Some((value, version.from.as_millis(), version.until.map(|until| until.as_millis())))
}

fn answers_as_of_any_time(store: &mut dyn StateStore) {
    assert_eq!(put(store, "a", Some("x"), 10), VersionPut::Latest);
    assert_eq!(put(store, "a", Some("z"), 30), VersionPut::Latest);
    assert_eq!(put(store, "a", Some("y"), 20), VersionPut::Until(at(30)), "a version may come late");
    assert_eq!(as_of(store, "a", 9), None, "before the first version");
    assert_eq!(as_of(store, "a", 19), Some(("x".to_owned(), 10, Some(20))));
    assert_eq!(as_of(store, "a", 20), Some(("y".to_owned(), 20, Some(30))));
    assert_eq!(as_of(store, "a", 999), Some(("z".to_owned(), 30, None)), "the newest has no end");
    put(store, "a", Some("yy"), 20);
    assert_eq!(as_of(store, "a", 20), Some(("yy".to_owned(), 20, Some(30))), "an equal time replaces");
}

fn deletes_from_a_time_on(store: &mut dyn StateStore) {
    put(store, "a", Some("x"), 10);
    put(store, "a", None, 20);
    assert_eq!(done(versioned(store).latest(b"a")), None, "a deleted key has no newest version");
    assert_eq!(as_of(store, "a", 15), Some(("x".to_owned(), 10, Some(20))), "but its history");
    put(store, "a", Some("y"), 30);
    assert_eq!((as_of(store, "a", 25), as_of(store, "a", 30).is_some()), (None, true), "and may come back");
}

fn keeps_a_history_and_always_the_newest(store: &mut dyn StateStore) {
    put(store, "a", Some("x"), 10);
    put(store, "a", Some("y"), 20);
    put(store, "b", Some("z"), 100);
    assert_eq!(as_of(store, "a", 49), Some(("y".to_owned(), 20, None)), "the newest is found however old");
    assert_eq!(as_of(store, "a", 15), None, "an older version only within the history");
    assert_eq!(put(store, "a", Some("late"), 49), VersionPut::Rejected, "older than the history is refused");
    assert_eq!(put(store, "a", Some("in time"), 50), VersionPut::Latest);
    assert_eq!(as_of(store, "a", 50).map(|(value, ..)| value), Some("in time".to_owned()));
}

fn takes_back_what_a_waiting_record_wrote(store: &mut dyn StateStore) {
    put(store, "a", Some("x"), 10);
    store.record_done();
    put(store, "a", Some("y"), 500);
    put(store, "b", Some("z"), 500);
    store.record_waits();
    assert_eq!(as_of(store, "a", 10), Some(("x".to_owned(), 10, None)), "a record that comes again leaves nothing");
    assert_eq!(as_of(store, "b", 999), None);
}

fn restores_from_its_changelog(store: &mut dyn StateStore) {
    done(store.restore(&changelog(Some(bytes("a")), Some("x"), 10)));
    done(store.restore(&changelog(Some(bytes("a")), None, 20)));
    assert_eq!(as_of(store, "a", 10), Some(("x".to_owned(), 10, Some(20))), "times are those of the records");
    assert!(store.restore(&changelog(None, Some("x"), 0)).is_err(), "a null key is refused");
}
