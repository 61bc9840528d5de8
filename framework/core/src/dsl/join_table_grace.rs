//! Joins of a stream with a versioned table that wait a while for the table (KIP-923).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::buffered::Buffered;
use super::codec::Codec;
use super::lookup::Lookup;
use super::{KStream, KTable};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::serde::Serdes;
use crate::state::StoreSpec;
use crate::task::node::TypedNode;
use crate::time::millis;
use crate::topology::graph::NodeKind;
use crate::topology::{TopologyFault, changelog_topic};

type Joiner<K, V, T, O> = Arc<dyn Fn(&K, V, Option<T>) -> Option<O> + Send + Sync>;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Like [`join_table`](Self::join_table) with a versioned table, but holds each record back until stream time has
    /// passed its own by `grace`, so that rows that come a little late are found. Records leave in the order of their
    /// timestamps; one that is later than the grace is joined at once. The buffer is a store of the join's name, in which
    /// records are kept with `serdes`. `grace` must not exceed the table's history. A stream whose key was changed goes
    /// through `<application>-<name>-repartition`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::{hours, minutes}};
    /// let app = StreamsBuilder::new("priced");
    /// let prices = app.versioned_table("prices", "prices-store", hours(1), Plain::<String, i64>::new());
    /// app.stream("orders", Plain::<String, i64>::new())
    ///     .join_table_after("price", &prices, minutes(1), Plain::new(), |_, amount, price| amount * price)
    ///     .to("out", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn join_table_after<T: 'static, O: 'static>(
        self,
        name: &str,
        table: &KTable<K, T>,
        grace: Duration,
        serdes: impl Serdes<K, V> + 'static,
        join: impl Fn(&K, V, T) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        let join = move |key: &K, value: V, row: Option<T>| Some(join(key, value, row?));
        self.join_after(name, table, grace, serdes, Arc::new(join), false)
    }

    /// Like [`join_table_after`](Self::join_table_after), with `None` for a missing row. A null key is the record's
    /// failure, since the buffer cannot keep it.
    pub fn left_join_table_after<T: 'static, O: 'static>(
        self,
        name: &str,
        table: &KTable<K, T>,
        grace: Duration,
        serdes: impl Serdes<K, V> + 'static,
        join: impl Fn(&K, V, Option<T>) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        let join = move |key: &K, value: V, row: Option<T>| Some(join(key, value, row));
        self.join_after(name, table, grace, serdes, Arc::new(join), true)
    }

    fn join_after<T: 'static, O: 'static>(
        self,
        name: &str,
        table: &KTable<K, T>,
        grace: Duration,
        serdes: impl Serdes<K, V> + 'static,
        join: Joiner<K, V, T, O>,
        is_left: bool,
    ) -> KStream<K, O> {
        let (store, grace, codec) = (StoreName::from(name), millis(grace), Codec::new("", serdes));
        self.check_grace(name, table, grace);
        let stream = self.brought_by(name, codec.clone(), is_left);
        stream.builder.state_store(StoreSpec::key_value(store.clone()).remembers_results());
        let rows = table.reads();
        let mut stores = rows.stores();
        stores.push(store.clone());
        let mut graph = stream.builder.0.borrow_mut();
        let codec = codec.of_topic(changelog_topic(&graph.app, &store));
        graph.formats.push(codec.format());
        graph.co_partition(name, &[stream.node, table.node]);
        let make = Arc::new(move || {
            let (codec, store, rows, join) = (codec.clone(), store.clone(), rows.clone(), join.clone());
            TypedNode::boxed(BufferedJoin { codec, store, rows, join, grace, is_left })
        });
        let node = graph.add(name, NodeKind::Processor, &[stream.node], make);
        graph.connect(node, &stores);
        drop(graph);
        KStream::new(stream.builder, node)
    }

    fn check_grace<T: 'static>(&self, name: &str, table: &KTable<K, T>, grace: i64) {
        let node = name.to_owned();
        match table.rows.history() {
            None => self.builder.fault(TopologyFault::NeedsVersionedTable { node }),
            Some(history) if grace > history => {
                self.builder.fault(TopologyFault::InvalidGrace { node, grace_ms: grace, history_ms: history })
            }
            Some(_) => &self.builder,
        };
    }
}

/// Holds records back in a store by time, key and number. Under the empty key: the largest time put, the last number.
struct BufferedJoin<K, V, T, O> {
    codec: Codec<K, V>,
    store: StoreName,
    rows: Arc<dyn Lookup<K, T>>,
    join: Joiner<K, V, T, O>,
    grace: i64,
    is_left: bool,
}

type Context<'c, 'n, 't, K, O> = &'c mut ProcessorContext<'n, 't, K, O>;

impl<K: 'static, V: 'static, T: 'static, O: 'static> BufferedJoin<K, V, T, O> {
    fn join(&self, cx: Context<'_, '_, '_, K, O>, record: Record<K, V>) -> Result<(), ProcessError> {
        let row = self.rows.get(cx.raw(), &record.key, Some(record.timestamp))?;
        let Some(value) = (self.join)(&record.key, record.value, row.map(|row| row.value)) else {
            cx.count("join_miss");
            return Ok(());
        };
        let (key, timestamp, headers) = (record.key, record.timestamp, record.headers);
        cx.forward(Record { key, value, timestamp, headers })
    }

    fn hold(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        record: &Record<K, V>,
        (key, number): (&Bytes, u32),
    ) -> Result<(), ProcessError> {
        let value = self.codec.value(&record.value)?;
        let row = Buffered::new(record.timestamp, value, None, &record.headers).to_bytes()?;
        let at = [&record.timestamp.as_millis().to_be_bytes()[..], key, &number.to_be_bytes()].concat();
        Ok(cx.key_value(self.store.as_str())?.put(at.into(), row)?)
    }

    /// Joins the records whose time has come, the oldest first.
    fn release(&self, cx: Context<'_, '_, '_, K, O>, until: i64) -> Result<(), ProcessError> {
        let from = std::ops::Bound::Excluded(Bytes::new());
        let to = std::ops::Bound::Excluded(Bytes::copy_from_slice(&until.saturating_add(1).max(0).to_be_bytes()));
        for (at, row) in cx.key_value(self.store.as_str())?.range((from, to), usize::MAX)? {
            cx.key_value(self.store.as_str())?.delete(&at)?;
            let row = Buffered::from_bytes(&row)?;
            let Some(value) = &row.new else { continue };
            let end = at.len().saturating_sub(4).max(8);
            let (key, value) = (self.codec.read_key(&at.slice(8..end))?, self.codec.read_value(value)?);
            self.join(cx, Record { key, value, timestamp: row.timestamp(), headers: row.headers() })?;
        }
        Ok(())
    }

    fn known(&self, cx: Context<'_, '_, '_, K, O>) -> Result<(i64, u32), ProcessError> {
        match cx.key_value(self.store.as_str())?.get(&[])? {
            Some(bytes) => Ok(postcard::from_bytes(&bytes)?),
            None => Ok((i64::MIN, 0)),
        }
    }
}

impl<K: 'static, V: 'static, T: 'static, O: 'static> Processor<K, V, K, O> for BufferedJoin<K, V, T, O> {
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, K, O>, record: Record<K, V>) -> Result<(), ProcessError> {
        let Some(key) = self.codec.key(&record.key)? else {
            if self.is_left {
                return Err(ProcessError::new("the buffer of a join with a grace period is asked for a null key"));
            }
            cx.count("null_key");
            return Ok(());
        };
        let (largest, number) = self.known(cx)?;
        if largest.saturating_sub(self.grace) > record.timestamp.as_millis() {
            self.join(cx, record)?;
            return self.release(cx, largest.saturating_sub(self.grace));
        }
        let largest = largest.max(record.timestamp.as_millis());
        let number = number.wrapping_add(1);
        self.hold(cx, &record, (&key, number))?;
        let known = postcard::to_stdvec(&(largest, number))?;
        cx.key_value(self.store.as_str())?.put(Bytes::new(), known.into())?;
        self.release(cx, largest.saturating_sub(self.grace))
    }
}
