//! In which order lines go out: as they stand, or shuffled within a bound of event time, some of them repeated.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;
use nowfold::core::time::{Timestamp, hours, millis};
use nowfold_mapping::{FeedError, FeedStats, Line, Lines};
use serde_json::Value;

use super::random::{Purpose, chance, draw_below};

/// How the order of lines is changed. By default it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FeedOptions {
    /// Lines are delayed by a random time below this: see [`FeedPlan`].
    pub shuffle_within: Option<Duration>,
    /// The share of lines that go out a second time, from 0 to 1.
    pub duplicate: f64,
    /// The seed of both.
    pub seed: u64,
}

/// One line that goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStep {
    /// The line's number in the feed: the same whenever it goes out.
    pub line: u64,
    /// The line's bytes.
    pub bytes: Bytes,
    /// Whether it has gone out before.
    pub is_repeat: bool,
    /// Every line up to this number is out after this step.
    pub complete_through: u64,
}

/// The feed in the order in which it goes out. Reads as it goes; what is delayed waits in memory.
///
/// **Shuffling.** Let the stream time of a line be the latest event time among it and all lines before it. A line goes out
/// at its stream time plus a random delay below `shuffle_within`, so among the lines that are out before it none is later
/// than its stream time by `shuffle_within` or more: in a feed that is in order, events come at most that late. A line
/// without a time has the stream time of the line before it.
///
/// **Repeats.** A repeat goes out after its line, by a random time below `shuffle_within` (1 h without shuffling).
///
/// Delays depend on the seed and the line's number only, so the same feed, options and seed give the same steps.
pub struct FeedPlan<T> {
    lines: Lines,
    event_time: T,
    options: FeedOptions,
    stream_time: i64,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Numbers of lines that were read and are not out.
    held: BTreeSet<u64>,
    ended: bool,
}

/// Ordered by when it goes out; ties go by number, the line before its repeat.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    out_at: i64,
    line: u64,
    is_repeat: bool,
    bytes: Bytes,
}

impl<T: Fn(&Value) -> Option<Timestamp>> FeedPlan<T> {
    /// Sends `lines` out; `event_time` reads a record's time, such as `CompiledMapping::event_time`.
    pub fn new(lines: Lines, event_time: T, options: FeedOptions) -> Self {
        let (waiting, held) = (BinaryHeap::new(), BTreeSet::new());
        Self { lines, event_time, options, stream_time: i64::MIN, waiting, held, ended: false }
    }

    /// Every line up to this number is out; a line that was left out counts as out.
    pub fn complete_through(&self) -> u64 {
        self.held.first().map_or(self.lines.stats().n_lines, |first| first - 1)
    }

    /// What was read so far.
    pub fn stats(&self) -> &FeedStats {
        self.lines.stats()
    }

    fn changes_order(&self) -> bool {
        self.options.shuffle_within.is_some() || self.options.duplicate > 0.0
    }

    /// Puts a line, and its repeat if it has one, among the waiting ones.
    fn hold(&mut self, line: Line) {
        let FeedOptions { shuffle_within, duplicate, seed } = self.options;
        if self.changes_order() {
            let time = line.record.as_ref().and_then(&self.event_time);
            self.stream_time = self.stream_time.max(time.map_or(i64::MIN, Timestamp::as_millis));
        }
        let delay = |purpose, bound| {
            let bound = u64::try_from(millis(bound)).unwrap_or(0);
            i64::try_from(draw_below(seed, line.number, purpose, bound)).unwrap_or(i64::MAX)
        };
        let out_at = self.stream_time.saturating_add(delay(Purpose::Delay, shuffle_within.unwrap_or_default()));
        if chance(seed, line.number, Purpose::Repeat, duplicate) {
            let later = delay(Purpose::RepeatDelay, shuffle_within.unwrap_or(hours(1)));
            self.wait(out_at.saturating_add(later), &line, true);
        }
        self.wait(out_at, &line, false);
        self.held.insert(line.number);
    }

    fn wait(&mut self, out_at: i64, line: &Line, is_repeat: bool) {
        self.waiting.push(Reverse(Waiting { out_at, line: line.number, is_repeat, bytes: line.bytes.clone() }));
    }

    /// Takes the next line if no line that is still unread can go out before it.
    fn release(&mut self) -> Option<FeedStep> {
        let Reverse(next) = self.waiting.peek()?;
        // Unread lines go out at the present stream time or later, and have higher numbers.
        if !self.ended && next.out_at > self.stream_time {
            return None;
        }
        let Reverse(Waiting { line, is_repeat, bytes, .. }) = self.waiting.pop()?;
        if !is_repeat {
            self.held.remove(&line);
        }
        Some(FeedStep { line, bytes, is_repeat, complete_through: self.complete_through() })
    }
}

impl<T: Fn(&Value) -> Option<Timestamp>> Iterator for FeedPlan<T> {
    type Item = Result<FeedStep, FeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(step) = self.release() {
                return Some(Ok(step));
            }
            if self.ended {
                return None;
            }
            match self.lines.next() {
                Some(Ok(line)) => self.hold(line),
                Some(Err(error)) => return Some(Err(error)),
                None => self.ended = true,
            }
        }
    }
}

impl<T> std::fmt::Debug for FeedPlan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut plan = f.debug_struct("FeedPlan");
        plan.field("lines", &self.lines).field("options", &self.options).field("n_waiting", &self.waiting.len());
        plan.finish_non_exhaustive()
    }
}
