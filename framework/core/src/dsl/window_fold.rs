//! Aggregation within tumbling, hopping and unlimited windows, at work.

use std::sync::Arc;

use super::aggregate::change;
use super::change::{Change, OldValues};
use super::closing::Closing;
use super::codec::Codec;
use super::emit::Outlet;
use super::fold::Fold;
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::{Headers, Record};
use crate::state::unstamp;
use crate::task::{Cacher, Punctuation, Row};
use crate::time::Timestamp;
use crate::window::{Window, Windowed, Windows};
use bytes::Bytes;

/// What an aggregation within windows is made of.
pub(super) struct WindowFold<K, V, A> {
    pub(super) inputs: Codec<K, V>,
    pub(super) results: Codec<K, A>,
    pub(super) fold: Fold<K, V, A>,
    pub(super) store: StoreName,
    pub(super) old: OldValues,
    pub(super) windows: Windows,
    pub(super) outlet: Outlet,
    pub(super) cache: Option<Arc<Cacher>>,
}

impl<K, V, A> Clone for WindowFold<K, V, A> {
    fn clone(&self) -> Self {
        Self {
            inputs: self.inputs.clone(),
            results: self.results.clone(),
            fold: self.fold.clone(),
            store: self.store.clone(),
            old: self.old.clone(),
            windows: self.windows,
            outlet: self.outlet,
            cache: self.cache.clone(),
        }
    }
}

pub(super) type Results<'c, 'n, 't, K, A> = &'c mut ProcessorContext<'n, 't, Windowed<K>, Change<A>>;

impl<K: Clone + 'static, V: 'static, A: 'static> WindowFold<K, V, A> {
    /// Adds the record to one window whose stored row is `row`, and sends the change on if `emits`.
    pub(super) fn update(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        (key, record): (&Bytes, &Record<K, V>),
        (window, row): (Window, Option<(Timestamp, Bytes)>),
        emits: bool,
    ) -> Result<(), ProcessError> {
        let timestamp = row.as_ref().map_or(record.timestamp, |(time, _)| record.timestamp.max(*time));
        let row = row.map(|(_, bytes)| bytes);
        let mut written = None;
        let value = change(&self.results, &self.fold, &self.old, record, row.as_ref(), |bytes| {
            written.clone_from(&bytes);
            cx.window(self.store.as_str())?.put_stamped(key.clone(), window.start, bytes, timestamp)
        })?;
        if !emits {
            return Ok(());
        }
        if let Some(cache) = &self.cache {
            let key = [key, &window.start.as_millis().to_be_bytes()[..]].concat().into();
            cx.raw().cache(cache, Row { key, new: written, old: row, timestamp, headers: record.headers.clone() });
            return Ok(());
        }
        let (key, headers) = (Windowed { key: record.key.clone(), window }, record.headers.clone());
        self.outlet.result(cx, Record { key, value, timestamp, headers })
    }

    pub(super) fn row(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        key: &Bytes,
        start: Timestamp,
    ) -> Result<Option<(Timestamp, Bytes)>, ProcessError> {
        Ok(cx.window(self.store.as_str())?.get(key, start)?.as_ref().and_then(unstamp))
    }

    /// Sends every window that begins within `from..=to` downstream.
    pub(super) fn emit_closed(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        (from, to): (i64, i64),
        headers: &Headers,
    ) -> Result<(), ProcessError> {
        if to < 0 {
            return Ok(());
        }
        let (from, to) = (Timestamp::from_millis(from.max(0)), Timestamp::from_millis(to));
        for entry in cx.window(self.store.as_str())?.fetch_all(from, to)? {
            let Some((timestamp, bytes)) = unstamp(&entry.value) else { continue };
            let key = Windowed { key: self.results.read_key(&entry.key)?, window: self.windows.at(entry.start) };
            let value = Change::new(Some(self.results.read_value(&bytes)?), None);
            self.outlet.result(cx, Record { key, value, timestamp, headers: headers.clone() })?;
        }
        Ok(())
    }
}

/// Folds records into windows that follow from their timestamps.
pub(super) struct WindowNode<K, V, A> {
    parts: WindowFold<K, V, A>,
    closing: Closing,
    stream_time: i64,
}

impl<K: Clone + 'static, V: 'static, A: 'static> WindowNode<K, V, A> {
    pub(super) fn new(parts: WindowFold<K, V, A>, closing: Closing) -> Self {
        Self { parts, closing, stream_time: i64::MIN }
    }

    fn close(&self, cx: Results<'_, '_, '_, K, A>, headers: &Headers, at_once: bool) -> Result<(), ProcessError> {
        let Windows::Time(windows) = self.parts.windows else { return Ok(()) };
        let close = self.stream_time.saturating_sub(windows.grace);
        let Some(last) = self.closing.looks(cx, close, at_once)? else { return Ok(()) };
        let from = last.map_or(0, |last| last.saturating_sub(windows.size).saturating_add(1));
        self.parts.emit_closed(cx, (from, close.saturating_sub(windows.size)), headers)
    }
}

impl<K: Clone + 'static, V: 'static, A: 'static> Processor<K, V, Windowed<K>, Change<A>> for WindowNode<K, V, A> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Windowed<K>, Change<A>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessError> {
        let Some(key) = self.parts.inputs.key(&record.key)? else {
            cx.count("null_key");
            return Ok(());
        };
        let time = record.timestamp.as_millis();
        self.stream_time = self.stream_time.max(time);
        cx.raw().remember_time(self.stream_time);
        // Before the record is written, which may push what closes now out of the store.
        self.close(cx, &record.headers, false)?;
        let mut late = Vec::new();
        for window in self.parts.windows.around(time) {
            if self.parts.windows.is_closed(window, self.stream_time) {
                late.push(window);
                continue;
            }
            let row = self.parts.row(cx, &key, window.start)?;
            self.parts.update(cx, (&key, &record), (window, row), self.closing.emits_updates())?;
        }
        self.parts.outlet.late(cx, record, late, (self.stream_time, self.parts.windows.grace()))
    }

    fn init(&mut self, cx: Results<'_, '_, '_, K, A>) -> Result<(), ProcessError> {
        self.stream_time = self.closing.begin(cx, self.parts.windows.grace())?;
        Ok(())
    }

    fn punctuate(&mut self, cx: Results<'_, '_, '_, K, A>, _: Punctuation) -> Result<(), ProcessError> {
        let Some(now) = self.closing.idle_time(cx, self.stream_time) else { return Ok(()) };
        self.stream_time = now;
        self.close(cx, &Headers::new(), true)
    }
}
