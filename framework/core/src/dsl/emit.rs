//! When windowed results go downstream, and what becomes of late records.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::StreamsBuilder;
use crate::names::StoreName;
use crate::processor::{ProcessError, ProcessorContext};
use crate::record::Record;
use crate::state::StoreSpec;
use crate::time::{Timestamp, millis};
use crate::window::Window;

use super::change::Change;

/// When a windowed aggregation sends its results on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// At every change of a window (the default).
    #[default]
    OnUpdate,
    /// Once for each window, when stream time has passed its end and grace (KIP-825). Closed windows are looked for when
    /// a record arrives, and not again before this much wall-clock time, unless they would leave the store by then; Kafka Streams' own setting is a second.
    OnClose {
        /// Wall-clock time between two looks; zero looks at every record.
        every: Duration,
    },
}

impl Emit {
    /// On close, with Kafka Streams' pause of a second between two looks.
    pub const fn on_close() -> Self {
        Self::OnClose { every: Duration::from_secs(1) }
    }
}

/// A record that came after its windows had closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late<V> {
    /// The record's value.
    pub value: V,
    /// The windows that it missed, by start.
    pub windows: Vec<Window>,
    /// The operator's stream time, by which they had closed.
    pub stream_time: Timestamp,
    /// How long after their end they took late records.
    pub grace: Duration,
}

impl<V> Late<V> {
    /// The reason, a sentence.
    pub fn reason(&self) -> String {
        self.to_string()
    }
}

impl<V> fmt::Display for Late<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, grace) = (self.stream_time, self.grace.as_millis());
        write!(f, "the record is too late for")?;
        self.windows.iter().try_for_each(|window| write!(f, " {window}"))?;
        write!(f, ": stream time is {now}, and grace {grace} ms")
    }
}

/// Decides when closed windows are looked for. What was sent is remembered in a store of its own, so that a restart sends
/// no window twice.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    every: Option<i64>,
    store: StoreName,
    /// How much longer windows are kept than they change: a look must not be put off for longer.
    slack: i64,
}

impl Closing {
    /// Adds the store when windows are sent on close.
    pub(super) fn new(builder: &StreamsBuilder, emit: Emit, store: &StoreName, slack: i64) -> Self {
        let store = StoreName::from(format!("{store}-closed"));
        let every = match emit {
            Emit::OnUpdate => None,
            Emit::OnClose { every } => {
                builder.state_store(StoreSpec::key_value(store.clone()));
                Some(millis(every))
            }
        };
        Self { every, store, slack }
    }

    /// The store that a node needs for it.
    pub(super) fn store(&self) -> Option<StoreName> {
        self.every.map(|_| self.store.clone())
    }

    pub(super) fn emits_updates(&self) -> bool {
        self.every.is_none()
    }

    /// Whether to look now for windows closed by `close`: then the close time of the last look, if there was one.
    pub(super) fn looks<K: 'static, V: 'static>(
        &self,
        cx: &mut ProcessorContext<'_, '_, K, V>,
        close: i64,
    ) -> Result<Option<Option<i64>>, ProcessError> {
        let Some(every) = self.every else { return Ok(None) };
        let now = cx.wall_clock().as_millis();
        let mut store = cx.key_value(self.store.as_str())?;
        let known = store.get(&[])?;
        let (next_look, last): (i64, Option<i64>) = match known {
            Some(bytes) => postcard::from_bytes(&bytes)?,
            None => (i64::MIN, None),
        };
        let would_expire = last.is_some_and(|last| close.saturating_sub(last) > self.slack);
        if now < next_look && !would_expire {
            return Ok(None);
        }
        let looks = last.is_none_or(|last| last < close);
        let known = (now.saturating_add(every), if looks { Some(close) } else { last });
        store.put(Bytes::new(), postcard::to_stdvec(&known)?.into())?;
        Ok(looks.then_some(last))
    }
}

/// Where a windowed aggregation sends its results, and its late records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlet {
    /// Results go to the first child and late records to the second; otherwise results go to every child.
    pub(super) splits: bool,
}

impl Outlet {
    pub(super) fn result<K: 'static, A: 'static>(
        self,
        cx: &mut ProcessorContext<'_, '_, K, Change<A>>,
        record: Record<K, Change<A>>,
    ) -> Result<(), ProcessError> {
        if self.splits { cx.raw().forward_to(0, &mut Some(record)) } else { cx.forward(record) }
    }

    /// Counts a late record, and sends it to the side output when there is one.
    pub(super) fn late<K: 'static, A, K2: 'static, V: 'static>(
        self,
        cx: &mut ProcessorContext<'_, '_, K2, A>,
        record: Record<K, V>,
        windows: Vec<Window>,
        (stream_time, grace): (i64, i64),
    ) -> Result<(), ProcessError>
    where
        A: 'static,
    {
        if windows.is_empty() {
            return Ok(());
        }
        cx.count("late_record");
        if !self.splits {
            return Ok(());
        }
        let (key, timestamp, headers) = (record.key, record.timestamp, record.headers);
        let (grace, stream_time) = (Duration::from_millis(grace.unsigned_abs()), Timestamp::from_millis(stream_time));
        let value = Late { value: record.value, windows, stream_time, grace };
        cx.raw().forward_to(1, &mut Some(Record { key, value, timestamp, headers }))
    }
}
