//! A join of a stream with itself, in one store.
//!
//! The results are those of two sides, in their order: the record as the left one with those before it, then those before
//! it, and the record itself in its place among them, as the left ones with the record. Source: Kafka Streams (the
//! self-join of `topology.optimization`).

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use super::codec::Codec;
use super::join_side::Match;
use super::{KStream, StreamsBuilder};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::task::node::TypedNode;
use crate::time::Timestamp;
use crate::topology::graph::NodeKind;
use crate::window::JoinWindows;

/// What two records of one stream make, the left one first.
type Pairing<K, V, O> = Arc<dyn Fn(&K, &V, &V) -> Option<O> + Send + Sync>;

/// A join of two streams as one of a stream with itself; `None` when their values are of different types.
pub(super) fn pairing<K: 'static, V: 'static, R: 'static, O: 'static>(
    join: &Match<K, V, R, O>,
) -> Option<Pairing<K, V, O>> {
    let join = join.clone();
    let is_same = std::any::TypeId::of::<V>() == std::any::TypeId::of::<R>();
    is_same.then(|| {
        let pairing: Pairing<K, V, O> = Arc::new(move |key, left, right| {
            let right: &dyn Any = right;
            join(key, Some(left), Some(right.downcast_ref::<R>()?))
        });
        pairing
    })
}

/// What the join is made of.
pub(super) struct SelfJoin<K, V, O> {
    pub(super) store: StoreName,
    pub(super) codec: Codec<K, V>,
    pub(super) join: Pairing<K, V, O>,
    pub(super) windows: JoinWindows,
}

impl<K, V, O> Clone for SelfJoin<K, V, O> {
    fn clone(&self) -> Self {
        let (store, codec, join) = (self.store.clone(), self.codec.clone(), self.join.clone());
        Self { store, codec, join, windows: self.windows }
    }
}

type Context<'c, 'n, 't, K, O> = &'c mut ProcessorContext<'n, 't, K, O>;

impl<K: Clone + 'static, V: Clone + 'static, O: 'static> SelfJoin<K, V, O> {
    /// Adds the join's only node.
    pub(super) fn add_to(self, builder: &StreamsBuilder, name: &str, input: usize) -> KStream<K, O> {
        let store = self.store.clone();
        let make = Arc::new(move || TypedNode::boxed(self.clone()));
        let mut graph = builder.0.borrow_mut();
        let node = graph.add(name, NodeKind::Processor, &[input], make);
        graph.connect(node, &[store]);
        drop(graph);
        KStream::new(builder.clone(), node)
    }

    /// The stored records up to `before` before the record and up to `after` after it, by time.
    fn stored(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        key: &Bytes,
        time: Timestamp,
        (before, after): (i64, i64),
    ) -> Result<Vec<(Timestamp, V)>, ProcessError> {
        let at = |ms: i64| Timestamp::from_millis(ms.max(0));
        let (from, to) = (time.as_millis().saturating_sub(before), time.as_millis().saturating_add(after));
        let found = cx.window(self.store.as_str())?.fetch(key, at(from), at(to))?;
        found.iter().map(|(at, bytes)| Ok((*at, self.codec.read_value(bytes)?))).collect()
    }

    fn send(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        record: &Record<K, V>,
        (left, right): (&V, &V),
        timestamp: Timestamp,
    ) -> Result<(), ProcessError> {
        let Some(value) = (self.join)(&record.key, left, right) else { return Ok(()) };
        cx.forward(Record { key: record.key.clone(), value, timestamp, headers: record.headers.clone() })
    }

    /// The record as the left one, then it is kept, then the record as the right one, with itself among the left ones.
    fn join(&self, cx: Context<'_, '_, '_, K, O>, record: &Record<K, V>, key: &Bytes) -> Result<(), ProcessError> {
        let JoinWindows { before, after, .. } = self.windows;
        let (own, time) = (&record.value, record.timestamp);
        for (at, other) in self.stored(cx, key, time, (before, after))? {
            self.send(cx, record, (own, &other), time.max(at))?;
        }
        let value = self.codec.value(own)?;
        cx.window(self.store.as_str())?.put(key.clone(), time, value)?;
        for (at, other) in self.stored(cx, key, time, (after, before))? {
            self.send(cx, record, (&other, own), time.max(at))?;
        }
        Ok(())
    }
}

impl<K: Clone + 'static, V: Clone + 'static, O: 'static> Processor<K, V, K, O> for SelfJoin<K, V, O> {
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, K, O>, record: Record<K, V>) -> Result<(), ProcessError> {
        if self.codec.is_null(&record.value) {
            cx.count("null_value");
            return Ok(());
        }
        let Some(key) = self.codec.key(&record.key)? else {
            cx.count("null_key");
            return Ok(());
        };
        self.join(cx, &record, &key)
    }
}
