//! `suppress_until` and `suppress_until_closed`: fewer changes of a table, held back in a buffer.
//!
//! The buffer is looked at when a change arrives, by the operator's stream time: an idle table emits nothing, unless its
//! windows close by wall clock. Source: Kafka Streams (KIP-328).

use std::sync::Arc;
use std::time::Duration;

use super::KTable;
use super::change::OldValues;
use super::closing::Closes;
use super::codec::Codec;
use super::suppress_buffer::{BufferTime, Suppress};
use crate::names::StoreName;
use crate::serde::Serdes;
use crate::state::StoreSpec;
use crate::time::millis;
use crate::topology::{TopologyFault, changelog_topic};
use crate::window::Windowed;

/// How much a buffer holds, and what happens when that is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) emits_early: bool,
}

impl Buffer {
    /// A buffer without bounds.
    pub const fn unbounded() -> Self {
        Self { records: u64::MAX, bytes: u64::MAX, emits_early: false }
    }

    /// At most this many rows; one more fails the task.
    #[must_use]
    pub const fn max_records(self, records: u64) -> Self {
        Self { records, ..self }
    }

    /// At most this many bytes of keys and values; one more fails the task.
    #[must_use]
    pub const fn max_bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// A full buffer sends its oldest rows on instead of failing. Ignored where windows are waited for, which must send
    /// each window once.
    #[must_use]
    pub const fn emit_early(self) -> Self {
        Self { emits_early: true, ..self }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Sends each row at most once in `limit` of stream time. A row that changes again while it waits keeps its place and
    /// is sent with its last value. `name` names the node and its store.
    ///
    /// Readers of the resulting table, such as joins, see this table's rows, held back or not.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{Buffer, StreamsBuilder}, serde::Plain, time::seconds};
    /// let app = StreamsBuilder::new("calm");
    /// let prices = app.table("prices", "prices-store", Plain::<String, i64>::new());
    /// let calm = prices.suppress_until("calm", seconds(1), Buffer::unbounded(), Plain::new());
    /// calm.to_stream("changes").to("out", Plain::<String, Option<i64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn suppress_until(
        &self,
        name: &str,
        limit: Duration,
        buffer: Buffer,
        serdes: impl Serdes<K, V> + 'static,
    ) -> Self {
        let closes = Closes { after: millis(limit), idle: None };
        self.suppress(name, serdes, closes, buffer, Arc::new(|_, time| time), true)
    }

    fn suppress(
        &self,
        name: &str,
        serdes: impl Serdes<K, V> + 'static,
        closes: Closes,
        buffer: Buffer,
        buffer_time: BufferTime<K>,
        sends_tombstones: bool,
    ) -> Self {
        let store = StoreName::from(name);
        self.builder.state_store(StoreSpec::key_value(store.clone()).remembers_results());
        let codec = {
            let mut graph = self.builder.0.borrow_mut();
            let codec = Codec::new(changelog_topic(&graph.app, &store), serdes);
            graph.formats.push(codec.format());
            codec
        };
        let old = OldValues::from_above(vec![self.old.clone()]);
        let stores = [store.clone()];
        let (codec, wanted) = (codec, old.clone());
        let node = self.follow(name, &stores, move || Suppress {
            codec: codec.clone(),
            store: store.clone(),
            closes,
            buffer,
            buffer_time: buffer_time.clone(),
            sends_tombstones,
            old: wanted.clone(),
        });
        KTable { node, old, ..self.clone() }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> KTable<Windowed<K>, V> {
    /// Sends each window once, when stream time has passed its end and grace, by the wall clock on idle input where the
    /// aggregation says [`close_when_idle`](super::TimeWindowedKStream::close_when_idle); windows that were deleted by
    /// then are not sent. A full buffer fails the task: a window must not be sent before its end.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{Buffer, StreamsBuilder}, serde::{Plain, TimeWindowed}, time::minutes, window::TimeWindows};
    /// let (app, windows) = (StreamsBuilder::new("final"), TimeWindows::tumbling(minutes(1)));
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .group_by_key("by-page", Plain::new())
    ///     .windowed(windows)
    ///     .count("counts")
    ///     .suppress_until_closed("final-counts", Buffer::unbounded(), TimeWindowed::new(Plain::new(), windows))
    ///     .to_stream("changes")
    ///     .to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn suppress_until_closed(
        &self,
        name: &str,
        buffer: Buffer,
        serdes: impl Serdes<Windowed<K>, V> + 'static,
    ) -> Self {
        let closes = self.closes_after.unwrap_or_else(|| {
            self.builder.fault(TopologyFault::NoWindows { node: name.to_owned() });
            Closes { after: 0, idle: None }
        });
        let buffer = Buffer { emits_early: false, ..buffer };
        self.suppress(name, serdes, closes, buffer, Arc::new(|key, _| key.window.end), false)
    }
}
