//! `KTable`: the newest value of each key, under construction.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::StreamsBuilder;
use super::change::{Change, OldValues};
use super::closing::Closes;
use super::lookup::Lookup;
use crate::names::StoreName;
use crate::processor::Processor;
use crate::record::Record;

use crate::task::node::TypedNode;
use crate::topology::graph::NodeKind;

/// A partitioned table: each task holds the newest value of each key of its own partition. Operators borrow it, so one
/// table may be used many times. Its changes can be followed with `to_stream`.
pub struct KTable<K, V> {
    pub(super) builder: StreamsBuilder,
    pub(super) node: usize,
    pub(super) rows: Arc<dyn Lookup<K, V>>,
    pub(super) old: OldValues,
    /// When a row is final, for windowed tables.
    pub(super) closes_after: Option<Closes>,
}

impl<K, V> Clone for KTable<K, V> {
    fn clone(&self) -> Self {
        Self {
            builder: self.builder.clone(),
            node: self.node,
            rows: self.rows.clone(),
            old: self.old.clone(),
            closes_after: self.closes_after,
        }
    }
}

impl<K, V> fmt::Debug for KTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KTable").field("node", &self.builder.0.borrow().node_name(self.node)).finish_non_exhaustive()
    }
}

impl<K: 'static, V: 'static> KTable<K, V> {
    /// Adds a processor of the table's changes that is connected to `stores`; returns its node.
    pub(super) fn follow<K2: 'static, V2: 'static, P>(
        &self,
        name: &str,
        stores: &[StoreName],
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> usize
    where
        P: Processor<K, Change<V>, K2, V2> + 'static,
        K: Clone,
        V: Clone,
    {
        let make = Arc::new(move || TypedNode::boxed(make()));
        let mut graph = self.builder.0.borrow_mut();
        graph.copies(self.node, clone_change::<K, V>);
        let node = graph.add(name, NodeKind::Processor, &[self.node], make);
        graph.connect(node, stores);
        node
    }

    /// The table's row of `key`, for a node connected to its stores.
    pub(super) fn reads(&self) -> Arc<dyn Lookup<K, V>> {
        self.rows.clone()
    }
}

pub(super) fn clone_change<K: Clone + 'static, V: Clone + 'static>(slot: &dyn Any) -> Option<Box<dyn Any>> {
    let record = slot.downcast_ref::<Option<Record<K, Change<V>>>>()?;
    Some(Box::new(record.clone()))
}
