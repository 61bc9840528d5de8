//! `join_stream`, `left_join_stream`, `outer_join_stream`: two streams within a window of time.
//!
//! Both sides are kept in window stores by the time of their records, duplicates too. Source: Kafka Streams, KIP-633 and
//! KIP-962 (null keys).

use std::sync::Arc;
use std::time::Duration;

use super::KStream;
use super::codec::Codec;
use super::join_self::{SelfJoin, pairing};
use super::join_side::{JoinParts, JoinSide, Match};
use super::join_waiting::Waiting;
use super::process::each;
use crate::names::StoreName;
use crate::record::Record;
use crate::serde::Serdes;
use crate::state::{StoreSpec, WindowOptions};
use crate::task::node::TypedNode;
use crate::time::millis;
use crate::topology::graph::NodeKind;
use crate::topology::{TopologyFault, changelog_topic};
use crate::window::JoinWindows;

/// How two streams are joined, and how their records are kept. The stores are named after the join:
/// `{name}-left`, `{name}-right`, and `{name}-waiting` where a side is padded.
#[derive(Clone, Debug)]
pub struct StreamJoined<L, R> {
    left: L,
    right: R,
    windows: JoinWindows,
    emit_every: Duration,
}

impl<L, R> StreamJoined<L, R> {
    /// A join within `windows` that keeps left records with the serdes `left`, right ones with `right`.
    pub fn within(windows: JoinWindows, left: L, right: R) -> Self {
        Self { left, right, windows, emit_every: Duration::from_secs(1) }
    }

    /// How much wall-clock time passes between two looks for records that found no match (default: a second, as in Kafka
    /// Streams). Zero looks at every record.
    #[must_use]
    pub fn emit_every(self, emit_every: Duration) -> Self {
        Self { emit_every, ..self }
    }
}

/// Which records are padded with `None` when they find no match.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Padded {
    left: bool,
    right: bool,
}

impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    /// Joins each left record with every right record of its key within the windows, as they come. Results bear the larger
    /// timestamp of both. Records with a null key or value are dropped. A stream that is joined with itself is kept once, in
    /// the store of the left side. A side whose key was changed goes through
    /// `<application>-<name>-left-repartition` or `<application>-<name>-right-repartition`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{StreamJoined, StreamsBuilder}, serde::Plain, time::minutes, window::JoinWindows};
    /// let app = StreamsBuilder::new("conversions");
    /// let shown = app.stream("shown", Plain::<String, String>::new());
    /// let clicked = app.stream("clicked", Plain::<String, String>::new());
    /// let within = StreamJoined::within(JoinWindows::of(minutes(5)), Plain::new(), Plain::new());
    /// shown.join_stream("conversion", clicked, within, |_, ad, page| format!("{ad} on {page}")).to("out", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn join_stream<R: Clone + 'static, O: 'static>(
        self,
        name: &str,
        right: KStream<K, R>,
        joined: StreamJoined<impl Serdes<K, V> + 'static, impl Serdes<K, R> + 'static>,
        join: impl Fn(&K, &V, &R) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        let join = move |key: &K, left: Option<&V>, right: Option<&R>| Some(join(key, left?, right?));
        self.join_as(name, right, joined, Arc::new(join), Padded { left: false, right: false })
    }

    /// Like [`join_stream`](Self::join_stream), and joins a left record that found no match with `None`: once no match can
    /// come any more, which needs a record that moves stream time past the windows and their grace. A left record with a
    /// null key is joined with `None` at once.
    pub fn left_join_stream<R: Clone + 'static, O: 'static>(
        self,
        name: &str,
        right: KStream<K, R>,
        joined: StreamJoined<impl Serdes<K, V> + 'static, impl Serdes<K, R> + 'static>,
        join: impl Fn(&K, &V, Option<&R>) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        let join = move |key: &K, left: Option<&V>, right: Option<&R>| Some(join(key, left?, right));
        self.join_as(name, right, joined, Arc::new(join), Padded { left: true, right: false })
    }

    /// Like [`left_join_stream`](Self::left_join_stream), for both sides.
    pub fn outer_join_stream<R: Clone + 'static, O: 'static>(
        self,
        name: &str,
        right: KStream<K, R>,
        joined: StreamJoined<impl Serdes<K, V> + 'static, impl Serdes<K, R> + 'static>,
        join: impl Fn(&K, Option<&V>, Option<&R>) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        let join = move |key: &K, left: Option<&V>, right: Option<&R>| Some(join(key, left, right));
        self.join_as(name, right, joined, Arc::new(join), Padded { left: true, right: true })
    }

    fn join_as<R: Clone + 'static, O: 'static>(
        self,
        name: &str,
        right: KStream<K, R>,
        joined: StreamJoined<impl Serdes<K, V> + 'static, impl Serdes<K, R> + 'static>,
        join: Match<K, V, R, O>,
        padded: Padded,
    ) -> KStream<K, O> {
        let builder = self.builder.clone();
        let windows = joined.windows;
        if let Some(cause) = windows.fault() {
            builder.fault(TopologyFault::InvalidWindow { cause });
        }
        let [left_rows, right_rows, waiting] = ["left", "right", "waiting"].map(|side| store_name(name, side));
        let (left_codec, right_codec) = (Codec::new("", joined.left), Codec::new("", joined.right));
        let pads = padded.left || padded.right;
        let itself = (self.node == right.node && !pads).then(|| pairing(&join)).flatten();
        let left = self.brought_by(left_rows.as_str(), left_codec.clone(), padded.left);
        if let Some(join) = itself {
            let codec = left.buffer(&left_rows, windows, &left_codec);
            return SelfJoin { store: left_rows, codec, join, windows }.add_to(&builder, name, left.node);
        }
        let right = right.brought_by(right_rows.as_str(), right_codec.clone(), padded.right);
        let left_codec = left.buffer(&left_rows, windows, &left_codec);
        let right_codec = right.buffer(&right_rows, windows, &right_codec);
        let waiting = pads.then(|| {
            builder.state_store(StoreSpec::key_value(waiting.clone()).remembers_results());
            Waiting::new(&waiting, windows, millis(joined.emit_every))
        });
        let flipped = join.clone();
        let flipped: Match<K, R, V, O> = Arc::new(move |key, right, left| flipped(key, left, right));
        let parts = JoinParts {
            own: left_rows.clone(),
            own_codec: left_codec.clone(),
            other: right_rows.clone(),
            other_codec: right_codec.clone(),
            join,
            reach: (windows.before, windows.after),
            is_left: true,
            pads: padded.left,
            waiting: waiting.clone(),
        };
        let left_node = parts.clone().add_to(&builder, &format!("{name}-left"), left.node);
        let mirrored = JoinParts {
            own: right_rows,
            own_codec: right_codec,
            other: left_rows,
            other_codec: left_codec,
            join: flipped,
            reach: (windows.after, windows.before),
            is_left: false,
            pads: padded.right,
            waiting,
        };
        let right_node = mirrored.add_to(&builder, &format!("{name}-right"), right.node);
        let pass = || TypedNode::boxed(each(|cx, record: Record<K, O>| cx.forward(record)));
        let mut graph = builder.0.borrow_mut();
        graph.co_partition(name, &[left.node, right.node]);
        let node = graph.add(name, NodeKind::Processor, &[left_node, right_node], Arc::new(pass));
        drop(graph);
        KStream::new(builder, node)
    }

    /// Adds the store that keeps this side's records.
    fn buffer(&self, store: &StoreName, windows: JoinWindows, codec: &Codec<K, V>) -> Codec<K, V> {
        let options = WindowOptions { retention_ms: windows.retention(), duplicates: true, timestamped: false };
        self.builder.state_store(StoreSpec::window(store.clone(), options));
        let mut graph = self.builder.0.borrow_mut();
        let codec = codec.of_topic(changelog_topic(&graph.app, store));
        graph.formats.push(codec.format());
        codec
    }
}

fn store_name(join: &str, side: &str) -> StoreName {
    StoreName::from(format!("{join}-{side}"))
}

impl<K: Clone + 'static, A: Clone + 'static, B: 'static, O: 'static> JoinParts<K, A, B, O> {
    fn add_to(self, builder: &super::StreamsBuilder, name: &str, input: usize) -> usize {
        let mut stores = vec![self.own.clone(), self.other.clone()];
        stores.extend(self.waiting.as_ref().map(|waiting| waiting.store.clone()));
        let make = Arc::new(move || TypedNode::boxed(JoinSide::new(self.clone())));
        let mut graph = builder.0.borrow_mut();
        let node = graph.add(name, NodeKind::Processor, &[input], make);
        graph.connect(node, &stores);
        node
    }
}
