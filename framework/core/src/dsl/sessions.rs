//! `sessions`: aggregation within windows of activity.

use std::sync::Arc;
use std::time::Duration;

use super::aggregate::{integers, stored};
use super::change::OldValues;
use super::closing::{Closes, Closure};
use super::codec::Codec;
use super::emit::{Emit, Late, Outlet};
use super::fold::{self, Fold, Merge};
use super::lookup::SessionRows;
use super::session_fold::{SessionFold, add_sessions};
use super::windowed::{late_output, retention, slack, split_late};
use super::{KGroupedStream, KStream, KTable, Materialized, StreamsBuilder};
use crate::serde::Serdes;
use crate::state::StoreSpec;
use crate::time::millis;
use crate::window::{SessionWindows, Windowed};

/// A grouped stream within sessions, ready to be aggregated. Two sessions that a record brings together become one: each
/// old one gets a tombstone, oldest first, then the new one follows.
#[must_use = "a windowed stream does nothing until it is aggregated"]
#[derive(Debug)]
pub struct SessionWindowedKStream<K, V> {
    grouped: KGroupedStream<K, V>,
    windows: SessionWindows,
    emit: Emit,
    idle: Option<i64>,
    late: Option<usize>,
}

impl<K: 'static, V: 'static> SessionWindowedKStream<K, V> {
    pub(super) fn new(grouped: KGroupedStream<K, V>, windows: SessionWindows) -> Self {
        Self { grouped, windows, emit: Emit::OnUpdate, idle: None, late: None }
    }

    /// Gives late records as a stream of their own, each with the session that it missed.
    pub fn late(self, name: &str) -> (Self, KStream<K, Late<V>>) {
        let (node, stream) = late_output(&self.grouped.stream, name);
        (Self { late: Some(node), ..self }, stream)
    }

    /// Closes windows on idle input too: after `after` of wall-clock time without a record on the topics above, stream time
    /// follows the wall clock until there is one again. Windows that so come to an end are sent when they close
    /// ([`Emit::OnClose`], or [`suppress_until_closed`](KTable::suppress_until_closed) below), and what comes for them
    /// later is late. Kafka Streams has no such option.
    ///
    /// Grace is what covers the delay between event time and wall clock. A backlog, a broker out of reach and a record
    /// that waits are not idle; what still lies on the way in an earlier sub-topology is not seen. An operator that has
    /// never had a record stays where it is. The clock is looked at every second, or every `after` where that is shorter.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{Emit, StreamsBuilder}, serde::{Plain, SessionWindowed}, time::{minutes, seconds}, window::SessionWindows};
    /// let app = StreamsBuilder::new("visits");
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .group_by_key("by-page", Plain::new())
    ///     .sessions(SessionWindows::gap(minutes(30)))
    ///     .emit(Emit::on_close())
    ///     .close_when_idle(seconds(10))
    ///     .count("counts")
    ///     .to_stream("final")
    ///     .to("out", SessionWindowed::new(Plain::<String, Option<i64>>::new()));
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn close_when_idle(self, after: Duration) -> Self {
        Self { idle: Some(millis(after)), ..self }
    }

    /// When results go downstream (default: at every change).
    pub fn emit(self, emit: Emit) -> Self {
        Self { emit, ..self }
    }
}

impl<K: Clone + 'static, V: 'static> SessionWindowedKStream<K, V> {
    /// Counts the records of each session, those with null values too.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::{Plain, SessionWindowed}, time::minutes, window::SessionWindows};
    /// let app = StreamsBuilder::new("visits");
    /// app.stream("clicks", Plain::<String, String>::new())
    ///     .group_by_key("by-user", Plain::new())
    ///     .sessions(SessionWindows::gap(minutes(30)))
    ///     .count("clicks-per-visit")
    ///     .to_stream("changes")
    ///     .to("out", SessionWindowed::new(Plain::<String, Option<i64>>::new()));
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn count(self, store: impl Into<Materialized>) -> KTable<Windowed<K>, i64> {
        let values = integers(&self.grouped.codec);
        let merge: Merge<K, i64> = Arc::new(|_, a, b| Some(a.unwrap_or(0).wrapping_add(b)));
        self.fold("count", &store.into(), fold::count(), merge, &values)
    }

    /// Combines the values of each session, and the results of sessions that become one.
    pub fn reduce<R: Into<Option<V>> + 'static>(
        self,
        store: impl Into<Materialized>,
        reduce: impl Fn(V, &V) -> R + Send + Sync + 'static,
    ) -> KTable<Windowed<K>, V>
    where
        V: Clone,
    {
        let values = self.grouped.codec.clone();
        let reduce = Arc::new(reduce);
        let merging = reduce.clone();
        let merge: Merge<K, V> = Arc::new(move |_, a, b| match a {
            Some(a) => merging(a, &b).into(),
            None => Some(b),
        });
        self.fold("reduce", &store.into(), fold::reduce(reduce), merge, &values)
    }

    /// Begins each session with `init`, adds each value, and merges the results of sessions that become one, oldest
    /// first; the merge begins with `init` too.
    pub fn aggregate<A: 'static, R: Into<Option<A>> + 'static>(
        self,
        store: impl Into<Materialized>,
        init: impl Fn() -> A + Send + Sync + 'static,
        add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        serdes: impl Serdes<K, A> + 'static,
    ) -> KTable<Windowed<K>, A> {
        let init: Arc<dyn Fn() -> A + Send + Sync> = Arc::new(init);
        let first = init.clone();
        let merge: Merge<K, A> = Arc::new(move |key, a, b| Some(merge(key, a.unwrap_or_else(|| first()), b)));
        self.fold("aggregate", &store.into(), fold::aggregate(init, add), merge, &Codec::new("", serdes))
    }

    fn fold<A: 'static>(
        self,
        what: &str,
        store: &Materialized,
        fold: Fold<K, V, A>,
        merge: Merge<K, A>,
        results: &Codec<K, A>,
    ) -> KTable<Windowed<K>, A> {
        let builder = self.grouped.stream.builder.clone();
        let results = stored(&builder, store, session_spec(&builder, store, self.windows), results);
        let (name, old) = (format!("{what}-{}", store.name), OldValues::default());
        let parts = SessionFold {
            inputs: self.grouped.codec.clone(),
            results: results.clone(),
            fold,
            merge,
            store: store.name.clone(),
            old: old.clone(),
            windows: self.windows,
            outlet: Outlet { splits: self.late.is_some() },
        };
        let after = self.windows.gap.saturating_add(self.windows.grace);
        let closure = Closure { emit: self.emit, idle: self.idle, slack: slack(store, after) };
        let node = add_sessions(&builder, &name, self.grouped.stream.node, parts, closure);
        let node = split_late::<Windowed<K>, A>(&builder, node, &name, self.late);
        KTable {
            builder,
            node,
            rows: Arc::new(SessionRows { codec: results, store: store.name.clone() }),
            old,
            closes_after: Some(Closes { after, idle: self.idle }),
        }
    }
}

pub(super) fn session_spec(builder: &StreamsBuilder, store: &Materialized, windows: SessionWindows) -> StoreSpec {
    let least = windows.gap.saturating_add(windows.grace);
    let retention = retention(builder, store, least, least);
    StoreSpec::session(store.name.clone(), Duration::from_millis(retention.unsigned_abs()))
}
