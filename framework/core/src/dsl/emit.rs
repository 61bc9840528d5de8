//! When windowed results go downstream, and what becomes of late records.

use std::fmt;
use std::time::Duration;

use crate::processor::{ProcessError, ProcessorContext};
use crate::record::Record;
use crate::time::Timestamp;
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
