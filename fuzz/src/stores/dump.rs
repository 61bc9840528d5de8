//! All that a store answers.

use std::ops::Bound;

use bytes::Bytes;
use nowfold::core::state::{StateStore, split_session_changelog_key, split_window_changelog_key};
use nowfold::core::time::Timestamp;

/// The whole content of a store, and what it says of these keys, in words. Errors are part of it.
pub(super) fn dump(store: &mut dyn StateStore, keys: &[Bytes]) -> String {
    let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    if let Some(store) = store.as_key_value() {
        let all = store.range((Bound::Unbounded, Bound::Unbounded), usize::MAX);
        let each: Vec<_> = keys.iter().map(|key| (store.get(key), store.prefix(key, 3))).collect();
        return format!("{all:?} {:?} {each:?}", store.len());
    }
    if let Some(store) = store.as_window() {
        let parts = keys.iter().filter_map(split_window_changelog_key);
        let each: Vec<_> =
            parts.map(|(key, start, _)| (store.get(&key, start), store.fetch(&key, start, last))).collect();
        return format!("{:?} {each:?}", store.fetch_all(first, last));
    }
    if let Some(store) = store.as_session() {
        let parts = keys.iter().filter_map(split_session_changelog_key);
        let each: Vec<_> =
            parts.map(|(key, start, end)| (store.get(&key, start, end), store.find(&key, end, start))).collect();
        return format!("{:?} {each:?}", store.ended(first, last));
    }
    let Some(store) = store.as_versioned() else { return String::new() };
    let times = [0, 60, 200].map(Timestamp::from_millis);
    let each = |key: &Bytes| (store.latest(key), times.map(|time| store.as_of(key, time)));
    format!("{:?}", keys.iter().map(each).collect::<Vec<_>>())
}
