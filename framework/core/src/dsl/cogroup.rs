//! `cogroup`: several grouped streams into one aggregate.

use std::sync::Arc;

use super::aggregate::{add_fold, stored};
use super::change::{Change, OldValues};
use super::closing::{Closes, Closure};
use super::codec::Codec;
use super::emit::{Emit, Outlet};
use super::fold::Fold;
use super::lookup::{KeyValueRows, SessionRows, WindowRows};
use super::process::each;
use super::session_fold::{SessionFold, add_sessions};
use super::sessions::session_spec;
use super::window_fold::WindowFold;
use super::windowed::{add_windowed, check, window_spec};
use super::{KGroupedStream, KTable, Materialized, StreamsBuilder};
use crate::record::Record;
use crate::serde::Serdes;
use crate::state::StoreSpec;
use crate::task::node::TypedNode;
use crate::topology::graph::NodeKind;
use crate::window::{SessionWindows, Windowed, Windows};

/// Results go downstream at every change.
const AS_UPDATED: Closure = Closure { emit: Emit::OnUpdate, idle: None, slack: 0 };

/// How one of the streams is added, once store and windows are known.
type Attach<K, A> = Box<dyn Fn(&Target<K, A>, usize) -> usize>;

/// Several grouped streams on their way into one aggregate: equal keys of all of them meet in one row.
#[must_use = "cogrouped streams do nothing until they are aggregated"]
pub struct CogroupedKStream<K, A> {
    builder: StreamsBuilder,
    init: Arc<dyn Fn() -> A + Send + Sync>,
    inputs: Vec<usize>,
    attach: Vec<Attach<K, A>>,
}

impl<K, A> std::fmt::Debug for CogroupedKStream<K, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CogroupedKStream").field("inputs", &self.inputs.len()).finish_non_exhaustive()
    }
}

/// Where the streams meet.
struct Target<K, A> {
    store: Materialized,
    results: Codec<K, A>,
    old: OldValues,
    shape: Shape<K, A>,
}

enum Shape<K, A> {
    Keys,
    Windows(Windows),
    Sessions(SessionWindows, super::fold::Merge<K, A>),
}

impl<K: Clone + 'static, V: 'static> KGroupedStream<K, V> {
    /// Begins an aggregate of several streams, with this one's values added by `add`. `init` begins each key.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("balance");
    /// let read = |topic: &str| app.stream(topic, Plain::<String, i64>::new()).group_by_key(topic, Plain::new());
    /// read("paid-in")
    ///     .cogroup(|| 0_i64, |_, cents, sum| sum + cents)
    ///     .and(read("paid-out"), |_, cents, sum| sum - cents)
    ///     .aggregate("balances", Plain::<String, i64>::new())
    ///     .to_stream("changes")
    ///     .to("out", Plain::<String, Option<i64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn cogroup<A: 'static, R: Into<Option<A>> + 'static>(
        self,
        init: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
    ) -> CogroupedKStream<K, A> {
        let builder = self.stream.builder.clone();
        let empty = CogroupedKStream { builder, init: Arc::new(init), inputs: Vec::new(), attach: Vec::new() };
        empty.and(self, add)
    }
}

impl<K: Clone + 'static, A: 'static> CogroupedKStream<K, A> {
    /// Adds another stream. Its topics need as many partitions as those of the others.
    pub fn and<V: 'static, R: Into<Option<A>> + 'static>(
        mut self,
        grouped: KGroupedStream<K, V>,
        add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
    ) -> Self {
        let init = self.init.clone();
        let add = move |key: &K, value: &V, result: Option<A>| -> Option<A> {
            add(key, value, result.unwrap_or_else(|| init())).into()
        };
        let fold = Fold { add: Arc::new(add), init: Some(self.init.clone()) };
        self.inputs.push(grouped.stream.node);
        self.attach.push(Box::new(move |target, i| target.attach(&grouped, fold.clone(), i)));
        self
    }

    /// The aggregate of each key.
    pub fn aggregate(self, store: impl Into<Materialized>, serdes: impl Serdes<K, A> + 'static) -> KTable<K, A> {
        let store = store.into();
        let spec = store.key_value();
        let target = self.target(store, spec, serdes, Shape::Keys);
        let (node, codec) = (self.meet::<K>(&target), target.results);
        let rows = Arc::new(KeyValueRows { codec, store: target.store.name });
        KTable { builder: self.builder, node, rows, old: target.old, closes_after: None }
    }

    /// The aggregate of each key and window.
    pub fn aggregate_windows(
        self,
        windows: impl Into<Windows>,
        store: impl Into<Materialized>,
        serdes: impl Serdes<K, A> + 'static,
    ) -> KTable<Windowed<K>, A> {
        let (windows, store) = (windows.into(), store.into());
        check(&self.builder, windows);
        let spec = window_spec(&self.builder, &store, windows);
        let target = self.target(store, spec, serdes, Shape::Windows(windows));
        let closes = Closes { after: windows.grace(), idle: None };
        let (node, codec) = (self.meet::<Windowed<K>>(&target), target.results);
        let rows = Arc::new(WindowRows { codec, store: target.store.name });
        KTable { builder: self.builder, node, rows, old: target.old, closes_after: Some(closes) }
    }

    /// The aggregate of each session; `merge` combines those of sessions that become one.
    pub fn aggregate_sessions(
        self,
        windows: SessionWindows,
        store: impl Into<Materialized>,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        serdes: impl Serdes<K, A> + 'static,
    ) -> KTable<Windowed<K>, A> {
        let store = store.into();
        let spec = session_spec(&self.builder, &store, windows);
        let init = self.init.clone();
        let merge: super::fold::Merge<K, A> =
            Arc::new(move |key, a, b| Some(merge(key, a.unwrap_or_else(|| init()), b)));
        let target = self.target(store, spec, serdes, Shape::Sessions(windows, merge));
        let (node, codec) = (self.meet::<Windowed<K>>(&target), target.results);
        let rows = Arc::new(SessionRows { codec, store: target.store.name });
        KTable {
            builder: self.builder,
            node,
            rows,
            old: target.old,
            closes_after: Some(Closes { after: windows.gap.saturating_add(windows.grace), idle: None }),
        }
    }

    fn target(
        &self,
        store: Materialized,
        spec: StoreSpec,
        serdes: impl Serdes<K, A> + 'static,
        shape: Shape<K, A>,
    ) -> Target<K, A> {
        let results = stored(&self.builder, &store, spec, &Codec::new("", serdes));
        self.builder.0.borrow_mut().co_partition(store.name.as_str(), &self.inputs);
        Target { store, results, old: OldValues::default(), shape }
    }

    /// Adds a node for each stream, and one in which their results meet.
    fn meet<K2: 'static>(&self, target: &Target<K, A>) -> usize {
        let parents: Vec<_> = self.attach.iter().enumerate().map(|(i, attach)| attach(target, i)).collect();
        let pass = || TypedNode::boxed(each(|cx, record: Record<K2, Change<A>>| cx.forward(record)));
        let name = format!("cogroup-{}", target.store.name);
        self.builder.0.borrow_mut().add(&name, NodeKind::Processor, &parents, Arc::new(pass))
    }
}

impl<K: Clone + 'static, A: 'static> Target<K, A> {
    fn attach<V: 'static>(&self, grouped: &KGroupedStream<K, V>, fold: Fold<K, V, A>, i: usize) -> usize {
        let name = format!("cogroup-{}-{}", self.store.name, i + 1);
        let builder = &grouped.stream.builder;
        let (inputs, results) = (grouped.codec.clone(), self.results.clone());
        let (store, old, outlet) = (self.store.name.clone(), self.old.clone(), Outlet { splits: false });
        match &self.shape {
            Shape::Keys => add_fold(grouped, &name, &self.store, fold, &self.results, &self.old, None),
            Shape::Windows(windows) => {
                let parts = WindowFold { inputs, results, fold, store, old, windows: *windows, outlet, cache: None };
                add_windowed(builder, &name, grouped.stream.node, parts, AS_UPDATED)
            }
            Shape::Sessions(windows, merge) => {
                let (windows, merge) = (*windows, merge.clone());
                let parts = SessionFold { inputs, results, fold, merge, store, old, windows, outlet };
                add_sessions(builder, &name, grouped.stream.node, parts, AS_UPDATED)
            }
        }
    }
}
