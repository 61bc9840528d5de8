//! The rows of one store: those on disk, and what was written since the last epoch over them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use nowfold_core::names::StoreName;
use nowfold_core::state::{KeyRange, StoreError};
use parking_lot::RwLock;

use super::database::Database;
use super::rows::{self, MARK, is_empty};

/// Bytes of a key that fjall takes, less what a row adds.
const LONGEST_KEY: usize = 65_000;

/// Rows over those on disk; `None` is one that is removed.
pub(crate) type Rows = BTreeMap<Bytes, Option<Bytes>>;

/// The rows of one store. Readers hold the lock while they look at what is in memory, never while they read the disk.
#[derive(Debug)]
pub(crate) struct Table {
    database: Arc<Database>,
    name: StoreName,
    /// What its rows begin with.
    number: [u8; 2],
    layers: RwLock<Layers>,
}

/// What a store has to know beside its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The largest time that was written.
    pub(crate) largest: Option<i64>,
    /// Duplicates that were numbered.
    pub(crate) n_duplicates: u32,
}

#[derive(Debug, Default)]
struct Layers {
    /// Written since the last epoch.
    fresh: Rows,
    /// On its way to the disk.
    writing: Arc<Rows>,
    mark: Mark,
    /// The mark of the last epoch.
    stored_mark: Mark,
    /// What the present record has replaced in `fresh`, and the mark before it.
    undo: Vec<(Bytes, Option<Option<Bytes>>)>,
    mark_before: Option<Mark>,
}

impl Table {
    /// The store of this number.
    pub(crate) fn open(database: Arc<Database>, name: StoreName, number: u16) -> Result<Self, StoreError> {
        let table = Self { database, name, number: number.to_be_bytes(), layers: RwLock::default() };
        if let Some(stored) = table.get(&[MARK])? {
            let mark = Mark::decode(stored).ok_or_else(|| table.failed("its mark is of another format".to_owned()))?;
            let layers = &mut *table.layers.write();
            (layers.mark, layers.stored_mark) = (mark, mark);
        }
        Ok(table)
    }

    pub(crate) fn failed(&self, cause: String) -> StoreError {
        StoreError::Engine { store: self.name.to_string(), cause }
    }

    fn row(&self, key: &[u8]) -> Bytes {
        [&self.number, key].concat().into()
    }

    /// The value of a row.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        {
            let layers = self.layers.read();
            if let Some(written) = layers.fresh.get(key).or_else(|| layers.writing.get(key)) {
                return Ok(written.clone());
            }
        }
        self.database.get(&self.row(key)).map_err(|cause| self.failed(cause))
    }

    /// The value of the row that `key` names under the present mark, if it names one.
    pub(crate) fn get_at(&self, key: impl FnOnce(&Mark) -> Option<Bytes>) -> Result<Option<Bytes>, StoreError> {
        let key = key(&self.layers.read().mark);
        key.map_or(Ok(None), |key| self.get(&key))
    }

    /// Rows in the range that `range` names under the present mark, in order, at most `limit`; all as of one moment.
    pub(crate) fn scan(
        &self,
        range: impl FnOnce(&Mark) -> Option<KeyRange>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut found = Vec::new();
        self.visit(range, |key, value| {
            if found.len() < limit {
                found.push((key, value));
            }
            found.len() < limit
        })?;
        Ok(found)
    }

    /// Calls `visit` with the rows of a range, in order, until it returns false.
    pub(crate) fn visit(
        &self,
        range: impl FnOnce(&Mark) -> Option<KeyRange>,
        mut visit: impl FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), StoreError> {
        let (range, written, snapshot) = {
            let layers = self.layers.read();
            let Some(range) = range(&layers.mark).filter(|range| !is_empty(range)) else { return Ok(()) };
            let mut written: Rows = rows_in(&layers.writing, &range);
            written.extend(rows_in(&layers.fresh, &range));
            (range, written, self.database.snapshot())
        };
        let mut written = written.into_iter().peekable();
        for row in self.database.scan(&snapshot, self.on_disk(range)) {
            let (key, value) = row.map_err(|cause| self.failed(cause))?;
            let key = key.slice(self.number.len()..);
            while let Some((over, value)) = written.next_if(|(over, _)| *over < key) {
                if value.is_some_and(|value| !visit(over, value)) {
                    return Ok(());
                }
            }
            let go_on = match written.next_if(|(over, _)| *over == key) {
                Some((_, Some(value))) => visit(key, value),
                Some((_, None)) => true,
                None => visit(key, value),
            };
            if !go_on {
                return Ok(());
            }
        }
        for (key, value) in written {
            if value.is_some_and(|value| !visit(key, value)) {
                break;
            }
        }
        Ok(())
    }

    fn on_disk(&self, (from, to): KeyRange) -> KeyRange {
        let from = match from {
            Bound::Unbounded => Bound::Included(Bytes::copy_from_slice(&self.number)),
            bound => bound.map(|key| self.row(&key)),
        };
        let to = match to {
            Bound::Unbounded => rows::behind(&self.number).map_or(Bound::Unbounded, Bound::Excluded),
            bound => bound.map(|key| self.row(&key)),
        };
        (from, to)
    }

    /// Whether fjall takes a key of this length.
    pub(crate) fn check_key(&self, key: &[u8]) -> Result<(), StoreError> {
        if key.len() <= LONGEST_KEY {
            return Ok(());
        }
        let n = key.len();
        Err(self.failed(format!(
            "a key has {n} bytes, and stores on disk take {LONGEST_KEY}; shorten it, or keep the store in memory (in_memory)"
        )))
    }

    /// Writes rows of the present record, under a mark that it may have changed.
    pub(crate) fn write(&self, rows: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) {
        let layers = &mut *self.layers.write();
        for (key, value) in rows {
            let before = layers.fresh.insert(key.clone(), value);
            layers.undo.push((key, before));
        }
    }

    /// Changes the mark for the present record; returns it as it is then.
    pub(crate) fn change_mark(&self, change: impl FnOnce(&mut Mark)) -> Mark {
        let layers = &mut *self.layers.write();
        layers.mark_before.get_or_insert(layers.mark);
        change(&mut layers.mark);
        layers.mark
    }

    pub(crate) fn mark(&self) -> Mark {
        self.layers.read().mark
    }

    /// Removes rows for good: those that nothing reads any more.
    pub(crate) fn drop_rows(&self, keys: impl IntoIterator<Item = Bytes>) {
        let layers = &mut *self.layers.write();
        layers.fresh.extend(keys.into_iter().map(|key| (key, None)));
    }

    /// The present record is done with.
    pub(crate) fn record_done(&self) {
        let layers = &mut *self.layers.write();
        layers.undo.clear();
        layers.mark_before = None;
    }

    /// The present record leaves nothing behind.
    pub(crate) fn record_waits(&self) {
        let layers = &mut *self.layers.write();
        for (key, before) in std::mem::take(&mut layers.undo).into_iter().rev() {
            match before {
                Some(written) => layers.fresh.insert(key, written),
                None => layers.fresh.remove(&key),
            };
        }
        layers.mark = layers.mark_before.take().unwrap_or(layers.mark);
    }

    /// What is to be written to the disk; readers see it in memory until [`written`](Self::written) or
    /// [`refused`](Self::refused).
    pub(crate) fn freeze(&self) -> Vec<(Bytes, Option<Bytes>)> {
        let layers = &mut *self.layers.write();
        if layers.mark != layers.stored_mark {
            layers.fresh.insert(Bytes::from_static(&[MARK]), Some(layers.mark.encode()));
        }
        layers.writing = Arc::new(std::mem::take(&mut layers.fresh));
        layers.writing.iter().map(|(key, value)| (self.row(key), value.clone())).collect()
    }

    /// What was frozen is on disk.
    pub(crate) fn written(&self) {
        let layers = &mut *self.layers.write();
        (layers.writing, layers.stored_mark) = (Arc::default(), layers.mark);
    }

    /// What was frozen is not on disk: it stays in memory.
    pub(crate) fn refused(&self) {
        let layers = &mut *self.layers.write();
        let mut rows = Arc::unwrap_or_clone(std::mem::take(&mut layers.writing));
        rows.append(&mut layers.fresh);
        layers.fresh = rows;
    }

    /// The disk holds nothing any more.
    pub(crate) fn cleared(&self) {
        *self.layers.write() = Layers::default();
    }
}

impl Mark {
    fn encode(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(13);
        bytes.put_u8(u8::from(self.largest.is_some()));
        bytes.put_i64(self.largest.unwrap_or(0));
        bytes.put_u32(self.n_duplicates);
        bytes.freeze()
    }

    fn decode(mut bytes: Bytes) -> Option<Self> {
        let has_largest = bytes.try_get_u8().ok()? == 1;
        let largest = bytes.try_get_i64().ok()?;
        let n_duplicates = bytes.try_get_u32().ok()?;
        bytes.is_empty().then_some(Self { largest: has_largest.then_some(largest), n_duplicates })
    }
}

fn rows_in(rows: &Rows, range: &KeyRange) -> Rows {
    let range = (range.0.as_ref(), range.1.as_ref());
    rows.range::<Bytes, _>(range).map(|(key, value)| (key.clone(), value.clone())).collect()
}
