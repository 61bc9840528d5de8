//! What every window engine must do.

use std::collections::BTreeMap;

use bytes::Bytes;
use nowfold_core::state::{StateStore, WindowOptions, WindowStore};
use nowfold_core::time::Timestamp;

use super::support::{at, bytes, changelog, done};

/// Checks a window engine against the contract of [`WindowStore`]. `make` gives an empty store of these options.
///
/// ```
/// use nowfold_core::state::MemoryWindow;
/// use nowfold_testkit::contract::window_store;
///
/// window_store(|options| Box::new(MemoryWindow::new(options)));
/// ```
///
/// # Panics
/// At the first point that the engine breaks, with a sentence that names it.
pub fn window_store(make: impl Fn(WindowOptions) -> Box<dyn StateStore>) {
    let options = WindowOptions { retention_ms: 100, duplicates: false, timestamped: false };
    let check = |rule: fn(&mut dyn StateStore)| rule(make(options).as_mut());
    check(returns_what_was_put);
    check(reads_by_time_with_both_bounds);
    check(forgets_what_is_older_than_the_retention);
    check(takes_back_what_a_waiting_record_wrote);
    check(agrees_with_a_naive_model);
    keeps_duplicates_in_order(make(WindowOptions { duplicates: true, ..options }).as_mut());
    restores_from_its_changelog(make(options).as_mut());
    restores_timestamps(make(WindowOptions { timestamped: true, ..options }).as_mut());
}

fn window(store: &mut dyn StateStore) -> &mut dyn WindowStore {
    store.as_window().unwrap_or_else(|| panic!("as_window gives the store"))
}

fn put(store: &mut dyn StateStore, key: &str, start: i64, value: &str) -> Option<u32> {
    done(window(store).put(bytes(key), at(start), Some(bytes(value))))
}

fn fetch(store: &mut dyn StateStore, key: &str, from: i64, to: i64) -> Vec<(i64, String)> {
    let found = done(window(store).fetch(&bytes(key), at(from), at(to)));
    found.into_iter().map(|(start, value)| (start.as_millis(), String::from_utf8_lossy(&value).into_owned())).collect()
}

fn returns_what_was_put(store: &mut dyn StateStore) {
    assert_eq!(put(store, "a", 10, "1"), Some(0));
    assert_eq!(done(window(store).get(&bytes("a"), at(10))), Some(bytes("1")), "a write is visible at once");
    assert_eq!(done(window(store).get(&bytes("a"), at(11))), None, "another window is empty");
    put(store, "a", 10, "2");
    assert_eq!(fetch(store, "a", 0, 100), [(10, "2".to_owned())], "a second put replaces the first");
    done(window(store).put(bytes("a"), at(10), None));
    assert_eq!(fetch(store, "a", 0, 100), [], "a removed window is gone");
}

fn reads_by_time_with_both_bounds(store: &mut dyn StateStore) {
    [("b", 5), ("a", 5), ("a", 1), ("a", 9), ("ab", 5)].iter().for_each(|(key, start)| {
        put(store, key, *start, "v");
    });
    let starts: Vec<_> = fetch(store, "a", 1, 5).into_iter().map(|(start, _)| start).collect();
    assert_eq!(starts, [1, 5], "both bounds are in, and longer keys are other keys");
    assert_eq!(fetch(store, "a", 6, 5), [], "an empty range reads nothing");
    let all = done(window(store).fetch_all(at(5), at(9)));
    let all: Vec<_> = all.iter().map(|entry| (entry.start.as_millis(), entry.key.clone())).collect();
    assert_eq!(all, [(5, bytes("a")), (5, bytes("ab")), (5, bytes("b")), (9, bytes("a"))], "by start, then key");
}

fn forgets_what_is_older_than_the_retention(store: &mut dyn StateStore) {
    put(store, "a", 0, "old");
    put(store, "b", 99, "new");
    assert_eq!(fetch(store, "a", 0, 0).len(), 1, "start > largest - retention can be read");
    put(store, "b", 100, "newer");
    assert_eq!(fetch(store, "a", 0, 0), [], "start = largest - retention cannot");
    assert_eq!(put(store, "a", 0, "late"), None, "nor be written");
    store.record_done();
    assert_eq!(done(window(store).fetch_all(Timestamp::MIN, Timestamp::MAX)).len(), 2);
}

fn takes_back_what_a_waiting_record_wrote(store: &mut dyn StateStore) {
    put(store, "a", 0, "1");
    put(store, "a", 1, "1");
    store.record_done();
    put(store, "a", 0, "2");
    put(store, "a", 500, "far ahead");
    done(window(store).put(bytes("a"), at(1), None));
    store.record_waits();
    let before = [(0, "1".to_owned()), (1, "1".to_owned())];
    assert_eq!(fetch(store, "a", 0, 1_000), before, "a record that comes again leaves nothing, expiry included");
}

fn keeps_duplicates_in_order(store: &mut dyn StateStore) {
    ["x", "y", "x"].iter().for_each(|value| {
        assert!(put(store, "a", 3, value).is_some());
    });
    let values: Vec<_> = fetch(store, "a", 3, 3).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["x", "y", "x"], "in the order of writing");
    assert_eq!(done(window(store).put(bytes("a"), at(3), None)), None, "nothing removes a duplicate");
    assert_eq!(fetch(store, "a", 3, 3).len(), 3);
}

/// Puts and removes windows drawn from a fixed sequence, and compares with the obvious model.
fn agrees_with_a_naive_model(store: &mut dyn StateStore) {
    let (mut random, mut model, mut largest) = (0x2545_f491_4f6c_dd1d_u64, BTreeMap::new(), i64::MIN);
    for step in 0..2_000_u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = Bytes::copy_from_slice(&(random % 5).to_be_bytes()[7..]);
        let start = i64::try_from(step / 4 + random % 150).unwrap_or(0);
        let value = (!random.is_multiple_of(4)).then(|| Bytes::copy_from_slice(&step.to_be_bytes()));
        largest = largest.max(start);
        let written = done(window(store).put(key.clone(), at(start), value.clone()));
        assert_eq!(written.is_some(), start > largest - 100, "step {step}: only what can be read is written");
        store.record_done();
        match value.filter(|_| written.is_some()) {
            Some(value) => model.insert((start, key), value),
            None => model.remove(&(start, key)),
        };
        model.retain(|(start, _), _| *start > largest - 100);
    }
    let found = done(window(store).fetch_all(Timestamp::MIN, Timestamp::MAX));
    let found: Vec<_> = found.into_iter().map(|entry| ((entry.start.as_millis(), entry.key), entry.value)).collect();
    assert_eq!(found, model.into_iter().collect::<Vec<_>>(), "the whole content after 2,000 steps");
}

fn window_key(key: &str, start: i64) -> Bytes {
    [key.as_bytes(), &start.to_be_bytes(), &[0; 4]].concat().into()
}

fn restores_from_its_changelog(store: &mut dyn StateStore) {
    done(store.restore(&changelog(Some(window_key("a", 7)), Some("1"), 7)));
    done(store.restore(&changelog(Some(window_key("a", 8)), Some("2"), 8)));
    done(store.restore(&changelog(Some(window_key("a", 7)), None, 9)));
    assert_eq!(fetch(store, "a", 0, 100), [(8, "2".to_owned())], "the newest write of each window");
    assert!(
        store.restore(&changelog(Some(bytes("short")), Some("1"), 0)).is_err(),
        "a key without a window is refused"
    );
}

fn restores_timestamps(store: &mut dyn StateStore) {
    done(store.restore(&changelog(Some(window_key("a", 7)), Some("1"), 9)));
    let stored = done(window(store).get(&bytes("a"), at(7)));
    let row = stored.as_ref().and_then(nowfold_core::state::unstamp);
    assert_eq!(row, Some((at(9), bytes("1"))), "the record's time comes before the value");
}
