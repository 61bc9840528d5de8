//! What every key-value engine with a time to live must do.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use nowfold_core::record::{Headers, LogRecord, TimestampType};
use nowfold_core::state::{KeyValueStore, StateStore, StoreError, TimeToLive, stamp};
use nowfold_core::time::{Timestamp, millisecs};

/// Checks an engine against the contract of [`TimeToLive`]: what lives how long, by either clock, and what a restore brings
/// back. `make` gives an empty store.
///
/// ```
/// use nowfold_core::state::MemoryExpiring;
/// use nowfold_testkit::contract::expiring_key_value_store;
///
/// expiring_key_value_store(|ttl| Box::new(MemoryExpiring::new(ttl)));
/// ```
///
/// # Panics
/// At the first point that the engine breaks, with a sentence that names it.
pub fn expiring_key_value_store(mut make: impl FnMut(TimeToLive) -> Box<dyn StateStore>) {
    let ttl = TimeToLive::of(millisecs(100));
    keeps_a_row_up_to_its_end(make(ttl).as_mut());
    begins_anew_with_every_update(make(ttl).as_mut());
    ends_by_the_clock_that_was_chosen(make(ttl).as_mut(), make(ttl.by_wall_clock()).as_mut());
    names_each_ended_row_once(make(ttl).as_mut());
    refuses_rows_without_a_time(make(ttl).as_mut());
    restores_no_ended_row(make(ttl).as_mut(), make(ttl.by_wall_clock()).as_mut());
    agrees_with_a_sorted_map(make(ttl).as_mut());
}

const NEVER: Timestamp = Timestamp::MIN;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn done<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("the engine failed: {error}"))
}

fn key_value(store: &mut dyn StateStore) -> &mut dyn KeyValueStore {
    store.as_key_value().unwrap_or_else(|| panic!("as_key_value gives the store"))
}

fn put(store: &mut dyn StateStore, key: &str, ms: i64) {
    done(key_value(store).put(Bytes::copy_from_slice(key.as_bytes()), stamp(at(ms), b"v")));
}

fn keys(store: &mut dyn StateStore) -> Vec<String> {
    let store = key_value(store);
    let pairs = done(store.range((Bound::Unbounded, Bound::Unbounded), usize::MAX));
    let keys: Vec<_> = pairs.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(done(store.len()), keys.len(), "the length counts the rows that can be read");
    assert_eq!(done(store.prefix(b"", usize::MAX)).len(), keys.len(), "a prefix read gives the same rows");
    keys.iter().for_each(|key| assert!(done(store.get(key.as_bytes())).is_some(), "{key} can be read by itself"));
    keys
}

fn keeps_a_row_up_to_its_end(store: &mut dyn StateStore) {
    put(store, "a", 1_000);
    assert!(store.is_timestamped(), "its values carry their times");
    assert_eq!(store.expire(at(1_099), NEVER), [""; 0]);
    assert_eq!(keys(store), ["a"], "a row lives up to its last millisecond");
    assert_eq!(store.expire(at(1_100), NEVER), ["a"], "and ends at time plus time to live");
    assert_eq!(keys(store), [""; 0]);
}

fn begins_anew_with_every_update(store: &mut dyn StateStore) {
    put(store, "a", 1_000);
    put(store, "a", 1_050);
    assert_eq!(store.expire(at(1_149), NEVER), [""; 0], "a later update lengthens the row's life");
    put(store, "a", 1_060);
    put(store, "b", 1_080);
    put(store, "a", 1_055);
    assert_eq!((store.expire(at(1_155), NEVER), keys(store)), (vec!["a".into()], vec!["b".to_owned()]));
    put(store, "b", 1_000);
    assert_eq!(keys(store), [""; 0], "an update whose time is over deletes the row");
}

fn ends_by_the_clock_that_was_chosen(stream: &mut dyn StateStore, wall: &mut dyn StateStore) {
    for store in [&mut *stream, &mut *wall] {
        put(store, "a", 1_000);
        put(store, "b", 1_090);
    }
    assert_eq!(stream.expire(at(1_090), at(9_000)), [""; 0], "the wall clock does not move stream time");
    assert_eq!(wall.expire(at(9_000), at(1_090)), [""; 0], "stream time does not move the wall clock");
    assert_eq!(wall.expire(at(9_000), at(1_100)), ["a"]);
    put(stream, "c", 1_100);
    assert_eq!(keys(stream), ["b", "c"], "a write moves stream time");
    put(wall, "c", 5_000);
    assert_eq!(keys(wall), ["b", "c"], "a write does not move the wall clock");
    assert_eq!(stream.expire(at(500), NEVER), ["a"], "time does not go back");
}

fn names_each_ended_row_once(store: &mut dyn StateStore) {
    (0..2_500).for_each(|i| put(store, &format!("k{i:04}"), 1_000));
    let mut named = Vec::new();
    loop {
        let over = store.expire(at(2_000), NEVER);
        assert_eq!(keys(store), [""; 0], "no ended row can be read, also before its turn to be taken away");
        if over.is_empty() {
            break;
        }
        named.extend(over);
    }
    named.sort();
    named.dedup();
    assert_eq!(named.len(), 2_500, "every ended row is named for its changelog");
}

fn refuses_rows_without_a_time(store: &mut dyn StateStore) {
    assert!(key_value(store).put("a".into(), "short".into()).is_err(), "a row without a time is refused");
}

fn restores_no_ended_row(stream: &mut dyn StateStore, wall: &mut dyn StateStore) {
    let record = |key: &str, ms: i64, value: Option<&str>| LogRecord {
        offset: ms,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        timestamp: at(ms),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    };
    for store in [&mut *stream, &mut *wall] {
        for (key, ms, value) in
            [("a", 1_000, Some("v")), ("b", 1_050, Some("v")), ("c", 1_060, Some("v")), ("b", 1_070, None)]
        {
            done(store.restore(&record(key, ms, value)));
        }
        done(store.restore(&record("d", 1_101, Some("v"))));
    }
    assert_eq!(keys(stream), ["c", "d"], "what had ended by the newest time of the changelog stays away");
    wall.expire(NEVER, at(1_162));
    assert_eq!(keys(wall), ["d"], "what had ended by the clock stays away");
}

/// Puts, deletes and moves of time drawn from a fixed sequence, against the obvious model.
fn agrees_with_a_sorted_map(store: &mut dyn StateStore) {
    let (mut model, mut now, mut random) = (BTreeMap::new(), 0_i64, 0x9e37_79b9_7f4a_7c15_u64);
    for step in 0..3_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = format!("k{:02}", random % 23);
        let time = now - 50 + i64::from(u8::try_from(random % 97).unwrap_or(0));
        match random % 7 {
            0 => {
                done(key_value(store).delete(key.as_bytes()));
                model.remove(&key);
            }
            1 => {
                now += 13;
                store.expire(at(now), NEVER);
            }
            _ => {
                put(store, &key, time);
                model.insert(key, time);
                now = now.max(time);
            }
        }
        model.retain(|_, time| *time + 100 > now);
        assert!(keys(store).iter().eq(model.keys()), "step {step}");
    }
}
