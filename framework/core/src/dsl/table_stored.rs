//! `stored` and `to_table`: a table's rows, or a stream's newest values, in a store.

use std::sync::Arc;

use super::aggregate::stored;
use super::cached;
use super::change::{Change, OldValues};
use super::codec::Codec;
use super::lookup::KeyValueRows;
use super::{KStream, KTable, Materialized, StreamsBuilder};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::serde::Serdes;
use crate::task::node::TypedNode;
use crate::task::{Cacher, Row};
use crate::topology::graph::NodeKind;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Keeps the table's rows in a store of their own, so that they can be queried. The node is named `store-{store}`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("adults");
    /// let ages = app.table("ages", "ages-store", Plain::<String, i64>::new());
    /// ages.filter("adults", |_, age| *age >= 18).stored("adults-store", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn stored(&self, store: impl Into<Materialized>, serdes: impl Serdes<K, V> + 'static) -> Self {
        let parts = Storing::new(&self.builder, &store.into(), serdes);
        let (name, stores) = (format!("store-{}", parts.store), [parts.store.clone()]);
        let made = parts.clone();
        let node = self.follow(&name, &stores, move || made.clone());
        parts.table(&self.builder, node)
    }
}

impl<K: 'static, V: 'static> KStream<K, Option<V>> {
    /// Reads the stream as changes of a table: the newest value of each key in a store, where `None` deletes. Records with
    /// a null key are dropped. Where the key was changed, the stream goes through
    /// `<application>-<store>-repartition` first.
    pub fn to_table(self, store: impl Into<Materialized>, serdes: impl Serdes<K, V> + 'static) -> KTable<K, V> {
        let store = store.into();
        let builder = self.builder.clone();
        let parts = Storing::new(&builder, &store, serdes);
        let stream = match self.key_changed_by {
            Some(_) => self.repartition(store.name.as_str(), parts.codec.optional()),
            None => self,
        };
        let (made, target) = (parts.clone(), store.name.clone());
        let make = Arc::new(move || TypedNode::boxed(ToTable(made.clone())));
        let mut graph = builder.0.borrow_mut();
        let node = graph.add(&format!("table-{}", store.name), NodeKind::Processor, &[stream.node], make);
        graph.connect(node, &[target]);
        drop(graph);
        parts.table(&builder, node)
    }
}

/// Writes rows to a store and says what changed.
struct Storing<K, V> {
    codec: Codec<K, V>,
    store: StoreName,
    old: OldValues,
    cache: Option<Arc<Cacher>>,
}

impl<K, V> Clone for Storing<K, V> {
    fn clone(&self) -> Self {
        Self { codec: self.codec.clone(), store: self.store.clone(), old: self.old.clone(), cache: self.cache.clone() }
    }
}

impl<K: 'static, V: 'static> Storing<K, V> {
    fn new(builder: &StreamsBuilder, store: &Materialized, serdes: impl Serdes<K, V> + 'static) -> Self {
        let spec = store.key_value();
        let codec = stored(builder, store, spec, &Codec::new("", serdes));
        let old = OldValues::default();
        let cache = cached::of_rows(builder, store, &codec, &old);
        Self { codec, store: store.name.clone(), old, cache }
    }

    fn table(self, builder: &StreamsBuilder, node: usize) -> KTable<K, V> {
        let rows = Arc::new(KeyValueRows { codec: self.codec, store: self.store });
        KTable { builder: builder.clone(), node, rows, old: self.old, closes_after: None }
    }

    fn put(
        &self,
        cx: &mut ProcessorContext<'_, '_, K, Change<V>>,
        record: Record<K, Option<V>>,
    ) -> Result<(), ProcessError> {
        let Record { key, value: new, timestamp, headers } = record;
        let Some(bytes) = self.codec.key(&key)? else {
            cx.count("null_key");
            return Ok(());
        };
        let value = new.as_ref().map(|new| self.codec.value(new)).transpose()?.flatten();
        let new = new.filter(|_| value.is_some());
        let mut store = cx.key_value(self.store.as_str())?;
        let old = if self.old.are_wanted() || self.cache.is_some() { store.get_stamped(&bytes)? } else { None };
        let old = old.map(|(_, bytes)| bytes);
        match &value {
            Some(value) => store.put_stamped(bytes.clone(), value.clone(), timestamp)?,
            None => store.delete(&bytes)?,
        }
        if let Some(cache) = &self.cache {
            cx.raw().cache(cache, Row { key: bytes, new: value, old, timestamp, headers });
            return Ok(());
        }
        let old = old.map(|bytes| self.codec.read_value(&bytes)).transpose()?;
        cx.forward(Record { key, value: Change::new(new, old), timestamp, headers })
    }
}

impl<K: 'static, V: 'static> Processor<K, Change<V>, K, Change<V>> for Storing<K, V> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<V>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessError> {
        let Record { key, value, timestamp, headers } = record;
        self.put(cx, Record { key, value: value.new, timestamp, headers })
    }
}

struct ToTable<K, V>(Storing<K, V>);

impl<K: 'static, V: 'static> Processor<K, Option<V>, K, Change<V>> for ToTable<K, V> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<V>>,
        record: Record<K, Option<V>>,
    ) -> Result<(), ProcessError> {
        self.0.put(cx, record)
    }
}
