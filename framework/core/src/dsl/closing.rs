//! When windows close, and when closed ones are looked for.

use std::time::Duration;

use bytes::Bytes;

use super::StreamsBuilder;
use super::emit::Emit;
use crate::names::StoreName;
use crate::processor::{ProcessError, ProcessorContext};
use crate::state::StoreSpec;
use crate::task::PunctuationClock;
use crate::time::millis;

/// How often an operator whose windows close on idle input looks at the clock at most.
const LOOK: i64 = 1_000;

/// When the rows of a windowed table are final.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closes {
    /// How long after a window's end (that of sessions: its last record), in milliseconds of stream time.
    pub(super) after: i64,
    /// After how many milliseconds without input the wall clock counts as stream time, if ever.
    pub(super) idle: Option<i64>,
}

/// How a windowed aggregation closes its windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closure {
    pub(super) emit: Emit,
    /// After how many milliseconds without input the wall clock counts as stream time, if ever.
    pub(super) idle: Option<i64>,
    /// How much longer windows are kept than they change, in milliseconds: a look must not be put off for longer.
    pub(super) slack: i64,
}

/// Decides when closed windows are looked for. What was sent is remembered in a store of its own, so that a restart sends
/// no window twice; its changelog follows the results. Kafka Streams keeps the time of the last look beside the
/// committed offsets (KIP-825), which follow them as well.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    every: Option<i64>,
    store: StoreName,
    idle: Option<i64>,
    slack: i64,
}

/// When to look next, by wall clock, and the close time of the last look.
type Known = (i64, Option<i64>);

impl Closing {
    /// Adds the store when windows are sent on close, or close on idle input.
    pub(super) fn new(builder: &StreamsBuilder, closure: Closure, store: &StoreName) -> Self {
        let store = StoreName::from(format!("{store}-closed"));
        let every = match closure.emit {
            Emit::OnUpdate => None,
            Emit::OnClose { every } => Some(millis(every)),
        };
        let closing = Self { every, store, idle: closure.idle, slack: closure.slack };
        if let Some(store) = closing.store() {
            builder.state_store(StoreSpec::key_value(store).remembers_results());
        }
        closing
    }

    /// The store that a node needs for it.
    pub(super) fn store(&self) -> Option<StoreName> {
        (self.every.is_some() || self.idle.is_some()).then(|| self.store.clone())
    }

    pub(super) fn emits_updates(&self) -> bool {
        self.every.is_none()
    }

    /// Has the operator called by wall clock, if its windows close on idle input. Returns the stream time to begin with: what
    /// lies beside the committed offsets, and what an earlier run of the task had closed by, `behind` milliseconds later.
    pub(super) fn begin<K: 'static, V: 'static>(
        &self,
        cx: &mut ProcessorContext<'_, '_, K, V>,
        behind: i64,
    ) -> Result<i64, ProcessError> {
        watch_idle(cx, self.idle);
        let closed = if self.store().is_some() { self.known(cx)?.1 } else { None };
        let closed = closed.map_or(i64::MIN, |close| close.saturating_add(behind));
        let stream_time = closed.max(cx.raw().recalled_time());
        if stream_time > i64::MIN {
            cx.raw().remember_time(stream_time);
        }
        Ok(stream_time)
    }

    /// The stream time that idle input leads to, if it is idle, later than `stream_time`, and there was a record before.
    pub(super) fn idle_time<K: 'static, V: 'static>(
        &self,
        cx: &mut ProcessorContext<'_, '_, K, V>,
        stream_time: i64,
    ) -> Option<i64> {
        let now = idle_time(cx, self.idle).filter(|now| (i64::MIN + 1..*now).contains(&stream_time))?;
        cx.raw().remember_time(now);
        Some(now)
    }

    /// Whether to look now for windows closed by `close`, which the operator sends: then the close time of the last look,
    /// if there was one. Looks keep their distance but when `at_once`.
    pub(super) fn looks<K: 'static, V: 'static>(
        &self,
        cx: &mut ProcessorContext<'_, '_, K, V>,
        close: i64,
        at_once: bool,
    ) -> Result<Option<Option<i64>>, ProcessError> {
        if self.every.is_none() && !at_once {
            return Ok(None);
        }
        let now = cx.wall_clock().as_millis();
        let (next_look, last) = self.known(cx)?;
        let would_expire = last.is_some_and(|last| close.saturating_sub(last) > self.slack);
        if now < next_look && !would_expire && !at_once {
            return Ok(None);
        }
        let looks = last.is_none_or(|last| last < close);
        let next_look = now.saturating_add(self.every.unwrap_or(0));
        let known: Known = (next_look, if looks { Some(close) } else { last });
        let known = postcard::to_stdvec(&known)?;
        cx.key_value(self.store.as_str())?.put(Bytes::new(), known.into())?;
        Ok(looks.then_some(last).filter(|_| self.every.is_some()))
    }

    fn known<K: 'static, V: 'static>(&self, cx: &mut ProcessorContext<'_, '_, K, V>) -> Result<Known, ProcessError> {
        match cx.key_value(self.store.as_str())?.get(&[])? {
            Some(bytes) => Ok(postcard::from_bytes(&bytes)?),
            None => Ok((i64::MIN, None)),
        }
    }
}

/// Has an operator called often enough to notice that its input is idle.
pub(super) fn watch_idle<K: 'static, V: 'static>(cx: &mut ProcessorContext<'_, '_, K, V>, idle: Option<i64>) {
    if let Some(idle) = idle {
        let every = Duration::from_millis(idle.clamp(1, LOOK).unsigned_abs());
        cx.schedule(every, PunctuationClock::WallClock);
    }
}

/// The wall clock, where the input has been idle for long enough that it counts as stream time.
pub(super) fn idle_time<K: 'static, V: 'static>(cx: &ProcessorContext<'_, '_, K, V>, idle: Option<i64>) -> Option<i64> {
    let (idle, since, now) = (idle?, cx.idle_since()?, cx.wall_clock());
    (now.millis_since(since) >= idle).then(|| now.as_millis())
}
