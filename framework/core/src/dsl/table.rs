//! `table`: a topic as a table, the newest value of each key.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::StreamsBuilder;
use super::source::{Reader, undecodable, usable_time};
use crate::names::{StoreName, TopicName};
use crate::processor::ProcessError;
use crate::record::LogRecord;
use crate::serde::{Part, SerdeError, Serializer, TableSerdes};
use crate::state::{Changelog, KeyValueStore, MemoryKeyValue, StoreError, StoreSpec};
use crate::task::graph::{Node, NodeContext};
use crate::topology::{TopicRequirement, TopicRole};

/// A partitioned table: each task holds the newest value of each key of its own partition.
pub struct KTable<K, V> {
    pub(super) topic: TopicName,
    pub(super) store: StoreName,
    pub(super) rows: Rows<K, V>,
}

/// How a table's rows are found and read: rows are kept as the bytes that came.
pub(super) struct Rows<K, V> {
    pub(super) key: Arc<dyn Serializer<K>>,
    pub(super) reader: Reader<K, V>,
}

impl<K, V> Clone for Rows<K, V> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), reader: self.reader.clone() }
    }
}

impl<K: 'static, V: 'static> Rows<K, V> {
    /// The key's bytes, if it is not null.
    pub(super) fn key_bytes(&self, topic: &TopicName, key: &K) -> Result<Option<Bytes>, SerdeError> {
        self.key.serialize(topic, key)
    }
}

impl<K, V> fmt::Debug for KTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KTable").field("store", &self.store).finish_non_exhaustive()
    }
}

impl StreamsBuilder {
    /// Reads a topic as a table: the newest value of each key, where a null value deletes. Records with a null key are
    /// dropped and counted as `null_key`. The topic itself is the table's changelog, so it must be compacted (`NF130`).
    ///
    /// Rows are applied in offset order, whatever their timestamps, as in Kafka Streams' unversioned tables.
    pub fn table<K: 'static, V: 'static>(
        &self,
        topic: impl Into<TopicName>,
        store: impl Into<StoreName>,
        serdes: impl TableSerdes<K, V> + 'static,
    ) -> KTable<K, V> {
        let (topic, store) = (topic.into(), store.into());
        let rows = Rows { key: serdes.key_serializer(), reader: Reader::new(&serdes) };
        let changelog = Changelog::Table(topic.clone());
        self.state_store(StoreSpec::new(store.clone(), changelog, || Box::new(MemoryKeyValue::new())));
        let role = TopicRole::Source;
        self.require(TopicRequirement { name: topic.clone(), role, create: None, rules: Vec::new() });
        let (reader, name) = (rows.reader.clone(), store.clone());
        let make =
            Arc::new(move || Box::new(TableNode { reader: reader.clone(), store: name.clone() }) as Box<dyn Node>);
        let mut graph = self.0.borrow_mut();
        let node = graph.source(&topic, Arc::new(serdes), make);
        graph.connect(node, std::slice::from_ref(&store));
        KTable { topic, store, rows }
    }
}

struct TableNode<K, V> {
    reader: Reader<K, V>,
    store: StoreName,
}

impl<K: 'static, V: 'static> TableNode<K, V> {
    /// Decodes for the check alone: a row that cannot be read must fail here, not at some later join.
    fn check(&self, topic: &TopicName, record: &LogRecord) -> Result<(), ProcessError> {
        self.reader.key(topic, record).map_err(|error| undecodable(Part::Key, &error))?;
        if record.value.is_some() {
            self.reader.value(topic, record).map_err(|error| undecodable(Part::Value, &error))?;
        }
        Ok(())
    }
}

impl<K: 'static, V: 'static> Node for TableNode<K, V> {
    fn process(&mut self, cx: &mut NodeContext<'_>, _: &mut dyn Any) -> Result<(), ProcessError> {
        let (source, record) = cx.shared.source_record();
        let Some(key) = record.key.clone() else {
            cx.shared.count("null_key");
            return Ok(());
        };
        usable_time(record)?;
        self.check(&source.topic, record)?;
        let value = record.value.clone();
        cx.shared.advance_stream_time();
        let store = key_value(cx, &self.store)?;
        match value {
            Some(value) => store.put(key, value)?,
            None => store.delete(&key)?,
        }
        Ok(())
    }
}

/// The key-value store of this name, unlogged: a table's topic is its changelog.
fn key_value<'a>(cx: &'a mut NodeContext<'_>, store: &StoreName) -> Result<&'a mut dyn KeyValueStore, StoreError> {
    let (name, slot, _) = cx.store(store.as_str())?;
    let missing = || StoreError::NotConnected { store: name.to_string(), kind: "key-value" };
    slot.store.as_key_value().ok_or_else(missing)
}
