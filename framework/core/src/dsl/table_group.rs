//! `group_by` of a table: rows gathered under other keys, and aggregates that follow their changes.

use std::sync::Arc;

use super::aggregate::{integers, stored};
use super::cached;
use super::change::{Change, OldValues};
use super::codec::Codec;
use super::fold::Add;
use super::lookup::KeyValueRows;
use super::process::each;
use super::repartition::{repartition_topic, requirement};
use super::{KStream, KTable, Materialized};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::serde::Serdes;
use crate::task::node::TypedNode;
use crate::task::{Cacher, Row};
use crate::topology::graph::NodeKind;

/// A table's rows under other keys. When a row changes, its old value is subtracted from the group it was in, and then
/// its new value is added to the group it is in.
#[must_use = "a grouped table does nothing until it is aggregated"]
#[derive(Debug)]
pub struct KGroupedTable<K, V> {
    stream: KStream<K, Change<V>>,
    codec: Codec<K, V>,
}

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Gives each row a new key and value and gathers them, by way of `<application>-<name>-repartition`. Rows whose new
    /// key or value is null are left out. When a change leaves a row in its group, both sides travel as one record and
    /// cause one result.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("per-city");
    /// let homes = app.table("homes", "homes-store", Plain::<String, String>::new());
    /// let per_city = homes.group_by("by-city", |who, city| (city.clone(), who.clone()), Plain::<String, String>::new());
    /// per_city.count("inhabitants").to_stream("changes").to("out", Plain::<String, Option<i64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn group_by<K2: 'static, V2: 'static>(
        &self,
        name: &str,
        select: impl Fn(&K, &V) -> (K2, V2) + Send + Sync + 'static,
        serdes: impl Serdes<K2, V2> + 'static,
    ) -> KGroupedTable<K2, V2> {
        self.old.want();
        let topic = repartition_topic(&self.builder, name);
        let codec = Codec::new(topic.clone(), serdes);
        let parts = (Arc::new(select), codec.clone());
        let node = self.follow(&format!("{name}-select"), &[], move || {
            let (select, codec) = parts.clone();
            each(move |cx, record: Record<K, Change<V>>| regroup(cx, record, &*select, &codec))
        });
        let stream: KStream<K2, Change<V2>> = KStream::new(self.builder.clone(), node);
        self.builder.require(requirement(&topic, None));
        stream.write_internal(&topic, codec.changes(), true);
        KGroupedTable { stream: self.builder.stream_of(&topic, codec.changes()), codec }
    }
}

/// A row's change as changes of the groups that it leaves and enters.
fn regroup<K, V, K2: 'static, V2: 'static>(
    cx: &mut ProcessorContext<'_, '_, K2, Change<V2>>,
    record: Record<K, Change<V>>,
    select: &impl Fn(&K, &V) -> (K2, V2),
    codec: &Codec<K2, V2>,
) -> Result<(), ProcessError> {
    let Record { key, value, timestamp, headers } = record;
    if !value.is_latest {
        return Ok(());
    }
    let grouped = |value: Option<V>| -> Result<_, ProcessError> {
        let Some((key, value)) = value.map(|value| select(&key, &value)) else { return Ok(None) };
        let bytes = codec.key(&key)?.filter(|_| !codec.is_null(&value));
        Ok(bytes.map(|bytes| (bytes, key, value)))
    };
    let mut send =
        |key, new, old| cx.forward(Record { key, value: Change::new(new, old), timestamp, headers: headers.clone() });
    match (grouped(value.old)?, grouped(value.new)?) {
        (Some((before, key, old)), Some((after, _, new))) if before == after => send(key, Some(new), Some(old)),
        (old, new) => {
            old.map_or(Ok(()), |(_, key, old)| send(key, None, Some(old)))?;
            new.map_or(Ok(()), |(_, key, new)| send(key, Some(new), None))
        }
    }
}

impl<K: 'static, V: 'static> KGroupedTable<K, V> {
    /// Counts the rows of each group. A group that lost its last row stays, with 0.
    pub fn count(self, store: impl Into<Materialized>) -> KTable<K, i64> {
        let values = integers(&self.codec);
        let add = |_: &K, _: &V, n: Option<i64>| Some(n.unwrap_or(0).wrapping_add(1));
        self.fold("count", &store.into(), Arc::new(add), Arc::new(|_, _, n: i64| Some(n.wrapping_sub(1))), values)
    }

    /// Combines the values of each group with `add`, and takes values that went away back out with `subtract`.
    pub fn reduce(
        self,
        store: impl Into<Materialized>,
        add: impl Fn(V, &V) -> V + Send + Sync + 'static,
        subtract: impl Fn(V, &V) -> V + Send + Sync + 'static,
    ) -> KTable<K, V>
    where
        V: Clone,
    {
        let values = self.codec.clone();
        let add = move |_: &K, value: &V, result: Option<V>| match result {
            Some(result) => Some(add(result, value)),
            None => Some(value.clone()),
        };
        let subtract = move |_: &K, value: &V, result| Some(subtract(result, value));
        self.fold("reduce", &store.into(), Arc::new(add), Arc::new(subtract), values)
    }

    /// Begins each group with `init`, adds values that come and subtracts values that go; `None` deletes the group.
    pub fn aggregate<A: 'static, R: Into<Option<A>> + 'static>(
        self,
        store: impl Into<Materialized>,
        init: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
        subtract: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
        serdes: impl Serdes<K, A> + 'static,
    ) -> KTable<K, A> {
        let add = move |key: &K, value: &V, result: Option<A>| add(key, value, result.unwrap_or_else(&init)).into();
        let subtract = move |key: &K, value: &V, result| subtract(key, value, result).into();
        self.fold("aggregate", &store.into(), Arc::new(add), Arc::new(subtract), Codec::new("", serdes))
    }

    fn fold<A: 'static>(
        self,
        what: &str,
        store: &Materialized,
        add: Add<K, V, A>,
        subtract: Subtract<K, V, A>,
        results: Codec<K, A>,
    ) -> KTable<K, A> {
        let builder = self.stream.builder.clone();
        let results = stored(&builder, store, store.key_value(), &results);
        let old = OldValues::default();
        let cache = cached::of_rows(&builder, store, &results, &old);
        let store = store.name.clone();
        let parts = GroupFold {
            inputs: self.codec,
            results: results.clone(),
            add,
            subtract,
            store: store.clone(),
            old: old.clone(),
            cache,
        };
        let make = Arc::new(move || TypedNode::boxed(parts.clone()));
        let mut graph = builder.0.borrow_mut();
        let node = graph.add(&format!("{what}-{store}"), NodeKind::Processor, &[self.stream.node], make);
        graph.connect(node, std::slice::from_ref(&store));
        drop(graph);
        KTable { builder, node, rows: Arc::new(KeyValueRows { codec: results, store }), old, closes_after: None }
    }
}

type Subtract<K, V, A> = Arc<dyn Fn(&K, &V, A) -> Option<A> + Send + Sync>;

struct GroupFold<K, V, A> {
    inputs: Codec<K, V>,
    results: Codec<K, A>,
    add: Add<K, V, A>,
    subtract: Subtract<K, V, A>,
    store: StoreName,
    old: OldValues,
    cache: Option<Arc<Cacher>>,
}

impl<K, V, A> Clone for GroupFold<K, V, A> {
    fn clone(&self) -> Self {
        Self {
            inputs: self.inputs.clone(),
            results: self.results.clone(),
            add: self.add.clone(),
            subtract: self.subtract.clone(),
            store: self.store.clone(),
            old: self.old.clone(),
            cache: self.cache.clone(),
        }
    }
}

impl<K: 'static, V: 'static, A: 'static> Processor<K, Change<V>, K, Change<A>> for GroupFold<K, V, A> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<A>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessError> {
        let Record { key, value, timestamp, headers } = record;
        let Some(bytes) = self.inputs.key(&key)? else {
            cx.count("null_key");
            return Ok(());
        };
        let row = cx.key_value(self.store.as_str())?.get_stamped(&bytes)?;
        let changes = value.new.is_some() || value.old.is_some();
        let timestamp = row.as_ref().filter(|_| changes).map_or(timestamp, |(time, _)| timestamp.max(*time));
        let read = || row.as_ref().map(|(_, bytes)| self.results.read_value(bytes)).transpose();
        let old = if self.old.are_wanted() { read()? } else { None };
        let mut result = read()?;
        if let Some(gone) = &value.old {
            result = result.and_then(|result| (self.subtract)(&key, gone, result));
        }
        if let Some(new) = &value.new {
            result = (self.add)(&key, new, result);
        }
        let stored = result.as_ref().map(|result| self.results.value(result)).transpose()?.flatten();
        let new = result.filter(|_| stored.is_some());
        let mut store = cx.key_value(self.store.as_str())?;
        match &stored {
            Some(stored) => store.put_stamped(bytes.clone(), stored.clone(), timestamp)?,
            None => store.delete(&bytes)?,
        }
        if let Some(cache) = &self.cache {
            let old = row.map(|(_, bytes)| bytes);
            cx.raw().cache(cache, Row { key: bytes, new: stored, old, timestamp, headers });
            return Ok(());
        }
        cx.forward(Record { key, value: Change::new(new, old), timestamp, headers })
    }
}
