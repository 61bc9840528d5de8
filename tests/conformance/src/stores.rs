//! Stores, read as interactive queries read them.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nowfold_core::query::{StoreEntry, StoreHub};
use nowfold_core::state::{
    KeyValueReader, MemoryHistories, MemoryMap, MemorySessions, MemoryWindows, SessionEntry, SessionReader, StoreError,
    VersionedReader, WindowEntry, WindowReader, unstamp,
};
use nowfold_core::time::Timestamp;
use serde_json::{Value, json};

use crate::case::VersionedRead;
use crate::catalogue::{Kind, StoreKind};
use crate::check::{Difference, same};

const ALL: (Bound<Bytes>, Bound<Bytes>) = (Bound::Unbounded, Bound::Unbounded);

/// The reading side of the one partition of a store.
fn reader<R: Any + Send + Sync>(hub: &StoreHub, store: &str) -> Result<Arc<R>, StoreError> {
    let find = |_: &_, entry: &StoreEntry| entry.partitions.get(&0).cloned();
    let handle = hub.with_store(store, find).ok().flatten();
    let missing = || StoreError::NotConnected { store: store.to_owned(), kind: "compared" };
    handle.and_then(|handle| handle.reader.downcast().ok()).ok_or_else(missing)
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn split(bytes: &Bytes) -> (Timestamp, Bytes) {
    unstamp(bytes).unwrap_or_else(|| (Timestamp::MIN, bytes.clone()))
}

/// All rows of a store as the files show them.
pub(crate) fn rows(hub: &StoreHub, store: &str, kind: &StoreKind) -> Result<Vec<Value>, StoreError> {
    let (first, last) = (Timestamp::MIN, Timestamp::MAX);
    Ok(match kind {
        StoreKind::Plain(kind) => {
            let row = |(key, value): &(Bytes, Bytes)| json!({ "key": text(key), "value": kind.read(value) });
            reader::<MemoryMap>(hub, store)?.range(ALL, usize::MAX)?.iter().map(row).collect()
        }
        StoreKind::Stamped(kind) => {
            let rows = reader::<MemoryMap>(hub, store)?.range(ALL, usize::MAX)?;
            rows.iter().map(|(key, stored)| stamped_row(*kind, key, stored)).collect()
        }
        StoreKind::Window { kind, length, stamped } => {
            let rows = reader::<MemoryWindows>(hub, store)?.fetch_all(first, last)?;
            rows.iter().map(|entry| window_row(entry, *kind, *length, *stamped)).collect()
        }
        StoreKind::Session(kind) => {
            let rows = reader::<MemorySessions>(hub, store)?.ended(first, last)?;
            rows.iter().map(|entry| session_row(entry, *kind)).collect()
        }
        StoreKind::Global { rows, stamped } => {
            let row = |(key, value, ts): (String, String, i64)| {
                if *stamped {
                    json!({ "key": key, "value": value, "ts": ts })
                } else {
                    json!({ "key": key, "value": value })
                }
            };
            rows().into_iter().map(row).collect()
        }
    })
}

fn stamped_row(kind: Kind, key: &Bytes, stored: &Bytes) -> Value {
    let (ts, value) = split(stored);
    json!({ "key": text(key), "value": kind.read(&value), "ts": ts.as_millis() })
}

fn window_row(entry: &WindowEntry, kind: Kind, length: i64, stamped: bool) -> Value {
    let (key, start) = (text(&entry.key), entry.start.as_millis());
    let end = start.saturating_add(length);
    if stamped {
        let (ts, value) = split(&entry.value);
        let value = kind.read(&value);
        return json!({ "key": key, "start": start, "end": end, "value": value, "ts": ts.as_millis() });
    }
    json!({ "key": key, "start": start, "end": end, "value": kind.read(&entry.value) })
}

fn session_row(entry: &SessionEntry, kind: Kind) -> Value {
    let (start, end) = (entry.start.as_millis(), entry.end.as_millis());
    json!({ "key": text(&entry.key), "start": start, "end": end, "value": kind.read(&entry.value) })
}

/// Asks a versioned store, and compares its answer.
pub(crate) fn ask(hub: &StoreHub, read: &VersionedRead) -> Result<(), Difference> {
    let reader = reader::<MemoryHistories>(hub, &read.store).map_err(|error| error.to_string())?;
    let version = match read.as_of {
        Some(time) => reader.as_of(read.key.as_bytes(), Timestamp::from_millis(time)),
        None => reader.latest(read.key.as_bytes()),
    };
    let version = version.map_err(|error| error.to_string())?;
    let found = version.map_or(json!({ "value": null, "ts": null, "valid_to": null }), |version| {
        let until = version.until.filter(|_| read.valid_to.is_some()).map(Timestamp::as_millis);
        json!({ "value": Kind::Text.read(&version.value), "ts": version.from.as_millis(), "valid_to": until })
    });
    let expected = json!({ "value": read.value, "ts": read.ts, "valid_to": read.valid_to });
    same(&format!("{} {} as of {:?}", read.store, read.key, read.as_of), &expected, &found)
}
