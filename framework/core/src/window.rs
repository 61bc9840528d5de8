//! Windows: pieces of time that records are gathered in, and the rules by which they close.
//!
//! | windows | bounds | a record is too late when |
//! |---|---|---|
//! | [`TimeWindows`] | `[start, end)`, aligned to the epoch | `end <= stream time - grace` |
//! | [`SlidingWindows`] | `[time - difference, time]`, both ends in | `time + difference < stream time - grace` |
//! | [`SessionWindows`] | `[first, last]`, records at most `gap` apart | `last < stream time - grace - gap` |
//! | [`UnlimitedWindows`] | `[start, ∞)` | never |
//!
//! All in whole milliseconds. Stream time is the largest timestamp that reached the operator, the record's own included.
//! Source: Kafka Streams (KIP-450, KIP-633).

use std::fmt;
use std::time::Duration;

use crate::time::{Timestamp, millis};

/// A piece of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first instant.
    pub start: Timestamp,
    /// Time windows: the first instant after it. Sliding and session windows: the last instant.
    pub end: Timestamp,
}

impl Window {
    /// From `start` to `end`, in milliseconds since the Unix epoch.
    pub const fn from_millis(start: i64, end: i64) -> Self {
        Self { start: Timestamp::from_millis(start), end: Timestamp::from_millis(end) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.start.as_millis(), self.end.as_millis())
    }
}

/// A key within a window: the key of windowed tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windowed<K> {
    /// The records' key.
    pub key: K,
    /// The window.
    pub window: Window,
}

/// Tumbling windows (`advance` is `size`) or hopping ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    pub(crate) size: i64,
    pub(crate) advance: i64,
    pub(crate) grace: i64,
}

impl TimeWindows {
    /// Windows of `size` that follow each other without overlap.
    pub fn tumbling(size: Duration) -> Self {
        Self { size: millis(size), advance: millis(size), grace: 0 }
    }

    /// Windows of `size`, one beginning every `advance`: a record is in `size / advance` of them.
    pub fn hopping(size: Duration, advance: Duration) -> Self {
        Self { size: millis(size), advance: millis(advance), grace: 0 }
    }

    /// Takes late records until this long after a window's end (default: none).
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace: millis(grace), ..self }
    }

    /// Why these windows cannot be, if so.
    pub(crate) fn fault(&self) -> Option<String> {
        let (size, advance) = (self.size, self.advance);
        if size <= 0 {
            return Some("its size is 0".to_owned());
        }
        (advance <= 0 || advance > size)
            .then(|| format!("its advance is {advance} ms, but must be more than 0 and at most the size, {size} ms"))
    }

    /// The windows that `time` lies in, by start.
    pub(crate) fn around(&self, time: i64) -> impl Iterator<Item = Window> + use<> {
        let Self { size, advance, .. } = *self;
        let first = (time.saturating_sub(size).saturating_add(advance)).max(0) / advance.max(1) * advance;
        let starts = std::iter::successors(Some(first), move |start| start.checked_add(advance.max(1)));
        starts
            .take_while(move |start| *start <= time)
            .map(move |start| Window::from_millis(start, start.saturating_add(size)))
    }
}

/// One window that never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnlimitedWindows {
    pub(crate) start: Timestamp,
}

impl UnlimitedWindows {
    /// The window from `start` on; records before it are dropped.
    pub const fn from(start: Timestamp) -> Self {
        Self { start }
    }
}

/// Windows that slide with the records (KIP-450): for every record one that ends with it, and one that begins just after
/// it when records follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindows {
    pub(crate) difference: i64,
    pub(crate) grace: i64,
}

impl SlidingWindows {
    /// Windows of records at most `difference` apart.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp, window::SlidingWindows};
    /// # use std::time::Duration;
    /// let windows = SlidingWindows::of(Duration::from_millis(10));
    /// let app = StreamsBuilder::new("bursts");
    /// app.stream("taps", Plain::<String, i64>::new())
    ///     .group_by_key("by-screen", Plain::<String, i64>::new())
    ///     .windowed(windows)
    ///     .count("taps-in-10ms")
    ///     .to_stream("changes")
    ///     .map("flat", |window, count| (window.key, format!("from {}: {}", window.window.start, count.unwrap_or(0))))
    ///     .to("bursts", Plain::<String, String>::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let bursts = driver.output("bursts", Plain::<String, String>::new());
    /// let taps = driver.input("taps", Plain::<String, i64>::new());
    /// taps.pipe("home", 1, Timestamp::from_millis(20))?; // the window [10, 20]
    /// taps.pipe("home", 1, Timestamp::from_millis(25))?; // [15, 25], and [21, 31] behind the first
    /// let texts: Vec<String> = bursts.read_pairs().into_iter().map(|(_, text)| text).collect();
    /// assert_eq!(texts, ["from 10 ms: 1", "from 21 ms: 1", "from 15 ms: 2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(difference: Duration) -> Self {
        Self { difference: millis(difference), grace: 0 }
    }

    /// Takes late records until this long after a window's end (default: none).
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace: millis(grace), ..self }
    }
}

/// Windows of activity: records of a key at most `gap` apart are one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindows {
    pub(crate) gap: i64,
    pub(crate) grace: i64,
}

impl SessionWindows {
    /// Sessions that end when nothing follows for longer than `gap`.
    pub fn gap(gap: Duration) -> Self {
        Self { gap: millis(gap), grace: 0 }
    }

    /// Takes late records until this long after a session's end and gap (default: none).
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace: millis(grace), ..self }
    }
}

/// How far apart records of two streams may lie to be joined: a right record joins a left one when its time is within
/// `[left - before, left + after]`, both ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinWindows {
    pub(crate) before: i64,
    pub(crate) after: i64,
    pub(crate) grace: i64,
}

impl JoinWindows {
    /// Right records up to `difference` before or after the left one.
    pub fn of(difference: Duration) -> Self {
        let reach = millis(difference);
        Self { before: reach, after: reach, grace: 0 }
    }

    /// How far before the left record the right one may lie. Less than 0 leaves out those close before it.
    #[must_use]
    pub fn before_ms(self, before: i64) -> Self {
        Self { before, ..self }
    }

    /// How far after the left record the right one may lie. Less than 0 leaves out those close after it.
    #[must_use]
    pub fn after_ms(self, after: i64) -> Self {
        Self { after, ..self }
    }

    /// How long after a record's reach an outer join waits before it gives up on a match (default: not at all).
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace: millis(grace), ..self }
    }

    pub(crate) fn fault(&self) -> Option<String> {
        let (before, after) = (self.before, self.after);
        (before.saturating_add(after) < 0).then(|| format!("before ({before} ms) and after ({after} ms) leave no time"))
    }

    pub(crate) fn retention(&self) -> i64 {
        self.before.saturating_add(self.after).saturating_add(self.grace)
    }
}

/// The windows of an aggregation other than sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// Tumbling or hopping.
    Time(TimeWindows),
    /// Sliding.
    Sliding(SlidingWindows),
    /// One without an end.
    Unlimited(UnlimitedWindows),
}

impl From<TimeWindows> for Windows {
    fn from(windows: TimeWindows) -> Self {
        Self::Time(windows)
    }
}

impl From<SlidingWindows> for Windows {
    fn from(windows: SlidingWindows) -> Self {
        Self::Sliding(windows)
    }
}

impl From<UnlimitedWindows> for Windows {
    fn from(windows: UnlimitedWindows) -> Self {
        Self::Unlimited(windows)
    }
}

impl Windows {
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Self::Time(windows) => windows.fault(),
            Self::Sliding(_) | Self::Unlimited(_) => None,
        }
    }

    pub(crate) fn grace(&self) -> i64 {
        match self {
            Self::Time(windows) => windows.grace,
            Self::Sliding(windows) => windows.grace,
            Self::Unlimited(_) => 0,
        }
    }

    /// How long a window's store must keep it at least, and keeps it by default.
    pub(crate) fn retention(&self) -> (i64, i64) {
        match self {
            Self::Time(windows) => {
                let least = windows.size.saturating_add(windows.grace);
                (least, least)
            }
            Self::Sliding(SlidingWindows { difference, grace }) => {
                let least = difference.saturating_mul(2).saturating_add(*grace);
                (least, least)
            }
            Self::Unlimited(_) => (i64::MAX, i64::MAX),
        }
    }

    /// How far behind a window's start its end lies, in milliseconds.
    pub fn length_ms(&self) -> i64 {
        match self {
            Self::Time(windows) => windows.size,
            Self::Sliding(windows) => windows.difference,
            Self::Unlimited(_) => i64::MAX,
        }
    }

    /// The window that begins at `start`.
    pub(crate) fn at(&self, start: Timestamp) -> Window {
        let end = match self {
            Self::Time(windows) => start.as_millis().saturating_add(windows.size),
            Self::Sliding(windows) => start.as_millis().saturating_add(windows.difference),
            Self::Unlimited(_) => i64::MAX,
        };
        Window { start, end: Timestamp::from_millis(end) }
    }

    /// Whether `window` is closed at this stream time.
    pub(crate) fn is_closed(&self, window: Window, stream_time: i64) -> bool {
        let closes = stream_time.saturating_sub(self.grace());
        match self {
            Self::Time(_) => window.end.as_millis() <= closes,
            Self::Sliding(_) => window.end.as_millis() < closes,
            Self::Unlimited(_) => false,
        }
    }

    /// The windows that a record at `time` lies in; none for sliding windows, which depend on the other records.
    pub(crate) fn around(&self, time: i64) -> Vec<Window> {
        match self {
            Self::Time(windows) => windows.around(time).collect(),
            Self::Unlimited(windows) if time >= windows.start.as_millis() => vec![self.at(windows.start)],
            Self::Unlimited(_) | Self::Sliding(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millisecs;

    fn starts(windows: TimeWindows, time: i64) -> Vec<i64> {
        windows.around(time).map(|window| window.start.as_millis()).collect()
    }

    #[test]
    fn tumbling_windows_hold_each_instant_once() {
        let windows = TimeWindows::tumbling(millisecs(10));
        for (time, start) in [(0, 0), (9, 0), (10, 10), (19, 10)] {
            assert_eq!(starts(windows, time), [start]);
        }
    }

    #[test]
    fn hopping_windows_begin_at_multiples_of_the_advance_and_not_before_the_epoch() {
        let windows = TimeWindows::hopping(millisecs(10), millisecs(4));
        assert_eq!(starts(windows, 3), [0]);
        assert_eq!(starts(windows, 9), [0, 4, 8]);
        assert_eq!(starts(windows, 10), [4, 8]);
    }

    #[test]
    fn windows_that_cannot_be_are_refused() {
        assert!(TimeWindows::tumbling(Duration::ZERO).fault().is_some());
        assert!(TimeWindows::hopping(millisecs(10), millisecs(11)).fault().is_some());
        assert!(TimeWindows::hopping(millisecs(10), Duration::ZERO).fault().is_some());
        assert!(JoinWindows::of(millisecs(4)).before_ms(-5).fault().is_some());
        assert!(JoinWindows::of(millisecs(5)).before_ms(-5).fault().is_none());
    }
}
