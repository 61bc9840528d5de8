//! `join_foreign` and `left_join_foreign`: a table joined with another by a key in its rows (KIP-213).
//!
//! A left row subscribes to the right row of its foreign key by way of
//! `<application>-<name>-subscription-registration-topic`; the right side answers by way of
//! `<application>-<name>-subscription-response-topic`, now and at every change. So the two tables need not have equal
//! numbers of partitions. An answer to an older value of the left row is known by a hash, and dropped.

use std::sync::Arc;

use bytes::Bytes;

use super::codec::Codec;
use super::foreign_left::{Extract, Resolver, Subscriber};
use super::foreign_right::{Changed, Registrar};
use super::repartition::requirement;
use super::{KStream, KTable, Materialized, StreamsBuilder};
use crate::names::{StoreName, TopicName};
use crate::serde::{Plain, Serdes};
use crate::state::StoreSpec;
use crate::task::node::TypedNode;
use crate::topology::graph::NodeKind;

/// How the rows of a foreign-key join travel, and where its results are kept.
#[derive(Clone, Debug)]
pub struct ForeignJoined<L, R, O> {
    left: L,
    right: R,
    store: Materialized,
    results: O,
}

impl<L, R, O> ForeignJoined<L, R, O> {
    /// Left rows are written with `left`, right ones with `right`; results are kept in `store` with `results`.
    pub fn new(left: L, right: R, store: impl Into<Materialized>, results: O) -> Self {
        Self { left, right, store: store.into(), results }
    }
}

/// What two rows make; `None` where the kind of join leaves the row out.
pub(super) type Joiner<K, V, R, O> = Arc<dyn Fn(&K, &V, Option<&R>) -> Option<O> + Send + Sync>;
/// What names the foreign key, and what joins.
type Functions<K, V, K2, V2, O> = (Extract<K, V, K2>, Joiner<K, V, V2, O>);
/// Messages between the sides.
type Messages<K> = Plain<K, Bytes>;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Joins each row with the row of the other table that `foreign` names; `None` names none. A change on either side
    /// changes the result. A right row that changes sends the results of its left rows in the order of their keys' bytes.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{ForeignJoined, StreamsBuilder}, serde::Plain};
    /// let app = StreamsBuilder::new("staff");
    /// let homes = app.table("homes", "homes-store", Plain::<String, String>::new());
    /// let countries = app.table("countries", "countries-store", Plain::<String, String>::new());
    /// let joined = ForeignJoined::new(Plain::new(), Plain::new(), "origins", Plain::new());
    /// let origins = homes.join_foreign("origin", &countries, joined, |_, city| Some(city.clone()), |_, city, country| {
    ///     format!("{city}, {country}")
    /// });
    /// origins.to_stream("changes").to("out", Plain::<String, Option<String>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn join_foreign<K2: Clone + 'static, V2: Clone + 'static, O: Clone + 'static>(
        &self,
        name: &str,
        other: &KTable<K2, V2>,
        joined: ForeignJoined<
            impl Serdes<K, V> + 'static,
            impl Serdes<K2, V2> + 'static,
            impl Serdes<K, O> + Clone + 'static,
        >,
        foreign: impl Fn(&K, &V) -> Option<K2> + Send + Sync + 'static,
        join: impl Fn(&K, &V, &V2) -> O + Send + Sync + 'static,
    ) -> KTable<K, O> {
        let join = move |key: &K, value: &V, row: Option<&V2>| Some(join(key, value, row?));
        self.foreign(name, other, joined, (Arc::new(foreign), Arc::new(join)), false)
    }

    /// Like [`join_foreign`](Self::join_foreign), with `None` for a missing row.
    pub fn left_join_foreign<K2: Clone + 'static, V2: Clone + 'static, O: Clone + 'static>(
        &self,
        name: &str,
        other: &KTable<K2, V2>,
        joined: ForeignJoined<
            impl Serdes<K, V> + 'static,
            impl Serdes<K2, V2> + 'static,
            impl Serdes<K, O> + Clone + 'static,
        >,
        foreign: impl Fn(&K, &V) -> Option<K2> + Send + Sync + 'static,
        join: impl Fn(&K, &V, Option<&V2>) -> O + Send + Sync + 'static,
    ) -> KTable<K, O> {
        let join = move |key: &K, value: &V, row: Option<&V2>| Some(join(key, value, row));
        self.foreign(name, other, joined, (Arc::new(foreign), Arc::new(join)), true)
    }

    fn foreign<K2: Clone + 'static, V2: Clone + 'static, O: Clone + 'static>(
        &self,
        name: &str,
        other: &KTable<K2, V2>,
        joined: ForeignJoined<
            impl Serdes<K, V> + 'static,
            impl Serdes<K2, V2> + 'static,
            impl Serdes<K, O> + Clone + 'static,
        >,
        (foreign, join): Functions<K, V, K2, V2, O>,
        is_left: bool,
    ) -> KTable<K, O> {
        let builder = self.builder.clone();
        let [ask, answer] = ["registration", "response"]
            .map(|part| TopicName::from(format!("{}-{name}-subscription-{part}-topic", builder.app())));
        let subscriptions = StoreName::from(format!("{name}-subscriptions"));
        builder.state_store(StoreSpec::timestamped_key_value(subscriptions.clone()));
        let left = codec(&builder, &ask, joined.left);
        let right = codec(&builder, &answer, joined.right);
        self.old.want();
        let subscriber = Subscriber { left: left.clone(), right: right.clone(), foreign, is_left };
        let asking = self.follow(&format!("{name}-subscribe"), &[], move || subscriber.clone());
        let asked = between::<Option<Bytes>>(&builder, asking, &ask, &[other.node]);

        let stores = [vec![subscriptions.clone()], other.rows.stores()].concat();
        let registrar = Registrar { right: right.clone(), rows: other.reads(), subscriptions: subscriptions.clone() };
        let registered = add(&builder, &format!("{name}-register"), asked.node, &stores, registrar);
        let changed = Changed { right: right.clone(), subscriptions: subscriptions.clone() };
        let changes = other.follow(&format!("{name}-changed"), &[subscriptions], move || changed.clone());
        let changes: KStream<Bytes, Bytes> = KStream::new(builder.clone(), changes);
        changes.write_internal(&answer, Messages::<Bytes>::new(), true);
        let answered = between::<Bytes>(&builder, registered, &answer, &[self.node]);

        let resolver = Resolver { left, right, rows: self.reads(), join };
        let resolved = add(&builder, name, answered.node, &self.rows.stores(), resolver);
        let results: KStream<K, Option<O>> = KStream::new(builder, resolved);
        results.to_table(joined.store, joined.results)
    }
}

/// The codec of one side's rows.
fn codec<K: 'static, V: 'static>(
    builder: &StreamsBuilder,
    topic: &TopicName,
    serdes: impl Serdes<K, V> + 'static,
) -> Codec<K, V> {
    let codec = Codec::new(topic.clone(), serdes);
    builder.0.borrow_mut().formats.push(codec.format());
    codec
}

/// Adds a processor that is its own template.
fn add<KI: 'static, VI: 'static, KO: 'static, VO: 'static, P>(
    builder: &StreamsBuilder,
    name: &str,
    parent: usize,
    stores: &[StoreName],
    processor: P,
) -> usize
where
    P: crate::processor::Processor<KI, VI, KO, VO> + Clone + Sync + 'static,
{
    let make = Arc::new(move || TypedNode::boxed(processor.clone()));
    let mut graph = builder.0.borrow_mut();
    let node = graph.add(name, NodeKind::Processor, &[parent], make);
    graph.connect(node, stores);
    node
}

/// Messages of `node` by way of an internal topic that has as many partitions as the topics above `others`.
fn between<K: crate::serde::KeyCodec>(
    builder: &StreamsBuilder,
    node: usize,
    topic: &TopicName,
    others: &[usize],
) -> KStream<K, Bytes> {
    builder.require(requirement(topic, None));
    let stream: KStream<K, Bytes> = KStream::new(builder.clone(), node);
    stream.write_internal(topic, Messages::<K>::new(), false);
    let read = builder.stream_of(topic, Messages::<K>::new());
    let nodes: Vec<_> = others.iter().copied().chain([read.node]).collect();
    builder.0.borrow_mut().co_partition(topic.as_str(), &nodes);
    read
}
