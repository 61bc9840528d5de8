//! `sessions`: aggregation within windows of activity.

use std::sync::Arc;

use bytes::Bytes;

use super::aggregate::{integers, stored};
use super::change::{Change, OldValues};
use super::codec::Codec;
use super::emit::{Closing, Emit, Late, Outlet};
use super::fold::{self, Fold, Merge};
use super::lookup::SessionRows;
use super::windowed::{late_output, retention, slack, split_late};
use super::{KGroupedStream, KStream, KTable, Materialized, StreamsBuilder};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::serde::Serdes;
use crate::state::{SessionEntry, StoreSpec};
use crate::task::node::TypedNode;
use crate::time::Timestamp;
use crate::topology::graph::NodeKind;
use crate::window::{SessionWindows, Window, Windowed};

/// A grouped stream within sessions, ready to be aggregated. Two sessions that a record brings together become one: each
/// old one gets a tombstone, oldest first, then the new one follows.
#[must_use = "a windowed stream does nothing until it is aggregated"]
#[derive(Debug)]
pub struct SessionWindowedKStream<K, V> {
    grouped: KGroupedStream<K, V>,
    windows: SessionWindows,
    emit: Emit,
    late: Option<usize>,
}

impl<K: 'static, V: 'static> SessionWindowedKStream<K, V> {
    pub(super) fn new(grouped: KGroupedStream<K, V>, windows: SessionWindows) -> Self {
        Self { grouped, windows, emit: Emit::OnUpdate, late: None }
    }

    /// Gives late records as a stream of their own, each with the session that it missed.
    pub fn late(self, name: &str) -> (Self, KStream<K, Late<V>>) {
        let (node, stream) = late_output(&self.grouped.stream, name);
        (Self { late: Some(node), ..self }, stream)
    }

    /// When results go downstream (default: at every change).
    pub fn emit(self, emit: Emit) -> Self {
        Self { emit, ..self }
    }
}

impl<K: Clone + 'static, V: 'static> SessionWindowedKStream<K, V> {
    /// Counts the records of each session, those with null values too.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::{Plain, SessionWindowed}, time::minutes, window::SessionWindows};
    /// let app = StreamsBuilder::new("visits");
    /// app.stream("clicks", Plain::<String, String>::new())
    ///     .group_by_key("by-user", Plain::new())
    ///     .sessions(SessionWindows::gap(minutes(30)))
    ///     .count("clicks-per-visit")
    ///     .to_stream("changes")
    ///     .to("out", SessionWindowed::new(Plain::<String, Option<i64>>::new()));
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn count(self, store: impl Into<Materialized>) -> KTable<Windowed<K>, i64> {
        let values = integers(&self.grouped.codec);
        let merge: Merge<K, i64> = Arc::new(|_, a, b| Some(a.unwrap_or(0).wrapping_add(b)));
        self.fold("count", &store.into(), fold::count(), merge, &values)
    }

    /// Combines the values of each session, and the results of sessions that become one.
    pub fn reduce<R: Into<Option<V>> + 'static>(
        self,
        store: impl Into<Materialized>,
        reduce: impl Fn(V, &V) -> R + Send + Sync + 'static,
    ) -> KTable<Windowed<K>, V>
    where
        V: Clone,
    {
        let values = self.grouped.codec.clone();
        let reduce = Arc::new(reduce);
        let merging = reduce.clone();
        let merge: Merge<K, V> = Arc::new(move |_, a, b| match a {
            Some(a) => merging(a, &b).into(),
            None => Some(b),
        });
        self.fold("reduce", &store.into(), fold::reduce(reduce), merge, &values)
    }

    /// Begins each session with `init`, adds each value, and merges the results of sessions that become one, oldest
    /// first; the merge begins with `init` too.
    pub fn aggregate<A: 'static, R: Into<Option<A>> + 'static>(
        self,
        store: impl Into<Materialized>,
        init: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        serdes: impl Serdes<K, A> + 'static,
    ) -> KTable<Windowed<K>, A> {
        let init: Arc<dyn Fn() -> A + Send + Sync> = Arc::new(init);
        let first = init.clone();
        let merge: Merge<K, A> = Arc::new(move |key, a, b| Some(merge(key, a.unwrap_or_else(|| first()), b)));
        self.fold("aggregate", &store.into(), fold::aggregate(init, add), merge, &Codec::new("", serdes))
    }

    fn fold<A: 'static>(
        self,
        what: &str,
        store: &Materialized,
        fold: Fold<K, V, A>,
        merge: Merge<K, A>,
        results: &Codec<K, A>,
    ) -> KTable<Windowed<K>, A> {
        let builder = self.grouped.stream.builder.clone();
        let results = stored(&builder, store, session_spec(&builder, store, self.windows), results);
        let (name, old) = (format!("{what}-{}", store.name), OldValues::default());
        let parts = SessionFold {
            inputs: self.grouped.codec.clone(),
            results: results.clone(),
            fold,
            merge,
            store: store.name.clone(),
            old: old.clone(),
            windows: self.windows,
            outlet: Outlet { splits: self.late.is_some() },
        };
        let slack = slack(store, self.windows.gap.saturating_add(self.windows.grace));
        let node = add_sessions(&builder, &name, self.grouped.stream.node, parts, (self.emit, slack));
        let node = split_late::<Windowed<K>, A>(&builder, node, &name, self.late);
        KTable {
            builder,
            node,
            rows: Arc::new(SessionRows { codec: results, store: store.name.clone() }),
            old,
            closes_after: Some(self.windows.gap.saturating_add(self.windows.grace)),
        }
    }
}

pub(super) fn session_spec(builder: &StreamsBuilder, store: &Materialized, windows: SessionWindows) -> StoreSpec {
    let least = windows.gap.saturating_add(windows.grace);
    let retention = retention(builder, store, least, least);
    StoreSpec::session(store.name.clone(), std::time::Duration::from_millis(retention.unsigned_abs()))
}

pub(super) fn add_sessions<K: Clone + 'static, V: 'static, A: 'static>(
    builder: &StreamsBuilder,
    name: &str,
    input: usize,
    parts: SessionFold<K, V, A>,
    (emit, slack): (Emit, i64),
) -> usize {
    let closing = Closing::new(builder, emit, &parts.store, slack);
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

    /// Removes the sessions that the record brought together.
    fn retract(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        (key, record): (&Bytes, &Record<K, V>),
        merged: &[SessionEntry],
    ) -> Result<(), ProcessError> {
        for session in merged {
            cx.session(self.parts.store.as_str())?.put(key.clone(), session.start, session.end, None)?;
            let old = self.parts.old.are_wanted().then(|| self.parts.results.read_value(&session.value)).transpose()?;
            let window = Window { start: session.start, end: session.end };
            self.send(cx, record, window, Change::new(None, old))?;
        }
        Ok(())
    }

    fn close(&self, cx: Results<'_, '_, '_, K, A>, record: &Record<K, V>) -> Result<(), ProcessError> {
        let SessionWindows { gap, grace } = self.parts.windows;
        let close = self.stream_time.saturating_sub(grace).saturating_sub(gap);
        let Some(last) = self.closing.looks(cx, close)? else { return Ok(()) };
        let from = last.unwrap_or(i64::MIN);
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(close.saturating_sub(1)));
        for SessionEntry { key, start, end, value } in cx.session(self.parts.store.as_str())?.ended(from, to)? {
            let key = Windowed { key: self.parts.results.read_key(&key)?, window: Window { start, end } };
            let value = Change::new(Some(self.parts.results.read_value(&value)?), None);
            let headers = record.headers.clone();
            self.parts.outlet.result(cx, Record { key, value, timestamp: end, headers })?;
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
        // Before the record is written, which may push what closes now out of the store.
        self.close(cx, &record)?;
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
        if window != own {
            self.retract(cx, (&key, &record), &merged)?;
        }
        let new = (self.parts.fold.add)(&record.key, &record.value, result);
        let bytes = new.as_ref().map(|new| self.parts.results.value(new)).transpose()?.flatten();
        let new = new.filter(|_| bytes.is_some());
        cx.session(self.parts.store.as_str())?.put(key, window.start, window.end, bytes)?;
        self.send(cx, &record, window, Change::new(new, None))
    }
}
