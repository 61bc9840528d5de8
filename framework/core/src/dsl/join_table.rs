//! `join_table` and `left_join_table`: a stream looks up the row of its key.

use std::any::Any;
use std::sync::Arc;

use super::lookup::Lookup;
use super::{Joined, KStream, KTable};
use crate::processor::ProcessError;
use crate::record::Record;
use crate::task::graph::{Node, NodeContext};
use crate::topology::graph::NodeKind;

type Joiner<K, V, T, O> = Arc<dyn Fn(&K, V, Option<T>) -> Option<O> + Send + Sync>;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Joins each record with the table's row of the same key; records without one are dropped and counted as `join_miss`.
    /// Only stream records trigger results. The topics of both sides need equal numbers of partitions. A stream whose key was
    /// changed needs serdes beside the name, for the topic on its way: see [`Joined`].
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("greet");
    /// let names = app.table("names", "names", Plain::<String, String>::new());
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .join_table("with-name", &names, |_, page, name| format!("{name} saw {page}"))
    ///     .to("log", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn join_table<T: 'static, O: 'static>(
        self,
        name: impl Into<Joined<K, V>>,
        table: &KTable<K, T>,
        join: impl Fn(&K, V, T) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        let join = move |key: &K, value, row: Option<T>| row.map(|row| join(key, value, row));
        self.lookup(name.into(), table, Arc::new(join), false)
    }

    /// Joins each record with the table's row of the same key, or with `None`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("greet");
    /// let names = app.table("names", "names", Plain::<String, String>::new());
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .left_join_table("with-name", &names, |key, page, name| format!("{} saw {page}", name.unwrap_or_else(|| key.clone())))
    ///     .to("log", Plain::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let log = driver.output("log", Plain::<String, String>::new());
    /// driver.input("visits", Plain::<String, String>::new()).pipe("u-1", "home", Timestamp::from_millis(0))?;
    /// assert_eq!(log.read_pairs(), [("u-1".to_owned(), "u-1 saw home".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_table<T: 'static, O: 'static>(
        self,
        name: impl Into<Joined<K, V>>,
        table: &KTable<K, T>,
        join: impl Fn(&K, V, Option<T>) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        self.lookup(name.into(), table, Arc::new(move |key, value, row| Some(join(key, value, row))), true)
    }

    fn lookup<T: 'static, O: 'static>(
        self,
        joined: Joined<K, V>,
        table: &KTable<K, T>,
        join: Joiner<K, V, T, O>,
        is_left: bool,
    ) -> KStream<K, O> {
        let (name, stream) = joined.bring(self, is_left);
        let mut graph = stream.builder.0.borrow_mut();
        graph.co_partition(&name, &[stream.node, table.node]);
        let rows = table.reads();
        let stores = rows.stores();
        let make = Arc::new(move || {
            let node = JoinNode { rows: rows.clone(), join: join.clone() };
            Box::new(node) as Box<dyn Node>
        });
        let node = graph.add(&name, NodeKind::Processor, &[stream.node], make);
        graph.connect(node, &stores);
        drop(graph);
        KStream { key_changed_by: stream.key_changed_by, ..KStream::new(stream.builder, node) }
    }
}

struct JoinNode<K, V, T, O> {
    rows: Arc<dyn Lookup<K, T>>,
    join: Joiner<K, V, T, O>,
}

impl<K: 'static, V: 'static, T: 'static, O: 'static> Node for JoinNode<K, V, T, O> {
    fn process(&mut self, cx: &mut NodeContext<'_>, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let record = slot.downcast_mut::<Option<Record<K, V>>>().and_then(Option::take);
        let record = record.ok_or_else(|| ProcessError::new("the record is of another type than the join takes"))?;
        let row = self.rows.get(cx, &record.key, Some(record.timestamp))?;
        let Some(value) = (self.join)(&record.key, record.value, row.map(|row| row.value)) else {
            cx.shared.count("join_miss");
            return Ok(());
        };
        let (key, timestamp, headers) = (record.key, record.timestamp, record.headers);
        cx.forward(&mut Some(Record { key, value, timestamp, headers }))
    }
}
