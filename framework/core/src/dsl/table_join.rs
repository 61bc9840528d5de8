//! `join`, `left_join` and `outer_join` of two tables.

use std::sync::Arc;

use super::KTable;
use super::change::{Change, OldValues};
use super::lookup::{Lookup, Row};
use super::process::each;
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::task::graph::NodeContext;
use crate::task::node::TypedNode;
use crate::time::Timestamp;
use crate::topology::graph::NodeKind;

/// What two rows make; `None` where the kind of join leaves the key out.
type Joiner<K, A, B, O> = Arc<dyn Fn(&K, Option<&A>, Option<&B>) -> Option<O> + Send + Sync>;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Joins the rows of equal keys. A change on either side changes the result; a row that loses its partner is deleted.
    /// Results bear the larger timestamp of both rows. The topics of both sides need equal numbers of partitions.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("addresses");
    /// let names = app.table("names", "names-store", Plain::<String, String>::new());
    /// let cities = app.table("cities", "cities-store", Plain::<String, String>::new());
    /// let both = names.join("address", &cities, |_, name, city| format!("{name}, {city}"));
    /// both.to_stream("changes").to("addresses", Plain::<String, Option<String>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn join<V2: Clone + 'static, O: 'static>(
        &self,
        name: &str,
        other: &KTable<K, V2>,
        join: impl Fn(&K, &V, &V2) -> O + Send + Sync + 'static,
    ) -> KTable<K, O> {
        let join = move |key: &K, a: Option<&V>, b: Option<&V2>| Some(join(key, a?, b?));
        self.join_as(name, other, Arc::new(join), (false, false))
    }

    /// Joins each row with the other table's row of its key, or with `None`.
    pub fn left_join<V2: Clone + 'static, O: 'static>(
        &self,
        name: &str,
        other: &KTable<K, V2>,
        join: impl Fn(&K, &V, Option<&V2>) -> O + Send + Sync + 'static,
    ) -> KTable<K, O> {
        let join = move |key: &K, a: Option<&V>, b: Option<&V2>| Some(join(key, a?, b));
        self.join_as(name, other, Arc::new(join), (true, false))
    }

    /// Joins the rows of every key that is in either table.
    pub fn outer_join<V2: Clone + 'static, O: 'static>(
        &self,
        name: &str,
        other: &KTable<K, V2>,
        join: impl Fn(&K, Option<&V>, Option<&V2>) -> O + Send + Sync + 'static,
    ) -> KTable<K, O> {
        let join = move |key: &K, a: Option<&V>, b: Option<&V2>| (a.is_some() || b.is_some()).then(|| join(key, a, b));
        self.join_as(name, other, Arc::new(join), (true, true))
    }

    fn join_as<V2: Clone + 'static, O: 'static>(
        &self,
        name: &str,
        other: &KTable<K, V2>,
        join: Joiner<K, V, V2, O>,
        (left_alone, right_alone): (bool, bool),
    ) -> KTable<K, O> {
        let old = OldValues::from_above(vec![self.old.clone(), other.old.clone()]);
        if left_alone {
            self.old.want();
        }
        if right_alone {
            other.old.want();
        }
        let flipped = join.clone();
        let flipped: Joiner<K, V2, V, O> = Arc::new(move |key, b, a| flipped(key, a, b));
        let left = Side { other: other.reads(), join: join.clone(), alone: left_alone, old: old.clone() };
        let right = Side { other: self.reads(), join: flipped, alone: right_alone, old: old.clone() };
        let rows = JoinedRows { left: self.reads(), right: other.reads(), join };
        let this_side = self.follow(&format!("{name}-left"), &other.rows.stores(), move || left.clone());
        let other_side = other.follow(&format!("{name}-right"), &self.rows.stores(), move || right.clone());
        let pass = || TypedNode::boxed(each(|cx, record: Record<K, Change<O>>| cx.forward(record)));
        let mut graph = self.builder.0.borrow_mut();
        graph.co_partition(name, &[self.node, other.node]);
        let node = graph.add(name, NodeKind::Processor, &[this_side, other_side], Arc::new(pass));
        drop(graph);
        KTable { builder: self.builder.clone(), node, rows: Arc::new(rows), old, closes_after: None }
    }
}

/// One side of a join, which looks up the other when a row changes.
struct Side<K, A, B, O> {
    other: Arc<dyn Lookup<K, B>>,
    join: Joiner<K, A, B, O>,
    /// Whether a row of this side has a result without the other.
    alone: bool,
    old: OldValues,
}

impl<K, A, B, O> Clone for Side<K, A, B, O> {
    fn clone(&self) -> Self {
        Self { other: self.other.clone(), join: self.join.clone(), alone: self.alone, old: self.old.clone() }
    }
}

impl<K: 'static, A: 'static, B: 'static, O: 'static> Processor<K, Change<A>, K, Change<O>> for Side<K, A, B, O> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Change<O>>,
        record: Record<K, Change<A>>,
    ) -> Result<(), ProcessError> {
        let Record { key, value, timestamp, headers } = record;
        if !value.is_latest {
            return Ok(());
        }
        let row = self.other.get(cx.raw(), &key, None)?;
        let changes = value.new.is_some() || value.old.is_some();
        if row.is_none() && !(self.alone && changes) {
            return Ok(());
        }
        let timestamp = row.as_ref().map_or(timestamp, |row| timestamp.max(row.timestamp));
        let other = row.as_ref().map(|row| &row.value);
        // A join with a row of the other side alone is the other side's result, which this side does not change.
        let new = (self.join)(&key, value.new.as_ref(), other);
        let old = if self.old.are_wanted() { (self.join)(&key, value.old.as_ref(), other) } else { None };
        cx.forward(Record { key, value: Change::new(new, old), timestamp, headers })
    }
}

/// Rows of a join, computed from those of its sides.
struct JoinedRows<K, A, B, O> {
    left: Arc<dyn Lookup<K, A>>,
    right: Arc<dyn Lookup<K, B>>,
    join: Joiner<K, A, B, O>,
}

impl<K: 'static, A: 'static, B: 'static, O: 'static> Lookup<K, O> for JoinedRows<K, A, B, O> {
    fn get(&self, cx: &mut NodeContext<'_>, key: &K, time: Option<Timestamp>) -> Result<Option<Row<O>>, ProcessError> {
        let (left, right) = (self.left.get(cx, key, time)?, self.right.get(cx, key, time)?);
        let timestamps = [left.as_ref().map(|row| row.timestamp), right.as_ref().map(|row| row.timestamp)];
        let Some(timestamp) = timestamps.into_iter().flatten().max() else { return Ok(None) };
        let value = (self.join)(key, left.as_ref().map(|row| &row.value), right.as_ref().map(|row| &row.value));
        Ok(value.map(|value| Row { value, timestamp }))
    }

    fn stores(&self) -> Vec<StoreName> {
        [self.left.stores(), self.right.stores()].concat()
    }
}
