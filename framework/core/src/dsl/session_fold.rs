//! Aggregation within sessions, at work.

use std::sync::Arc;

use bytes::Bytes;

use super::StreamsBuilder;
use super::change::{Change, OldValues};
use super::closing::{Closing, Closure};
use super::codec::Codec;
use super::emit::Outlet;
use super::fold::{Fold, Merge};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::{Headers, Record};
use crate::state::SessionEntry;
use crate::task::Punctuation;
use crate::task::node::TypedNode;
use crate::time::Timestamp;
use crate::topology::graph::NodeKind;
use crate::window::{SessionWindows, Window, Windowed};

pub(super) fn add_sessions<K: Clone + 'static, V: 'static, A: 'static>(
    builder: &StreamsBuilder,
    name: &str,
    input: usize,
    parts: SessionFold<K, V, A>,
    closure: Closure,
) -> usize {
    let closing = Closing::new(builder, closure, &parts.store);
    let stores: Vec<_> = [parts.store.clone()].into_iter().chain(closing.store()).collect();
    let make = Arc::new(move || {
        TypedNode::boxed(SessionNode { parts: parts.clone(), closing: closing.clone(), stream_time: i64::MIN })
    });
    let mut graph = builder.0.borrow_mut();
    let node = graph.add(name, NodeKind::Processor, &[input], make);
    graph.connect(node, &stores);
    node
}

/// What an aggregation within sessions is made of.
pub(super) struct SessionFold<K, V, A> {
    pub(super) inputs: Codec<K, V>,
    pub(super) results: Codec<K, A>,
    pub(super) fold: Fold<K, V, A>,
    pub(super) merge: Merge<K, A>,
    pub(super) store: StoreName,
    pub(super) old: OldValues,
    pub(super) windows: SessionWindows,
    pub(super) outlet: Outlet,
}

impl<K, V, A> Clone for SessionFold<K, V, A> {
    fn clone(&self) -> Self {
        Self {
            inputs: self.inputs.clone(),
            results: self.results.clone(),
            fold: self.fold.clone(),
            merge: self.merge.clone(),
            store: self.store.clone(),
            old: self.old.clone(),
            windows: self.windows,
            outlet: self.outlet,
        }
    }
}

struct SessionNode<K, V, A> {
    parts: SessionFold<K, V, A>,
    closing: Closing,
    stream_time: i64,
}

type Results<'c, 'n, 't, K, A> = &'c mut ProcessorContext<'n, 't, Windowed<K>, Change<A>>;

impl<K: Clone + 'static, V: 'static, A: 'static> SessionNode<K, V, A> {
    /// The stored sessions that the record belongs to, by end.
    fn near(&self, cx: Results<'_, '_, '_, K, A>, key: &Bytes, time: i64) -> Result<Vec<SessionEntry>, ProcessError> {
        let gap = self.parts.windows.gap;
        let from = Timestamp::from_millis(time.saturating_sub(gap));
        let to = Timestamp::from_millis(time.saturating_add(gap));
        Ok(cx.session(self.parts.store.as_str())?.find(key, from, to)?)
    }

    fn send(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        record: &Record<K, V>,
        window: Window,
        value: Change<A>,
    ) -> Result<(), ProcessError> {
        if !self.closing.emits_updates() {
            return Ok(());
        }
        let (key, headers) = (Windowed { key: record.key.clone(), window }, record.headers.clone());
        self.parts.outlet.result(cx, Record { key, value, timestamp: window.end, headers })
    }

    /// Removes the sessions that the record brought together in `whole`, which is stored by now: at-least-once, a changelog
    /// that ends between these writes after a crash has too much rather than too little.
    fn retract(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        (key, record): (&Bytes, &Record<K, V>),
        (merged, whole): (&[SessionEntry], Window),
    ) -> Result<(), ProcessError> {
        for session in merged {
            let window = Window { start: session.start, end: session.end };
            if window != whole {
                cx.session(self.parts.store.as_str())?.put(key.clone(), session.start, session.end, None)?;
            }
            let old = self.parts.old.are_wanted().then(|| self.parts.results.read_value(&session.value)).transpose()?;
            self.send(cx, record, window, Change::new(None, old))?;
        }
        Ok(())
    }

    fn close(&self, cx: Results<'_, '_, '_, K, A>, headers: &Headers, at_once: bool) -> Result<(), ProcessError> {
        let SessionWindows { gap, grace } = self.parts.windows;
        let close = self.stream_time.saturating_sub(grace).saturating_sub(gap);
        let Some(last) = self.closing.looks(cx, close, at_once)? else { return Ok(()) };
        let from = last.unwrap_or(i64::MIN);
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(close.saturating_sub(1)));
        for SessionEntry { key, start, end, value } in cx.session(self.parts.store.as_str())?.ended(from, to)? {
            let key = Windowed { key: self.parts.results.read_key(&key)?, window: Window { start, end } };
            let value = Change::new(Some(self.parts.results.read_value(&value)?), None);
            self.parts.outlet.result(cx, Record { key, value, timestamp: end, headers: headers.clone() })?;
        }
        Ok(())
    }
}

impl<K: Clone + 'static, V: 'static, A: 'static> Processor<K, V, Windowed<K>, Change<A>> for SessionNode<K, V, A> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Windowed<K>, Change<A>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessError> {
        let Some(key) = self.parts.inputs.key(&record.key)? else {
            cx.count("null_key");
            return Ok(());
        };
        let SessionWindows { gap, grace } = self.parts.windows;
        self.stream_time = self.stream_time.max(record.timestamp.as_millis());
        cx.raw().remember_time(self.stream_time);
        // Before the record is written, which may push what closes now out of the store.
        self.close(cx, &record.headers, false)?;
        let merged = self.near(cx, &key, record.timestamp.as_millis())?;
        let own = Window { start: record.timestamp, end: record.timestamp };
        let (mut window, mut result) = (own, None);
        for session in &merged {
            let value = self.parts.results.read_value(&session.value)?;
            result = (self.parts.merge)(&record.key, result, value);
            window = Window { start: window.start.min(session.start), end: window.end.max(session.end) };
        }
        if window.end.as_millis() < self.stream_time.saturating_sub(grace).saturating_sub(gap) {
            self.parts.outlet.late(cx, record, vec![window], (self.stream_time, grace.saturating_add(gap)))?;
            return Ok(());
        }
        let new = (self.parts.fold.add)(&record.key, &record.value, result);
        let bytes = new.as_ref().map(|new| self.parts.results.value(new)).transpose()?.flatten();
        let new = new.filter(|_| bytes.is_some());
        cx.session(self.parts.store.as_str())?.put(key.clone(), window.start, window.end, bytes)?;
        if window != own {
            self.retract(cx, (&key, &record), (&merged, window))?;
        }
        self.send(cx, &record, window, Change::new(new, None))
    }

    fn init(&mut self, cx: Results<'_, '_, '_, K, A>) -> Result<(), ProcessError> {
        let windows = &self.parts.windows;
        self.stream_time = self.closing.begin(cx, windows.grace.saturating_add(windows.gap))?;
        Ok(())
    }

    fn punctuate(&mut self, cx: Results<'_, '_, '_, K, A>, _: Punctuation) -> Result<(), ProcessError> {
        let Some(now) = self.closing.idle_time(cx, self.stream_time) else { return Ok(()) };
        self.stream_time = now;
        self.close(cx, &Headers::new(), true)
    }
}
