//! `windowed`: aggregation within tumbling, hopping, sliding or unlimited windows.

use std::sync::Arc;
use std::time::Duration;

use super::aggregate::{integers, stored};
use super::cached;
use super::change::{Change, OldValues};
use super::closing::{Closes, Closing, Closure};
use super::codec::Codec;
use super::emit::{Emit, Late, Outlet};
use super::fold::{self, Fold};
use super::lookup::WindowRows;
use super::process::each;
use super::sliding::SlidingNode;
use super::window_fold::{WindowFold, WindowNode};
use super::{KGroupedStream, KStream, KTable, Materialized, StreamsBuilder};
use crate::record::Record;
use crate::serde::Serdes;
use crate::state::{StoreSpec, WindowOptions};
use crate::task::node::TypedNode;
use crate::time::millis;
use crate::topology::TopologyFault;
use crate::topology::graph::{MakeNode, NodeKind};
use crate::window::{Windowed, Windows};

/// A grouped stream within windows of time, ready to be aggregated.
///
/// Stream time is that of the operator: the largest timestamp that reached it, before a restart too: it is kept beside the
/// committed offsets. A record that comes after its window has
/// closed is dropped and counted as `late_record`, or goes to the side output that [`late`](Self::late) gives.
#[must_use = "a windowed stream does nothing until it is aggregated"]
#[derive(Debug)]
pub struct TimeWindowedKStream<K, V> {
    grouped: KGroupedStream<K, V>,
    windows: Windows,
    emit: Emit,
    idle: Option<i64>,
    late: Option<usize>,
}

impl<K: Clone + 'static, V: 'static> TimeWindowedKStream<K, V> {
    /// When results go downstream (default: at every change).
    pub fn emit(self, emit: Emit) -> Self {
        Self { emit, ..self }
    }

    /// Closes windows on idle input too: after `after` of wall-clock time without a record on the topics above, stream time
    /// follows the wall clock until there is one again. Windows that so come to an end are sent when they close
    /// ([`Emit::OnClose`], or [`suppress_until_closed`](KTable::suppress_until_closed) below), and what comes for them
    /// later is late. Kafka Streams has no such option.
    ///
    /// Grace is what covers the delay between event time and wall clock. A backlog, a broker out of reach and a record
    /// that waits are not idle; what still lies on the way in an earlier sub-topology is not seen. An operator that has
    /// never had a record stays where it is. The clock is looked at every second, or every `after` where that is shorter.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{Emit, StreamsBuilder}, serde::{Plain, TimeWindowed}, time::{minutes, seconds}, window::TimeWindows};
    /// let app = StreamsBuilder::new("per-minute");
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .group_by_key("by-page", Plain::new())
    ///     .windowed(TimeWindows::tumbling(minutes(1)).grace(seconds(5)))
    ///     .emit(Emit::on_close())
    ///     .close_when_idle(seconds(10))
    ///     .count("counts")
    ///     .to_stream("final")
    ///     .to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), TimeWindows::tumbling(minutes(1))));
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn close_when_idle(self, after: Duration) -> Self {
        Self { idle: Some(millis(after)), ..self }
    }

    /// Counts the records of each key and window, those with null values too (but not in sliding windows).
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::{Plain, TimeWindowed}, time::minutes, window::TimeWindows};
    /// let (app, windows) = (StreamsBuilder::new("per-minute"), TimeWindows::tumbling(minutes(1)));
    /// let (visits, late) = app
    ///     .stream("visits", Plain::<String, String>::new())
    ///     .group_by_key("by-page", Plain::new())
    ///     .windowed(windows)
    ///     .late("late-visits");
    /// let counts = visits.count("counts").to_stream("changes");
    /// counts.to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
    /// late.map_values("why", |_, late| late.reason()).to("late", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn count(self, store: impl Into<Materialized>) -> KTable<Windowed<K>, i64> {
        let values = integers(&self.grouped.codec);
        self.fold("count", &store.into(), fold::count(), &values)
    }

    /// Combines the values of each key and window; a function that gives `None` deletes the window's row.
    pub fn reduce<R: Into<Option<V>> + 'static>(
        self,
        store: impl Into<Materialized>,
        reduce: impl Fn(V, &V) -> R + Send + Sync + 'static,
    ) -> KTable<Windowed<K>, V>
    where
        V: Clone,
    {
        let values = self.grouped.codec.clone();
        self.fold("reduce", &store.into(), fold::reduce(Arc::new(reduce)), &values)
    }

    /// Begins with `init` for each key and window and adds each value; `None` deletes the window's row.
    pub fn aggregate<A: 'static, R: Into<Option<A>> + 'static>(
        self,
        store: impl Into<Materialized>,
        init: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
        serdes: impl Serdes<K, A> + 'static,
    ) -> KTable<Windowed<K>, A> {
        let fold = fold::aggregate(Arc::new(init), add);
        self.fold("aggregate", &store.into(), fold, &Codec::new("", serdes))
    }

    fn fold<A: 'static>(
        self,
        what: &str,
        store: &Materialized,
        fold: Fold<K, V, A>,
        results: &Codec<K, A>,
    ) -> KTable<Windowed<K>, A> {
        let builder = self.grouped.stream.builder.clone();
        let results = stored(&builder, store, window_spec(&builder, store, self.windows), results);
        let old = OldValues::default();
        let name = format!("{what}-{}", store.name);
        let outlet = Outlet { splits: self.late.is_some() };
        let cache = match self.emit {
            Emit::OnUpdate => cached::of_windows(&builder, store, (&results, &old), self.windows, outlet),
            Emit::OnClose { .. } => None,
        };
        let parts = WindowFold {
            inputs: self.grouped.codec.clone(),
            results: results.clone(),
            fold,
            store: store.name.clone(),
            old: old.clone(),
            windows: self.windows,
            outlet,
            cache,
        };
        let input = self.grouped.stream.node;
        let node = add_windowed(&builder, &name, input, parts, self.closure(store));
        let node = split_late::<Windowed<K>, A>(&builder, node, &name, self.late);
        KTable {
            builder,
            node,
            rows: Arc::new(WindowRows { codec: results, store: store.name.clone() }),
            old,
            closes_after: Some(Closes { after: self.windows.grace(), idle: self.idle }),
        }
    }
}

impl<K: 'static, V: 'static> TimeWindowedKStream<K, V> {
    pub(super) fn new(grouped: KGroupedStream<K, V>, windows: Windows) -> Self {
        check(&grouped.stream.builder, windows);
        Self { grouped, windows, emit: Emit::OnUpdate, idle: None, late: None }
    }

    fn closure(&self, store: &Materialized) -> Closure {
        Closure { emit: self.emit, idle: self.idle, slack: slack(store, self.windows.retention().0) }
    }

    /// Gives late records as a stream of their own, each with the windows that it missed.
    pub fn late(self, name: &str) -> (Self, KStream<K, Late<V>>) {
        let (node, stream) = late_output(&self.grouped.stream, name);
        (Self { late: Some(node), ..self }, stream)
    }
}

/// Reports windows that cannot be.
pub(super) fn check(builder: &StreamsBuilder, windows: Windows) {
    if let Some(cause) = windows.fault() {
        builder.fault(TopologyFault::InvalidWindow { cause });
    }
}

/// The spec of a window store that keeps windows long enough.
pub(super) fn window_spec(builder: &StreamsBuilder, store: &Materialized, windows: Windows) -> StoreSpec {
    let (least, default) = windows.retention();
    let retention_ms = retention(builder, store, least, default);
    StoreSpec::window(store.name.clone(), WindowOptions { retention_ms, duplicates: false, timestamped: true })
}

/// The store's retention; less than the windows need is a fault.
pub(super) fn retention(builder: &StreamsBuilder, store: &Materialized, least: i64, default: i64) -> i64 {
    let retention = store.retention.unwrap_or(default);
    if retention < least {
        let store = store.name.to_string();
        builder.fault(TopologyFault::InvalidRetention { store, retention_ms: retention, least_ms: least });
    }
    retention
}

/// How much longer a store keeps windows than they change.
pub(super) fn slack(store: &Materialized, least: i64) -> i64 {
    store.retention.unwrap_or(least).saturating_sub(least)
}

/// Adds the node that folds windows.
pub(super) fn add_windowed<K: Clone + 'static, V: 'static, A: 'static>(
    builder: &StreamsBuilder,
    name: &str,
    input: usize,
    parts: WindowFold<K, V, A>,
    closure: Closure,
) -> usize {
    let closing = Closing::new(builder, closure, &parts.store);
    let stores: Vec<_> = [parts.store.clone()].into_iter().chain(closing.store()).collect();
    let make: MakeNode = match parts.windows {
        Windows::Sliding(_) => Arc::new(move || TypedNode::boxed(SlidingNode::new(parts.clone(), closing.clone()))),
        _ => Arc::new(move || TypedNode::boxed(WindowNode::new(parts.clone(), closing.clone()))),
    };
    let mut graph = builder.0.borrow_mut();
    let node = graph.add(name, NodeKind::Processor, &[input], make);
    graph.connect(node, &stores);
    node
}

/// The node of late records, still without a parent, and the stream below it.
pub(super) fn late_output<K: 'static, V: 'static>(input: &KStream<K, V>, name: &str) -> (usize, KStream<K, Late<V>>) {
    let pass = || TypedNode::boxed(each(|cx, record: Record<K, Late<V>>| cx.forward(record)));
    let builder = input.builder.clone();
    let node = builder.0.borrow_mut().add(name, NodeKind::Processor, &[], Arc::new(pass));
    let key_changed_by = input.key_changed_by.clone();
    (node, KStream { key_changed_by, ..KStream::new(builder, node) })
}

/// With a side output: a node for the results beside it, to which the table then belongs.
pub(super) fn split_late<K: 'static, A: 'static>(
    builder: &StreamsBuilder,
    node: usize,
    name: &str,
    late: Option<usize>,
) -> usize {
    let Some(late) = late else { return node };
    let pass = || TypedNode::boxed(each(|cx, record: Record<K, Change<A>>| cx.forward(record)));
    let mut graph = builder.0.borrow_mut();
    let results = graph.add(&format!("{name}-results"), NodeKind::Processor, &[node], Arc::new(pass));
    graph.edge(node, late);
    results
}
