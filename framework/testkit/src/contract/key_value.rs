//! What every key-value engine must do.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nowfold_core::names::Offset;
use nowfold_core::record::{Headers, LogRecord, TimestampType};
use nowfold_core::state::{KeyValueReader, KeyValueStore, StateStore, StoreError};
use nowfold_core::time::Timestamp;

/// Checks a key-value engine against the contract of [`KeyValueStore`]. `make` gives an empty store; `reader` turns what
/// [`StateStore::reader`] hands out into its reading side.
///
/// ```
/// use nowfold_core::state::{KeyValueReader, MemoryKeyValue, MemoryMap};
/// use nowfold_testkit::contract::key_value_store;
///
/// key_value_store(
///     || Box::new(MemoryKeyValue::new()),
///     |reader| reader.downcast::<MemoryMap>().map(|map| map as _).ok(),
/// );
/// ```
///
/// # Panics
/// At the first point that the engine breaks, with a sentence that names it.
pub fn key_value_store(
    mut make: impl FnMut() -> Box<dyn StateStore>,
    reader: impl Fn(Arc<dyn Any + Send + Sync>) -> Option<Arc<dyn KeyValueReader>>,
) {
    let mut check = |rule: fn(&mut dyn KeyValueStore)| rule(key_value(make().as_mut()));
    check(returns_what_was_put);
    check(replaces_and_deletes);
    check(keeps_empty_values_apart_from_absent_ones);
    check(reads_ranges_in_byte_order_with_their_bounds);
    check(reads_prefixes_in_byte_order);
    check(limits_what_it_reads);
    check(agrees_with_a_sorted_map);
    restores_what_the_changelog_says(make().as_mut());
    shows_writes_to_readers_at_once(make().as_mut(), &reader);
}

fn key_value(store: &mut dyn StateStore) -> &mut dyn KeyValueStore {
    store.as_key_value().unwrap_or_else(|| panic!("as_key_value gives the store"))
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(store: &mut dyn KeyValueStore, key: &str, value: &str) {
    done(store.put(bytes(key), bytes(value)));
}

fn done<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("the engine failed: {error}"))
}

fn keys(pairs: Result<Vec<(Bytes, Bytes)>, StoreError>) -> Vec<String> {
    done(pairs).into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect()
}

fn returns_what_was_put(store: &mut dyn KeyValueStore) {
    assert_eq!(done(store.get(b"a")), None, "an absent key has no value");
    assert!(done(store.is_empty()), "a new store is empty");
    put(store, "a", "1");
    assert_eq!(done(store.get(b"a")), Some(bytes("1")), "a write is visible at once");
    assert_eq!(done(store.get(b"A")), None, "keys are compared byte by byte");
    assert_eq!(done(store.len()), 1);
}

fn replaces_and_deletes(store: &mut dyn KeyValueStore) {
    put(store, "a", "1");
    put(store, "a", "2");
    assert_eq!((done(store.get(b"a")), done(store.len())), (Some(bytes("2")), 1), "a second put replaces the first");
    done(store.delete(b"a"));
    assert_eq!((done(store.get(b"a")), done(store.len())), (None, 0), "a deleted key is gone");
    done(store.delete(b"a"));
    put(store, "a", "3");
    assert_eq!(done(store.get(b"a")), Some(bytes("3")), "a deleted key can come back");
}

fn keeps_empty_values_apart_from_absent_ones(store: &mut dyn KeyValueStore) {
    put(store, "", "empty key");
    put(store, "a", "");
    assert_eq!(done(store.get(b"")), Some(bytes("empty key")), "the empty key is a key");
    assert_eq!(done(store.get(b"a")), Some(Bytes::new()), "the empty value is a value");
    assert_eq!(keys(store.prefix(b"", usize::MAX)), ["", "a"], "the empty prefix matches every key");
}

fn reads_ranges_in_byte_order_with_their_bounds(store: &mut dyn KeyValueStore) {
    ["b", "a", "c", "ab"].iter().for_each(|key| put(store, key, "v"));
    let open = Bound::Unbounded::<&str>;
    let cases = [
        (open, open, vec!["a", "ab", "b", "c"]),
        (Bound::Included("ab"), Bound::Included("b"), vec!["ab", "b"]),
        (Bound::Excluded("a"), Bound::Excluded("c"), vec!["ab", "b"]),
        (Bound::Excluded("b"), open, vec!["c"]),
        (Bound::Included("b"), Bound::Included("b"), vec!["b"]),
        (Bound::Included("b"), Bound::Excluded("b"), vec![]),
        (Bound::Excluded("b"), Bound::Excluded("b"), vec![]),
        (Bound::Included("c"), Bound::Included("a"), vec![]),
        (Bound::Excluded("c"), Bound::Excluded("a"), vec![]),
        (Bound::Included("d"), open, vec![]),
    ];
    for (from, to, expected) in cases {
        let range = (from.map(bytes), to.map(bytes));
        assert_eq!(keys(store.range(range, usize::MAX)), expected, "range {from:?} to {to:?}");
    }
}

fn reads_prefixes_in_byte_order(store: &mut dyn KeyValueStore) {
    for key in [&b"a"[..], b"a\x00", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff"] {
        done(store.put(Bytes::copy_from_slice(key), Bytes::new()));
    }
    let cases: [(&[u8], &[&[u8]]); 4] = [
        (b"a", &[b"a", b"a\x00", b"a\xff", b"a\xff\xff"]),
        (b"a\xff", &[b"a\xff", b"a\xff\xff"]),
        (b"\xff", &[b"\xff", b"\xff\xff"]),
        (b"c", &[]),
    ];
    for (prefix, expected) in cases {
        let found = done(store.prefix(prefix, usize::MAX));
        assert!(found.iter().map(|(key, _)| &key[..]).eq(expected.iter().copied()), "prefix {prefix:?} gave {found:?}");
    }
}

fn limits_what_it_reads(store: &mut dyn KeyValueStore) {
    ["a", "b", "c"].iter().for_each(|key| put(store, key, "v"));
    let all = || (Bound::Unbounded, Bound::Unbounded);
    assert_eq!(keys(store.range(all(), 2)), ["a", "b"], "a range read stops at its limit");
    assert_eq!(keys(store.range(all(), 0)), [""; 0], "a limit of 0 reads nothing");
    assert_eq!(keys(store.prefix(b"", 1)), ["a"], "a prefix read stops at its limit");
}

/// Puts and deletes keys drawn from a fixed sequence, and compares with the obvious model after each step.
fn agrees_with_a_sorted_map(store: &mut dyn KeyValueStore) {
    let (mut model, mut random) = (BTreeMap::new(), 0x9e37_79b9_7f4a_7c15_u64);
    for step in 0..2_000_u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = Bytes::copy_from_slice(&(random % 97).to_be_bytes()[6..]);
        if random.is_multiple_of(3) {
            done(store.delete(&key));
            model.remove(&key);
        } else {
            let value = Bytes::copy_from_slice(&step.to_be_bytes());
            done(store.put(key.clone(), value.clone()));
            model.insert(key.clone(), value);
        }
        assert_eq!(done(store.get(&key)), model.get(&key).cloned(), "step {step}");
        assert_eq!(done(store.len()), model.len(), "step {step}");
    }
    let found = done(store.range((Bound::Unbounded, Bound::Unbounded), usize::MAX));
    assert_eq!(found, model.into_iter().collect::<Vec<_>>(), "the whole content after 2,000 steps");
}

fn restores_what_the_changelog_says(store: &mut dyn StateStore) {
    let record = |offset: Offset, key: Option<&str>, value: Option<&str>| LogRecord {
        offset,
        key: key.map(bytes),
        value: value.map(bytes),
        timestamp: Timestamp::from_millis(0),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    };
    for change in [
        record(0, Some("a"), Some("1")),
        record(1, Some("b"), Some("2")),
        record(2, Some("a"), None),
        record(5, Some("b"), Some("3")),
        record(6, Some("never-put"), None),
    ] {
        done(store.restore(&change));
    }
    assert_eq!(store.restore(&record(7, None, Some("x"))), Err(StoreError::NullKey { offset: 7 }));
    let restored = done(key_value(store).range((Bound::Unbounded, Bound::Unbounded), usize::MAX));
    assert_eq!(restored, [(bytes("b"), bytes("3"))], "the newest write of each key, none for a deleted one");
}

fn shows_writes_to_readers_at_once(
    store: &mut dyn StateStore,
    reader: &impl Fn(Arc<dyn Any + Send + Sync>) -> Option<Arc<dyn KeyValueReader>>,
) {
    let reading = reader(store.reader()).unwrap_or_else(|| panic!("reader gives the store's own reading side"));
    put(key_value(store), "a", "1");
    assert_eq!(done(reading.get(b"a")), Some(bytes("1")), "a reader sees a write at once");
    assert_eq!(std::thread::scope(|scope| scope.spawn(|| reading.len()).join().ok()), Some(Ok(1)), "from any thread");
}
