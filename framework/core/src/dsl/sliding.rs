//! Aggregation within sliding windows (KIP-450), at work.
//!
//! Each record has a left window, which ends with it, and a right one, which begins just after it once it holds records.
//! Windows that would begin before the epoch are one, `[0, difference]`.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::change::Change;
use super::closing::Closing;
use super::window_fold::{Results, WindowFold};
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::{Headers, Record};
use crate::state::unstamp;
use crate::task::Punctuation;
use crate::time::Timestamp;
use crate::window::{SlidingWindows, Window, Windowed, Windows};

/// The time of a window's newest record, and its result.
type Row = (Timestamp, Bytes);

/// Folds records into sliding windows.
pub(super) struct SlidingNode<K, V, A> {
    parts: WindowFold<K, V, A>,
    windows: SlidingWindows,
    closing: Closing,
    stream_time: i64,
}

/// What the stored windows around a record say.
#[derive(Default)]
struct Around {
    starts: BTreeSet<i64>,
    /// The newest window that ends before the record, or that holds what comes before it.
    left: Option<Row>,
    /// A window that holds what comes after the record.
    right: Option<Row>,
    left_exists: bool,
    right_exists: bool,
    /// Time of the newest record before this one.
    previous: Option<i64>,
}

/// The record at hand, with its key's bytes.
type Input<'a, K, V> = (&'a Bytes, &'a Record<K, V>);

impl<K: Clone + 'static, V: 'static, A: 'static> SlidingNode<K, V, A> {
    pub(super) fn new(parts: WindowFold<K, V, A>, closing: Closing) -> Self {
        let windows = match parts.windows {
            Windows::Sliding(windows) => windows,
            _ => SlidingWindows { difference: 0, grace: 0 },
        };
        Self { parts, windows, closing, stream_time: i64::MIN }
    }

    fn window(&self, start: i64) -> Window {
        Window::from_millis(start, start.saturating_add(self.windows.difference))
    }

    /// The stored windows of the key that begin within `from..=to`, by start.
    fn stored(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        key: &Bytes,
        (from, to): (i64, i64),
    ) -> Result<Vec<(i64, Row)>, ProcessError> {
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        let found = cx.window(self.parts.store.as_str())?.fetch(key, from, to)?;
        Ok(found.iter().filter_map(|(start, bytes)| Some((start.as_millis(), unstamp(bytes)?))).collect())
    }

    fn update(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        input: Input<'_, K, V>,
        (start, row): (i64, Option<Row>),
    ) -> Result<(), ProcessError> {
        let window = self.window(start);
        if self.parts.windows.is_closed(window, self.stream_time) {
            cx.count("late_window");
            return Ok(());
        }
        self.parts.update(cx, input, (window, row), self.closing.emits_updates())
    }

    /// The window that begins just after the previous record, if it is new and holds this one.
    fn right_of_previous(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        input: Input<'_, K, V>,
        around: &Around,
    ) -> Result<(), ProcessError> {
        let Some(start) = around.previous.map(|previous| previous.saturating_add(1)) else { return Ok(()) };
        let holds = start.saturating_add(self.windows.difference) >= input.1.timestamp.as_millis();
        if holds && !around.starts.contains(&start) {
            return self.update(cx, input, (start, None));
        }
        Ok(())
    }

    /// The window that begins just after this record, when later ones are there already. It begins with their result.
    fn right_of_this(
        &self,
        cx: Results<'_, '_, '_, K, A>,
        (key, record): Input<'_, K, V>,
        right: Option<&Row>,
    ) -> Result<(), ProcessError> {
        let Some((timestamp, bytes)) = right.filter(|(time, _)| *time > record.timestamp) else { return Ok(()) };
        let window = self.window(record.timestamp.as_millis().saturating_add(1));
        let mut store = cx.window(self.parts.store.as_str())?;
        store.put_stamped(key.clone(), window.start, Some(bytes.clone()), *timestamp)?;
        if !self.closing.emits_updates() {
            return Ok(());
        }
        let value = Change::new(Some(self.parts.results.read_value(bytes)?), None);
        let (key, headers) = (Windowed { key: record.key.clone(), window }, record.headers.clone());
        self.parts.outlet.result(cx, Record { key, value, timestamp: *timestamp, headers })
    }

    fn process_usual(&self, cx: Results<'_, '_, '_, K, A>, input: Input<'_, K, V>) -> Result<(), ProcessError> {
        let (difference, time) = (self.windows.difference, input.1.timestamp.as_millis());
        let mut around = Around::default();
        let from = time.saturating_sub(difference.saturating_mul(2));
        for (start, row) in self.stored(cx, input.0, (from, time.saturating_add(1)))?.into_iter().rev() {
            let (end, newest) = (start.saturating_add(difference), row.0.as_millis());
            around.starts.insert(start);
            if start == time.saturating_add(1) {
                around.right_exists = true;
            } else if end >= time {
                if end > time {
                    around.right.get_or_insert_with(|| row.clone());
                } else {
                    around.left_exists = true;
                    around.previous = (newest < time).then_some(newest).or(around.previous);
                }
                self.update(cx, input, (start, Some(row)))?;
            } else {
                (around.previous, around.left) = (Some(newest), Some(row));
                break;
            }
        }
        self.right_of_previous(cx, input, &around)?;
        if !around.left_exists {
            let reached = around.previous.is_some_and(|previous| time.saturating_sub(difference) <= previous);
            let row = around.left.take().filter(|_| reached).map(|(_, bytes)| (input.1.timestamp, bytes));
            self.update(cx, input, (time.saturating_sub(difference), row))?;
        }
        if !around.right_exists {
            self.right_of_this(cx, input, around.right.as_ref())?;
        }
        Ok(())
    }

    /// A record so early that its left window would begin before the epoch.
    fn process_early(&self, cx: Results<'_, '_, '_, K, A>, input: Input<'_, K, V>) -> Result<(), ProcessError> {
        let time = input.1.timestamp.as_millis();
        let mut around = Around::default();
        let mut combined = None;
        for (start, row) in self.stored(cx, input.0, (0, time.saturating_add(1)))? {
            around.starts.insert(start);
            if start == 0 {
                let newest = row.0.as_millis();
                around.previous = (newest < time).then_some(newest);
                combined = Some(row);
            } else if start <= time {
                around.right = Some(row.clone());
                self.update(cx, input, (start, Some(row)))?;
            } else {
                around.right_exists = true;
            }
        }
        // Without a window in between, the combined one holds only what comes after this record, if that is needed.
        let right = around.right.take().or_else(|| combined.clone());
        self.right_of_previous(cx, input, &around)?;
        if !around.right_exists {
            self.right_of_this(cx, input, right.as_ref())?;
        }
        self.update(cx, input, (0, combined))
    }

    fn close(&self, cx: Results<'_, '_, '_, K, A>, headers: &Headers, at_once: bool) -> Result<(), ProcessError> {
        let close = self.stream_time.saturating_sub(self.windows.grace);
        let Some(last) = self.closing.looks(cx, close, at_once)? else { return Ok(()) };
        let from = last.map_or(0, |last| last.saturating_sub(self.windows.difference));
        let to = close.saturating_sub(self.windows.difference).saturating_sub(1);
        self.parts.emit_closed(cx, (from, to), headers)
    }
}

impl<K: Clone + 'static, V: 'static, A: 'static> Processor<K, V, Windowed<K>, Change<A>> for SlidingNode<K, V, A> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Windowed<K>, Change<A>>,
        record: Record<K, V>,
    ) -> Result<(), ProcessError> {
        let Some(key) = self.parts.inputs.key(&record.key)? else {
            cx.count("null_key");
            return Ok(());
        };
        if self.parts.inputs.is_null(&record.value) {
            cx.count("null_value");
            return Ok(());
        }
        let (time, difference) = (record.timestamp.as_millis(), self.windows.difference);
        self.stream_time = self.stream_time.max(time);
        cx.raw().remember_time(self.stream_time);
        let close = self.stream_time.saturating_sub(self.windows.grace);
        if time.saturating_add(difference) < close {
            let missed = vec![self.window(time.saturating_sub(difference).max(0))];
            return self.parts.outlet.late(cx, record, missed, (self.stream_time, self.windows.grace));
        }
        // Before the record is written, which may push what closes now out of the store.
        self.close(cx, &record.headers, false)?;
        if time < difference {
            self.process_early(cx, (&key, &record))
        } else {
            self.process_usual(cx, (&key, &record))
        }
    }

    fn init(&mut self, cx: Results<'_, '_, '_, K, A>) -> Result<(), ProcessError> {
        self.stream_time = self.closing.begin(cx, self.windows.grace)?;
        Ok(())
    }

    fn punctuate(&mut self, cx: Results<'_, '_, '_, K, A>, _: Punctuation) -> Result<(), ProcessError> {
        let Some(now) = self.closing.idle_time(cx, self.stream_time) else { return Ok(()) };
        self.stream_time = now;
        self.close(cx, &Headers::new(), true)
    }
}
