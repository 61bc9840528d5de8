//! `suppress_until` and `suppress_until_closed`: fewer changes of a table, held back in a buffer.
//!
//! The buffer is looked at when a change arrives, by the operator's stream time: an idle table emits nothing, unless its
//! windows close by wall clock. Source: Kafka Streams (KIP-328).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::KTable;
use super::buffered::Buffered;
use super::change::{Change, OldValues};
use super::closing::{Closes, idle_time, watch_idle};
use super::codec::Codec;
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::serde::Serdes;
use crate::state::StoreSpec;
use crate::task::Punctuation;
use crate::time::{Timestamp, millis};
use crate::topology::{TopologyFault, changelog_topic};
use crate::window::Windowed;

/// How much a buffer holds, and what happens when that is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    records: u64,
    bytes: u64,
    emits_early: bool,
}

impl Buffer {
    /// A buffer without bounds.
    pub const fn unbounded() -> Self {
        Self { records: u64::MAX, bytes: u64::MAX, emits_early: false }
    }

    /// At most this many rows; one more fails the task.
    #[must_use]
    pub const fn max_records(self, records: u64) -> Self {
        Self { records, ..self }
    }

    /// At most this many bytes of keys and values; one more fails the task.
    #[must_use]
    pub const fn max_bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// A full buffer sends its oldest rows on instead of failing. Ignored where windows are waited for, which must send
    /// each window once.
    #[must_use]
    pub const fn emit_early(self) -> Self {
        Self { emits_early: true, ..self }
    }
}

/// When a row leaves the buffer.
type BufferTime<K> = Arc<dyn Fn(&K, Timestamp) -> Timestamp + Send + Sync>;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Sends each row at most once in `limit` of stream time. A row that changes again while it waits keeps its place and
    /// is sent with its last value. `name` names the node and its store.
    ///
    /// Readers of the resulting table, such as joins, see this table's rows, held back or not.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{Buffer, StreamsBuilder}, serde::Plain, time::seconds};
    /// let app = StreamsBuilder::new("calm");
    /// let prices = app.table("prices", "prices-store", Plain::<String, i64>::new());
    /// let calm = prices.suppress_until("calm", seconds(1), Buffer::unbounded(), Plain::new());
    /// calm.to_stream("changes").to("out", Plain::<String, Option<i64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn suppress_until(
        &self,
        name: &str,
        limit: Duration,
        buffer: Buffer,
        serdes: impl Serdes<K, V> + 'static,
    ) -> Self {
        let closes = Closes { after: millis(limit), idle: None };
        self.suppress(name, serdes, closes, buffer, Arc::new(|_, time| time), true)
    }

    fn suppress(
        &self,
        name: &str,
        serdes: impl Serdes<K, V> + 'static,
        closes: Closes,
        buffer: Buffer,
        buffer_time: BufferTime<K>,
        sends_tombstones: bool,
    ) -> Self {
        let store = StoreName::from(name);
        self.builder.state_store(StoreSpec::key_value(store.clone()));
        let codec = {
            let mut graph = self.builder.0.borrow_mut();
            let codec = Codec::new(changelog_topic(&graph.app, &store), serdes);
            graph.formats.push(codec.format());
            codec
        };
        let old = OldValues::from_above(vec![self.old.clone()]);
        let stores = [store.clone()];
        let (codec, wanted) = (codec, old.clone());
        let node = self.follow(name, &stores, move || Suppress {
            codec: codec.clone(),
            store: store.clone(),
            closes,
            buffer,
            buffer_time: buffer_time.clone(),
            sends_tombstones,
            old: wanted.clone(),
        });
        KTable { node, old, ..self.clone() }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KTable<Windowed<K>, V> {
    /// Sends each window once, when stream time has passed its end and grace, by the wall clock on idle input where the
    /// aggregation says [`close_when_idle`](super::TimeWindowedKStream::close_when_idle); windows that were deleted by
    /// then are not sent. A full buffer fails the task: a window must not be sent before its end.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{Buffer, StreamsBuilder}, serde::{Plain, TimeWindowed}, time::minutes, window::TimeWindows};
    /// let (app, windows) = (StreamsBuilder::new("final"), TimeWindows::tumbling(minutes(1)));
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .group_by_key("by-page", Plain::new())
    ///     .windowed(windows)
    ///     .count("counts")
    ///     .suppress_until_closed("final-counts", Buffer::unbounded(), TimeWindowed::new(Plain::new(), windows))
    ///     .to_stream("changes")
    ///     .to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn suppress_until_closed(
        &self,
        name: &str,
        buffer: Buffer,
        serdes: impl Serdes<Windowed<K>, V> + 'static,
    ) -> Self {
        let closes = self.closes_after.unwrap_or_else(|| {
            self.builder.fault(TopologyFault::NoWindows { node: name.to_owned() });
            Closes { after: 0, idle: None }
        });
        let buffer = Buffer { emits_early: false, ..buffer };
        self.suppress(name, serdes, closes, buffer, Arc::new(|key, _| key.window.end), false)
    }
}

/// The buffer's store: rows under 0, time (8 bytes, big-endian) and key; their times under 1 and key; under 2 what the
/// operator knows.
struct Suppress<K, V> {
    codec: Codec<K, V>,
    store: StoreName,
    /// How far stream time must pass a row's buffer time, and whether the wall clock counts for it on idle input.
    closes: Closes,
    buffer: Buffer,
    buffer_time: BufferTime<K>,
    sends_tombstones: bool,
    old: OldValues,
}

/// What the operator knows: its stream time, and how full the buffer is.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Known {
    stream_time: i64,
    records: u64,
    bytes: u64,
}

const KNOWN: &[u8] = &[2];

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
        let (time, old) = match waiting {
            Some(time) => {
                let before = store.get(&row_key(time, &key))?.unwrap_or_default();
                known.bytes = known.bytes.saturating_sub(size(&key, &before));
                known.records = known.records.saturating_sub(1);
                (time, Buffered::from_bytes(&before)?.old)
            }
            None => (time, old),
        };
        let row = Buffered::new(record.timestamp, new, old, &record.headers).to_bytes()?;
        known.bytes = known.bytes.saturating_add(size(&key, &row));
        known.records += 1;
        store.put(index_key(&key), Bytes::copy_from_slice(&time))?;
        store.put(row_key(time, &key), row)?;
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
            store.delete(&at)?;
            store.delete(&index_key(&key))?;
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
        Ok(())
    }

    fn punctuate(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<V>>,
        _: Punctuation,
    ) -> Result<(), ProcessError> {
        let Some(now) = idle_time(cx, self.closes.idle) else { return Ok(()) };
        let mut known = self.known(cx)?;
        if known.records == 0 || known.stream_time >= now {
            return Ok(());
        }
        known.stream_time = now;
        self.release(cx, &mut known)?;
        self.keep(cx, known)
    }
}
