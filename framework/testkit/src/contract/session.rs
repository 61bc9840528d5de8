//! What every session engine must do.

use std::time::Duration;

use bytes::Bytes;
use nowfold_core::state::{SessionEntry, SessionStore, StateStore};
use nowfold_core::time::{Timestamp, millisecs};

use super::support::{at, bytes, changelog, done};

/// Checks a session engine against the contract of [`SessionStore`]. `make` gives an empty store of this retention.
///
/// ```
/// use nowfold_core::state::MemorySession;
/// use nowfold_testkit::contract::session_store;
///
/// session_store(|retention| Box::new(MemorySession::new(retention)));
/// ```
///
/// # Panics
/// At the first point that the engine breaks, with a sentence that names it.
pub fn session_store(make: impl Fn(Duration) -> Box<dyn StateStore>) {
    let check = |rule: fn(&mut dyn StateStore)| rule(make(millisecs(100)).as_mut());
    check(returns_what_was_put);
    check(finds_sessions_that_overlap_in_order_of_their_ends);
    check(forgets_what_ended_before_the_retention);
    check(takes_back_what_a_waiting_record_wrote);
    check(restores_from_its_changelog);
}

fn session(store: &mut dyn StateStore) -> &mut dyn SessionStore {
    store.as_session().unwrap_or_else(|| panic!("as_session gives the store"))
}

fn put(store: &mut dyn StateStore, key: &str, start: i64, end: i64) -> bool {
    done(session(store).put(bytes(key), at(start), at(end), Some(bytes("v"))))
}

fn spans(found: &[SessionEntry]) -> Vec<(i64, i64)> {
    found.iter().map(|entry| (entry.start.as_millis(), entry.end.as_millis())).collect()
}

fn find(store: &mut dyn StateStore, key: &str, earliest_end: i64, latest_start: i64) -> Vec<(i64, i64)> {
    spans(&done(session(store).find(&bytes(key), at(earliest_end), at(latest_start))))
}

fn returns_what_was_put(store: &mut dyn StateStore) {
    assert!(put(store, "a", 1, 5));
    assert_eq!(done(session(store).get(&bytes("a"), at(1), at(5))), Some(bytes("v")), "a write is visible at once");
    assert_eq!(done(session(store).get(&bytes("a"), at(1), at(6))), None, "another session is absent");
    assert!(done(session(store).put(bytes("a"), at(1), at(5), None)));
    assert_eq!(find(store, "a", 0, 100), [], "a removed session is gone");
}

fn finds_sessions_that_overlap_in_order_of_their_ends(store: &mut dyn StateStore) {
    for (key, start, end) in [("a", 40, 40), ("a", 0, 10), ("a", 20, 30), ("a", 15, 30), ("b", 0, 99), ("ab", 0, 9)] {
        put(store, key, start, end);
    }
    assert_eq!(find(store, "a", 10, 20), [(0, 10), (15, 30), (20, 30)], "both bounds are in; by end, then start");
    assert_eq!(find(store, "a", 11, 14), [], "a gap holds none");
    let ended = done(session(store).ended(at(10), at(40)));
    assert_eq!(spans(&ended), [(0, 10), (15, 30), (20, 30), (40, 40)], "sessions of all keys that ended then");
}

fn forgets_what_ended_before_the_retention(store: &mut dyn StateStore) {
    put(store, "a", 0, 1);
    put(store, "b", 0, 100);
    assert_eq!(find(store, "a", 0, 100), [(0, 1)], "end > largest - retention can be read");
    put(store, "b", 0, 101);
    assert_eq!(find(store, "a", 0, 100), [], "end = largest - retention cannot");
    assert!(!put(store, "a", 0, 1), "nor be written");
    store.record_done();
    assert_eq!(done(session(store).ended(Timestamp::MIN, Timestamp::MAX)).len(), 2);
}

fn takes_back_what_a_waiting_record_wrote(store: &mut dyn StateStore) {
    put(store, "a", 0, 1);
    store.record_done();
    done(session(store).put(bytes("a"), at(0), at(1), None));
    put(store, "a", 0, 500);
    store.record_waits();
    assert_eq!(find(store, "a", 0, 1_000), [(0, 1)], "a record that comes again leaves nothing, expiry included");
}

fn restores_from_its_changelog(store: &mut dyn StateStore) {
    let key = |start: i64, end: i64| -> Bytes { [&b"a"[..], &end.to_be_bytes(), &start.to_be_bytes()].concat().into() };
    done(store.restore(&changelog(Some(key(1, 2)), Some("v"), 2)));
    done(store.restore(&changelog(Some(key(1, 3)), Some("v"), 3)));
    done(store.restore(&changelog(Some(key(1, 2)), None, 3)));
    assert_eq!(find(store, "a", 0, 100), [(1, 3)], "the newest write of each session");
    assert!(store.restore(&changelog(Some(bytes("short")), Some("v"), 0)).is_err(), "a key without times is refused");
}
