//! `global_table`: a table that every process holds whole.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::StreamsBuilder;
use super::source::Reader;
use crate::names::{TopicName, TopicPartition};
use crate::serde::{SerdeError, Serializer, TableSerdes};
use crate::time::Timestamp;
use crate::topology::{GlobalSpec, TopicRequirement, TopicRole};

/// A table that every process holds whole: the newest value of each key over all partitions. Read to the end that it has
/// at the start before any task runs; after that the newest value at processing time. Cheap to clone, readable anywhere.
pub struct GlobalTable<K, V> {
    topic: TopicName,
    key: Arc<dyn Serializer<K>>,
    rows: Arc<RwLock<Rows<V>>>,
}

/// Rows by the bytes of their keys, each with the timestamp of its record.
type Rows<V> = HashMap<Bytes, (Arc<V>, Timestamp)>;

impl<K, V> Clone for GlobalTable<K, V> {
    fn clone(&self) -> Self {
        Self { topic: self.topic.clone(), key: self.key.clone(), rows: self.rows.clone() }
    }
}

impl<K, V> fmt::Debug for GlobalTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalTable").field("topic", &self.topic).field("rows", &self.rows.read().len()).finish()
    }
}

impl<K: 'static, V: Send + Sync + 'static> GlobalTable<K, V> {
    /// The newest value of `key`.
    ///
    /// # Errors
    /// When the key cannot be encoded.
    pub fn get(&self, key: &K) -> Result<Option<Arc<V>>, SerdeError> {
        let Some(key) = self.key.serialize(&self.topic, key)? else { return Ok(None) };
        Ok(self.rows.read().get(&key).map(|(row, _)| row.clone()))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.read().len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every row: its key's bytes, its value and the timestamp of its record. In no particular order.
    pub fn rows(&self) -> Vec<(Bytes, Arc<V>, Timestamp)> {
        self.rows.read().iter().map(|(key, (row, time))| (key.clone(), row.clone(), *time)).collect()
    }

    /// Every value, in no particular order.
    pub fn values(&self) -> Vec<Arc<V>> {
        self.rows.read().values().map(|(row, _)| row.clone()).collect()
    }
}

impl<V> GlobalTable<String, V> {
    /// The newest value of a key in its plain form, without making a `String` of it. For tables with plain keys
    /// ([`KeyCodec`](crate::serde::KeyCodec)), as `Json`, `Avro` and `Plain` have them.
    pub fn get_str(&self, key: &str) -> Option<Arc<V>> {
        self.rows.read().get(key.as_bytes()).map(|(row, _)| row.clone())
    }
}

impl StreamsBuilder {
    /// Reads a topic as a global table: no co-partitioning is needed to join it. A null value deletes, a null key is
    /// ignored. Rows are decoded once, as they arrive.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("prices");
    /// let rates = app.global_table("rates", Plain::<String, f64>::new());
    /// app.stream("orders", Plain::<(), String>::new())
    ///     .join_global("with-rate", &rates, |_, currency| currency.clone(), |_, currency, rate| format!("{currency} {rate}"))
    ///     .to("priced", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn global_table<K: 'static, V: Send + Sync + 'static>(
        &self,
        topic: impl Into<TopicName>,
        serdes: impl TableSerdes<K, V> + 'static,
    ) -> GlobalTable<K, V> {
        let topic = topic.into();
        let role = TopicRole::Source;
        self.require(TopicRequirement { name: topic.clone(), role, create: None, rules: Vec::new() });
        let reader: Reader<K, V> = Reader::new(&serdes);
        let rows: Arc<RwLock<Rows<V>>> = Arc::default();
        let table = GlobalTable { topic: topic.clone(), key: serdes.key_serializer(), rows: rows.clone() };
        let apply = Arc::new(move |source: &TopicPartition, record: &crate::record::LogRecord| {
            let Some(key) = record.key.clone() else { return Ok(()) };
            match &record.value {
                Some(_) => {
                    let row = Arc::new(reader.value(&source.topic, record)?);
                    rows.write().insert(key, (row, record.timestamp))
                }
                None => rows.write().remove(&key),
            };
            Ok(())
        });
        let mut graph = self.0.borrow_mut();
        graph.global(GlobalSpec { name: topic.as_str().into(), topic, apply, begin: None, store: None });
        graph.formats.push(Arc::new(serdes));
        table
    }
}
