//! `count`, `reduce` and `aggregate` of a grouped stream.

use std::sync::Arc;

use bytes::Bytes;

use super::cached;
use super::change::{Change, OldValues};
use super::codec::Codec;
use super::fold::{self, Fold};
use super::lookup::KeyValueRows;
use super::{KGroupedStream, KTable, Materialized};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::serde::{KeyOf, Pair, Serdes};
use crate::state::StoreSpec;
use crate::task::node::TypedNode;
use crate::task::{Cacher, Row};
use crate::topology::changelog_topic;
use crate::topology::graph::NodeKind;

impl<K: 'static, V: 'static> KGroupedStream<K, V> {
    /// Counts the records of each key. Records with a null value are passed over and counted as `null_value`. The
    /// timestamp of a result is the larger of the record's and the row's.
    pub fn count(self, store: impl Into<Materialized>) -> KTable<K, i64> {
        let values = integers(&self.codec);
        self.fold("count", &store.into(), fold::count(), values)
    }

    /// Combines the values of each key: the first is taken as it is, each further one is combined with the result so far.
    /// A function that gives `None` deletes the row. Null values are passed over.
    pub fn reduce<R: Into<Option<V>> + 'static>(
        self,
        store: impl Into<Materialized>,
        reduce: impl Fn(V, &V) -> R + Send + Sync + 'static,
    ) -> KTable<K, V>
    where
        V: Clone,
    {
        let values = self.codec.clone();
        self.fold("reduce", &store.into(), fold::reduce(Arc::new(reduce)), values)
    }

    /// Begins with `init` for each key and adds each value. A function that gives `None` deletes the row, after which the
    /// next record begins anew. Null values are passed over.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("totals");
    /// app.stream("payments", Plain::<String, i64>::new())
    ///     .group_by_key("by-account", Plain::new())
    ///     .aggregate("totals", || 0.0, |_, cents, total: f64| total + *cents as f64 / 100.0, Plain::<String, f64>::new())
    ///     .to_stream("changes")
    ///     .to("totals-out", Plain::<String, Option<f64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn aggregate<A: 'static, R: Into<Option<A>> + 'static>(
        self,
        store: impl Into<Materialized>,
        init: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
        serdes: impl Serdes<K, A> + 'static,
    ) -> KTable<K, A> {
        self.fold("aggregate", &store.into(), fold::aggregate(Arc::new(init), add), Codec::new("", serdes))
    }

    fn fold<A: 'static>(
        self,
        what: &str,
        store: &Materialized,
        fold: Fold<K, V, A>,
        results: Codec<K, A>,
    ) -> KTable<K, A> {
        let builder = self.stream.builder.clone();
        let results = stored(&builder, store, store.key_value(), &results);
        let old = OldValues::default();
        let name = format!("{what}-{}", store.name);
        let cache = cached::of_rows(&builder, store, &results, &old);
        let node = add_fold(&self, &name, store, fold, &results, &old, cache);
        KTable {
            builder,
            node,
            rows: Arc::new(KeyValueRows { codec: results, store: store.name.clone() }),
            old,
            closes_after: None,
        }
    }
}

/// Adds the node that folds a grouped stream into a store.
pub(super) fn add_fold<K: 'static, V: 'static, A: 'static>(
    grouped: &KGroupedStream<K, V>,
    name: &str,
    store: &Materialized,
    fold: Fold<K, V, A>,
    results: &Codec<K, A>,
    old: &OldValues,
    cache: Option<Arc<Cacher>>,
) -> usize {
    let (inputs, results, old, store) = (grouped.codec.clone(), results.clone(), old.clone(), store.name.clone());
    let target = store.clone();
    let make = Arc::new(move || {
        TypedNode::boxed(FoldNode {
            inputs: inputs.clone(),
            results: results.clone(),
            fold: fold.clone(),
            store: target.clone(),
            old: old.clone(),
            cache: cache.clone(),
        })
    });
    let mut graph = grouped.stream.builder.0.borrow_mut();
    let node = graph.add(name, NodeKind::Processor, &[grouped.stream.node], make);
    graph.connect(node, std::slice::from_ref(&store));
    node
}

/// The codec of counts: the keys of `keys`, big-endian integers.
pub(super) fn integers<K: 'static, V: 'static>(keys: &Codec<K, V>) -> Codec<K, i64> {
    let any_keys = Codec::<(), i64>::new("", Pair::new(KeyOf::<()>::new(), KeyOf::<i64>::new()));
    keys.with_value_of(&any_keys)
}

/// Adds a store and its serdes; the codec is that of the store's changelog topic.
pub(super) fn stored<K: 'static, A: 'static>(
    builder: &super::StreamsBuilder,
    store: &Materialized,
    spec: StoreSpec,
    results: &Codec<K, A>,
) -> Codec<K, A> {
    let mut graph = builder.0.borrow_mut();
    let results = results.of_topic(changelog_topic(&graph.app, &store.name));
    graph.add_store(store.spec(spec));
    graph.formats.push(results.format());
    results
}

struct FoldNode<K, V, A> {
    inputs: Codec<K, V>,
    results: Codec<K, A>,
    fold: Fold<K, V, A>,
    store: StoreName,
    old: OldValues,
    cache: Option<Arc<Cacher>>,
}

impl<K: 'static, V: 'static, A: 'static> Processor<K, V, K, Change<A>> for FoldNode<K, V, A> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<A>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessError> {
        let Some(key) = self.inputs.key(&record.key)? else {
            cx.count("null_key");
            return Ok(());
        };
        if self.inputs.is_null(&record.value) {
            cx.count("null_value");
            return Ok(());
        }
        let row = cx.key_value(self.store.as_str())?.get_stamped(&key)?;
        let timestamp = row.as_ref().map_or(record.timestamp, |(time, _)| record.timestamp.max(*time));
        let row = row.map(|(_, bytes)| bytes);
        let mut written = None;
        let Change { new, old, .. } = change(&self.results, &self.fold, &self.old, &record, row.as_ref(), |bytes| {
            written.clone_from(&bytes);
            let mut store = cx.key_value(self.store.as_str())?;
            match bytes {
                Some(bytes) => store.put_stamped(key.clone(), bytes, timestamp),
                None => store.delete(&key),
            }
        })?;
        if let Some(cache) = &self.cache {
            cx.raw().cache(cache, Row { key, new: written, old: row, timestamp, headers: record.headers });
            return Ok(());
        }
        let (key, headers) = (record.key, record.headers);
        cx.forward(Record { key, value: Change::new(new, old), timestamp, headers })
    }
}

/// Adds a record's value to a stored result, writes the next one, and says what changed.
pub(super) fn change<K: 'static, V: 'static, A: 'static>(
    results: &Codec<K, A>,
    fold: &Fold<K, V, A>,
    wanted: &OldValues,
    record: &Record<K, V>,
    row: Option<&Bytes>,
    write: impl FnOnce(Option<Bytes>) -> Result<(), crate::state::StoreError>,
) -> Result<Change<A>, ProcessError> {
    let read = || row.map(|bytes| results.read_value(bytes)).transpose();
    // A new row was the initial value before, as in Kafka Streams: a group that it was never in has it subtracted.
    let first = || fold.init.as_ref().map(|init| init());
    let old = if wanted.are_wanted() { read()?.or_else(first) } else { None };
    let new = (fold.add)(&record.key, &record.value, read()?);
    let bytes = new.as_ref().map(|new| results.value(new)).transpose()?.flatten();
    let new = new.filter(|_| bytes.is_some());
    write(bytes)?;
    Ok(Change::new(new, old))
}
