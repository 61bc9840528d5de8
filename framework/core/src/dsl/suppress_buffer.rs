//! The buffer of suppressed tables, at work.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::buffered::Buffered;
use super::change::{Change, OldValues};
use super::closing::{Closes, idle_time, watch_idle};
use super::codec::Codec;
use super::suppress::Buffer;
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::task::Punctuation;
use crate::time::Timestamp;

/// When a row leaves the buffer.
pub(super) type BufferTime<K> = Arc<dyn Fn(&K, Timestamp) -> Timestamp + Send + Sync>;

/// The buffer's store: rows under 0, time (8 bytes, big-endian) and key; their times under 1 and key; under 2 what the
/// operator knows.
///
/// At-least-once, a changelog may end between two writes of one record. Rows are written before their index and deleted
/// after it, so that none is lost then; one without an index is sent on all the same.
pub(super) struct Suppress<K, V> {
    pub(super) codec: Codec<K, V>,
    pub(super) store: StoreName,
    /// How far stream time must pass a row's buffer time, and whether the wall clock counts for it on idle input.
    pub(super) closes: Closes,
    pub(super) buffer: Buffer,
    pub(super) buffer_time: BufferTime<K>,
    pub(super) sends_tombstones: bool,
    pub(super) old: OldValues,
}

/// What the operator knows: its stream time, and how full the buffer is.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Known {
    stream_time: i64,
    records: u64,
    bytes: u64,
}

const KNOWN: &[u8] = &[2];

/// How many rows are counted at a time.
const AT_A_TIME: usize = 1_000;

fn row_key(time: [u8; 8], key: &[u8]) -> Bytes {
    [&[0][..], &time, key].concat().into()
}

fn index_key(key: &[u8]) -> Bytes {
    [&[1][..], key].concat().into()
}

type Context<'c, 'n, 't, K, V> = &'c mut ProcessorContext<'n, 't, K, Change<V>>;

impl<K: 'static, V: 'static> Suppress<K, V> {
    fn known(&self, cx: Context<'_, '_, '_, K, V>) -> Result<Known, ProcessError> {
        match cx.key_value(self.store.as_str())?.get(KNOWN)? {
            Some(bytes) => Ok(postcard::from_bytes(&bytes)?),
            None => Ok(Known { stream_time: i64::MIN, records: 0, bytes: 0 }),
        }
    }

    /// Counts the rows anew where their number matters: what is known of them is written after them.
    fn recount(&self, cx: Context<'_, '_, '_, K, V>) -> Result<(), ProcessError> {
        if self.buffer.records == u64::MAX && self.buffer.bytes == u64::MAX {
            return Ok(());
        }
        let known = self.known(cx)?;
        let mut found = Known { records: 0, bytes: 0, ..known };
        let mut from = Bound::Included(Bytes::from_static(&[0]));
        loop {
            let to = Bound::Excluded(Bytes::from_static(&[1]));
            let rows = cx.key_value(self.store.as_str())?.range((from, to), AT_A_TIME)?;
            found.records = found.records.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
            found.bytes = rows.iter().fold(found.bytes, |sum, (at, row)| sum.saturating_add(size(&at.slice(9..), row)));
            match rows.last() {
                Some((last, _)) if rows.len() == AT_A_TIME => from = Bound::Excluded(last.clone()),
                _ => break,
            }
        }
        if (found.records, found.bytes) == (known.records, known.bytes) { Ok(()) } else { self.keep(cx, found) }
    }

    fn keep(&self, cx: Context<'_, '_, '_, K, V>, known: Known) -> Result<(), ProcessError> {
        let known = postcard::to_stdvec(&known)?;
        Ok(cx.key_value(self.store.as_str())?.put(Bytes::from_static(KNOWN), known.into())?)
    }

    /// Puts a change in the buffer; a row that waits keeps its place and its oldest value.
    fn hold(
        &self,
        cx: Context<'_, '_, '_, K, V>,
        record: Record<K, Change<V>>,
        known: &mut Known,
    ) -> Result<(), ProcessError> {
        let Some(key) = self.codec.key(&record.key)? else { return Ok(()) };
        let bytes =
            |value: Option<&V>| Ok::<_, ProcessError>(value.map(|v| self.codec.value(v)).transpose()?.flatten());
        let (new, old) = (bytes(record.value.new.as_ref())?, bytes(record.value.old.as_ref())?);
        let time = (self.buffer_time)(&record.key, record.timestamp).as_millis().to_be_bytes();
        let mut store = cx.key_value(self.store.as_str())?;
        let waiting = store.get(&index_key(&key))?.and_then(|time| time.first_chunk().copied());
        let waiting = match waiting {
            Some(time) => store.get(&row_key(time, &key))?.map(|before| (time, before)),
            None => None,
        };
        let (time, old) = match waiting {
            Some((time, before)) => {
                known.bytes = known.bytes.saturating_sub(size(&key, &before));
                known.records = known.records.saturating_sub(1);
                (time, Buffered::from_bytes(&before)?.old)
            }
            None => (time, old),
        };
        let row = Buffered::new(record.timestamp, new, old, &record.headers).to_bytes()?;
        known.bytes = known.bytes.saturating_add(size(&key, &row));
        known.records += 1;
        store.put(row_key(time, &key), row)?;
        store.put(index_key(&key), Bytes::copy_from_slice(&time))?;
        Ok(())
    }

    /// Sends the oldest rows: those that are due, then those that there is no room for.
    fn release(&self, cx: Context<'_, '_, '_, K, V>, known: &mut Known) -> Result<(), ProcessError> {
        let due = known.stream_time.saturating_sub(self.closes.after);
        while let Some((at, row)) = cx.key_value(self.store.as_str())?.prefix(&[0], 1)?.pop() {
            let time =
                at.get(1..).and_then(|rest| rest.first_chunk()).map_or(i64::MIN, |time| i64::from_be_bytes(*time));
            let is_full = known.records > self.buffer.records || known.bytes > self.buffer.bytes;
            if time > due && is_full && !self.buffer.emits_early {
                return Err(ProcessError::new(format!(
                    "the buffer is full: it holds {} rows of {} bytes; give it more room, or let it emit early",
                    known.records, known.bytes
                )));
            }
            if time > due && !is_full {
                return Ok(());
            }
            let key = at.slice(9..);
            known.bytes = known.bytes.saturating_sub(size(&key, &row));
            known.records = known.records.saturating_sub(1);
            let mut store = cx.key_value(self.store.as_str())?;
            store.delete(&index_key(&key))?;
            store.delete(&at)?;
            self.send(cx, &key, &Buffered::from_bytes(&row)?)?;
        }
        Ok(())
    }

    fn send(&self, cx: Context<'_, '_, '_, K, V>, key: &Bytes, row: &Buffered) -> Result<(), ProcessError> {
        if row.new.is_none() && !self.sends_tombstones {
            return Ok(());
        }
        let read = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| self.codec.read_value(bytes)).transpose();
        let old = if self.old.are_wanted() { read(&row.old)? } else { None };
        let (key, value) = (self.codec.read_key(key)?, Change::new(read(&row.new)?, old));
        cx.forward(Record { key, value, timestamp: row.timestamp(), headers: row.headers() })
    }
}

/// What a row counts for, in bytes.
fn size(key: &Bytes, row: &Bytes) -> u64 {
    u64::try_from(key.len() + row.len()).unwrap_or(u64::MAX)
}

impl<K: 'static, V: 'static> Processor<K, Change<V>, K, Change<V>> for Suppress<K, V> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<V>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessError> {
        let mut known = self.known(cx)?;
        known.stream_time = known.stream_time.max(record.timestamp.as_millis());
        self.hold(cx, record, &mut known)?;
        self.release(cx, &mut known)?;
        self.keep(cx, known)
    }

    fn init(&mut self, cx: &mut ProcessorContext<'_, '_, K, Change<V>>) -> Result<(), ProcessError> {
        watch_idle(cx, self.closes.idle);
        self.recount(cx)
    }

    fn punctuate(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<V>>,
        _: Punctuation,
    ) -> Result<(), ProcessError> {
        let Some(now) = idle_time(cx, self.closes.idle) else { return Ok(()) };
        let mut known = self.known(cx)?;
        let is_empty = cx.key_value(self.store.as_str())?.prefix(&[0], 1)?.is_empty();
        if is_empty || known.stream_time >= now {
            return Ok(());
        }
        known.stream_time = now;
        self.release(cx, &mut known)?;
        self.keep(cx, known)
    }
}
