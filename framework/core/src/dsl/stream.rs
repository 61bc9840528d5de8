//! `KStream`: a stream of typed records under construction.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::StreamsBuilder;
use crate::processor::Processor;
use crate::record::Record;
use crate::task::node::TypedNode;
use crate::topology::graph::NodeKind;

/// A stream of records with keys of `K` and values of `V`, as in Kafka Streams. Operators take it by value and return
/// the stream that they make; clone it to use it twice (records are then copied, so `K` and `V` must be `Clone`).
#[must_use = "a stream does nothing until it ends in a sink, a store or for_each"]
pub struct KStream<K, V> {
    pub(super) builder: StreamsBuilder,
    pub(super) node: usize,
    /// The operator that changed the key since the last topic, if any: joins then need a topic in between.
    pub(super) key_changed_by: Option<Arc<str>>,
    pub(super) types: PhantomData<fn() -> (K, V)>,
}

impl<K: 'static, V: 'static> KStream<K, V> {
    pub(super) fn new(builder: StreamsBuilder, node: usize) -> Self {
        Self { builder, node, key_changed_by: None, types: PhantomData }
    }

    /// The builder that this stream belongs to; for operators outside this crate.
    pub fn builder(&self) -> StreamsBuilder {
        self.builder.clone()
    }

    /// States that every record still has the key that it had in the last topic, or one that lies in the same partition,
    /// although an operator above counts as changing it: no repartition follows then. A processor that keeps the key is
    /// the usual reason.
    pub fn key_is_kept(self) -> Self {
        Self { key_changed_by: None, ..self }
    }

    /// Marks records that fail above this point, since the last topic, as dead letters by default (instead of stopping the task).
    pub fn dead_letters_by_default(self) -> Self {
        if let Some(node) = self.builder.0.borrow_mut().nodes.get_mut(self.node) {
            node.dead_letters_by_default = true;
        }
        self
    }

    /// Adds a processor below; the result has the same key unless `changes_key`.
    pub(super) fn then<K2: 'static, V2: 'static, P>(
        self,
        name: &str,
        changes_key: bool,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> KStream<K2, V2>
    where
        P: Processor<K, V, K2, V2> + 'static,
    {
        let make = Arc::new(move || TypedNode::boxed(make()));
        let node = self.builder.0.borrow_mut().add(name, NodeKind::Processor, &[self.node], make);
        let key_changed_by = if changes_key { Some(Arc::from(name)) } else { self.key_changed_by };
        KStream { builder: self.builder, node, key_changed_by, types: PhantomData }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Clone for KStream<K, V> {
    fn clone(&self) -> Self {
        if let Some(node) = self.builder.0.borrow_mut().nodes.get_mut(self.node) {
            node.clone_slot = Some(clone_slot::<K, V>);
        }
        Self {
            builder: self.builder.clone(),
            node: self.node,
            key_changed_by: self.key_changed_by.clone(),
            types: PhantomData,
        }
    }
}

fn clone_slot<K: Clone + 'static, V: Clone + 'static>(slot: &dyn Any) -> Option<Box<dyn Any>> {
    let record = slot.downcast_ref::<Option<Record<K, V>>>()?;
    Some(Box::new(record.clone()))
}

impl<K, V> fmt::Debug for KStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KStream").field("node", &self.builder.0.borrow().node_name(self.node)).finish_non_exhaustive()
    }
}
