//! `table` and `versioned_table`: a topic as a table.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::change::{Change, OldValues};
use super::codec::Codec;
use super::lookup::{KeyValueRows, Lookup, VersionedRows};
use super::source::{Reader, undecodable, usable_time};
use super::{KTable, StreamsBuilder};
use crate::names::{StoreName, TopicName};
use crate::processor::ProcessError;
use crate::record::{LogRecord, Record};
use crate::serde::{Part, TableSerdes};
use crate::state::{Changelog, StoreSpec, VersionPut};
use crate::task::graph::{Node, NodeContext};
use crate::time::millis;
use crate::topology::{TopicRequirement, TopicRole};

impl StreamsBuilder {
    /// Reads a topic as a table: the newest value of each key, where a null value deletes. Records with a null key are
    /// dropped and counted as `null_key`. The topic itself is the table's changelog, so it must be compacted (`NF130`).
    ///
    /// Rows are applied in offset order, whatever their timestamps, as in Kafka Streams' unversioned tables.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("prices");
    /// app.table("prices", "prices", Plain::<String, i64>::new()).to_stream("changes").to("changed", Plain::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let changed = driver.output("changed", Plain::<String, Option<i64>>::new());
    /// let prices = driver.input("prices", Plain::<String, i64>::new());
    /// prices.pipe("bread", 3, Timestamp::from_millis(0))?;
    /// prices.delete("bread", Timestamp::from_millis(1))?;
    /// assert_eq!(changed.read_pairs(), [("bread".to_owned(), Some(3)), ("bread".to_owned(), None)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn table<K: 'static, V: 'static>(
        &self,
        topic: impl Into<TopicName>,
        store: impl Into<StoreName>,
        serdes: impl TableSerdes<K, V> + 'static,
    ) -> KTable<K, V> {
        let (topic, store) = (topic.into(), store.into());
        let changelog = Changelog::Table(topic.clone());
        self.state_store(StoreSpec::timestamped_key_value(store.clone()).rebuilt_from(changelog));
        let rows = |codec| Arc::new(KeyValueRows { codec, store: store.clone() }) as Arc<dyn Lookup<K, V>>;
        self.table_of(&topic, &store, serdes, rows, false)
    }

    /// Reads a topic as a table that keeps the history of each key for `history` before the largest timestamp (KIP-889).
    /// Joins of streams read it as of the record's time; aggregations and table joins pass over versions that are older
    /// than the newest. The store has a changelog topic of its own, since a compacted topic holds no history.
    pub fn versioned_table<K: 'static, V: 'static>(
        &self,
        topic: impl Into<TopicName>,
        store: impl Into<StoreName>,
        history: Duration,
        serdes: impl TableSerdes<K, V> + 'static,
    ) -> KTable<K, V> {
        let (topic, store, history_ms) = (topic.into(), store.into(), millis(history));
        self.state_store(StoreSpec::versioned(store.clone(), history));
        let rows = |codec| Arc::new(VersionedRows { codec, store: store.clone(), history_ms }) as Arc<dyn Lookup<K, V>>;
        self.table_of(&topic, &store, serdes, rows, true)
    }

    fn table_of<K: 'static, V: 'static>(
        &self,
        topic: &TopicName,
        store: &StoreName,
        serdes: impl TableSerdes<K, V> + 'static,
        rows: impl FnOnce(Codec<K, V>) -> Arc<dyn Lookup<K, V>>,
        versioned: bool,
    ) -> KTable<K, V> {
        let role = TopicRole::Source;
        self.require(TopicRequirement { name: topic.clone(), role, create: None, rules: Vec::new() });
        let (reader, name, old) = (Reader::new(&serdes), store.clone(), OldValues::default());
        let format = Arc::new(serdes);
        let rows = rows(Codec::of_table(topic.clone(), &format));
        let wanted = old.clone();
        let make = Arc::new(move || {
            let (reader, store, old) = (reader.clone(), name.clone(), wanted.clone());
            Box::new(TableNode { reader, store, old, versioned }) as Box<dyn Node>
        });
        let mut graph = self.0.borrow_mut();
        let node = graph.source(topic, format, make);
        graph.connect(node, std::slice::from_ref(store));
        drop(graph);
        KTable { builder: self.clone(), node, rows, old, closes_after: None }
    }
}

struct TableNode<K, V> {
    reader: Reader<K, V>,
    store: StoreName,
    old: OldValues,
    versioned: bool,
}

/// What became of a row, and its bytes before.
struct Applied {
    old: Option<Bytes>,
    put: VersionPut,
}

impl<K: 'static, V: 'static> TableNode<K, V> {
    /// A row that cannot be read fails here, not at some later join.
    fn decode(&self, topic: &TopicName, record: &LogRecord) -> Result<(K, Option<V>), ProcessError> {
        let key = self.reader.key(topic, record).map_err(|error| undecodable(Part::Key, &error))?;
        Ok((key, self.value(topic, record.value.as_ref())?))
    }

    fn value(&self, topic: &TopicName, bytes: Option<&Bytes>) -> Result<Option<V>, ProcessError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let row = LogRecord { value: Some(bytes.clone()), ..LogRecord::empty() };
        self.reader.value(topic, &row).map(Some).map_err(|error| undecodable(Part::Value, &error))
    }

    fn apply(&self, cx: &mut NodeContext<'_>, key: Bytes, row: &LogRecord) -> Result<Applied, ProcessError> {
        let name = self.store.as_str();
        if self.versioned {
            let mut store = cx.versioned(name)?;
            let old = store.latest(&key)?.map(|version| version.value);
            return Ok(Applied { old, put: store.put(key, row.value.clone(), row.timestamp)? });
        }
        let mut store = cx.key_value(name)?;
        let old = store.get_stamped(&key)?.map(|(_, value)| value);
        match &row.value {
            Some(value) => store.put_stamped(key, value.clone(), row.timestamp)?,
            None => store.delete(&key)?,
        }
        Ok(Applied { old, put: VersionPut::Latest })
    }
}

impl<K: 'static, V: 'static> Node for TableNode<K, V> {
    fn process(&mut self, cx: &mut NodeContext<'_>, _: &mut dyn Any) -> Result<(), ProcessError> {
        let (source, row) = cx.shared.source_record();
        let (topic, row) = (source.topic.clone(), row.clone());
        let Some(bytes) = row.key.clone() else {
            cx.shared.count("null_key");
            return Ok(());
        };
        usable_time(&row)?;
        let (key, new) = self.decode(&topic, &row)?;
        cx.shared.advance_stream_time();
        let applied = self.apply(cx, bytes, &row)?;
        if applied.put == VersionPut::Rejected {
            cx.shared.count("late_row");
            return Ok(());
        }
        // Stores below that have changelogs of their own hold the effects of rows that are only read again.
        if cx.shared.replaying || !cx.has_children() {
            return Ok(());
        }
        let old = if self.old.are_wanted() { self.value(&topic, applied.old.as_ref())? } else { None };
        let value = Change { new, old, is_latest: applied.put == VersionPut::Latest };
        cx.forward(&mut Some(Record { key, value, timestamp: row.timestamp, headers: row.headers }))
    }
}
