//! Windows: which of an actor's actions a feature looks at (`docs/semantics.md`, section 2).

use std::time::Duration;

use nowfold_core::time::{label, millis};

/// A window, relative to the instant of the question (`as_of`, here q).
///
/// | constructor | text | holds |
/// |---|---|---|
/// | `sliding(24h)` | `24h` | `q - w < t <= q` |
/// | `.end_excluded()` | `24h-end-excluded` | `q - w <= t < q` |
/// | `.offset(1h)` | `24h-offset-1h` | the same as of `q - 1h` |
/// | `last(10)` | `last-10` | the newest 10 with `t <= q` |
/// | `last(10).within(24h)` | `last-10-within-24h` | those of them with `t > q - 24h` |
/// | `tumbling(24h)` | `tumbling-24h` | `[k w, (k + 1) w)` that holds q, up to q |
/// | `.aligned(9h)` | `tumbling-24h-from-9h` | likewise, beginning at `9h + k w` |
/// | `.previous()` | `tumbling-24h-previous` | the one before, whole |
/// | `session(30m)` | `session-30m` | the latest session at or before q |
///
/// The text is its label in answers; [`Display`](std::fmt::Display) writes it and [`FromStr`](std::str::FromStr) reads
/// it. Actions that a feature's verbs or filter leave out are not there for `last` and `session` either: `last(10)` is the
/// last ten that match.
///
/// ```
/// use nowfold_core::time::{hours, minutes};
/// use nowfold_operators::feature::Window;
///
/// let yesterday = Window::tumbling(hours(24)).previous();
/// assert_eq!(yesterday.to_string(), "tumbling-24h-previous");
/// assert_eq!("last-10-within-24h".parse(), Ok(Window::last(10).within(hours(24))));
/// assert_eq!(Window::session(minutes(30)).to_string(), "session-30m");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[must_use]
pub struct Window {
    pub(crate) kind: Kind,
    /// An option that its kind does not take, to be reported when the feature is compiled.
    pub(crate) misuse: Option<&'static str>,
}

/// What a window is, with durations in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Sliding { w: i64, offset: i64, end_excluded: bool },
    Last { n: usize, within: Option<i64> },
    Tumbling { w: i64, from: i64, previous: bool },
    Session { gap: i64 },
}

/// The interval `lower < t <= upper` of a window at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) lower: i64,
    pub(crate) upper: i64,
}

impl Window {
    /// The last `w` before the instant of the question, which belongs to it: `q - w < t <= q`.
    pub fn sliding(w: Duration) -> Self {
        Self::of(Kind::Sliding { w: millis(w), offset: 0, end_excluded: false })
    }

    /// The newest `n` actions at or before the instant of the question; ties by sequence, then event id.
    pub fn last(n: usize) -> Self {
        Self::of(Kind::Last { n, within: None })
    }

    /// The calendar-like window `[k w, (k + 1) w)` since the epoch that holds the instant of the question, up to it.
    pub fn tumbling(w: Duration) -> Self {
        Self::of(Kind::Tumbling { w: millis(w), from: 0, previous: false })
    }

    /// The latest session at or before the instant of the question: actions of which each follows the one before by no
    /// more than `gap`. It is open while the question comes no later than `gap` after its last action.
    pub fn session(gap: Duration) -> Self {
        Self::of(Kind::Session { gap: millis(gap) })
    }

    /// `k` sliding windows of length `w`, each `step` before the one before: offsets 0, `step`, `2 step` and so on.
    pub fn series(w: Duration, k: usize, step: Duration) -> Vec<Self> {
        let offsets = (0..k).map(|number| step.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)));
        offsets.map(|offset| Self::sliding(w).offset(offset)).collect()
    }

    /// Of a sliding window: excludes its end and includes its beginning, `q - w <= t < q`. For training, when the action
    /// to be predicted is itself in the log.
    pub fn end_excluded(mut self) -> Self {
        match &mut self.kind {
            Kind::Sliding { end_excluded, .. } => *end_excluded = true,
            _ => self.misuse = Some("end_excluded, which is for sliding windows"),
        }
        self
    }

    /// Of a sliding window: moves it back, `q - d - w < t <= q - d`.
    pub fn offset(mut self, d: Duration) -> Self {
        match &mut self.kind {
            Kind::Sliding { offset, .. } => *offset = millis(d),
            _ => self.misuse = Some("offset, which is for sliding windows"),
        }
        self
    }

    /// Of the last n: only those with `q - w < t`.
    pub fn within(mut self, w: Duration) -> Self {
        match &mut self.kind {
            Kind::Last { within, .. } => *within = Some(millis(w)),
            _ => self.misuse = Some("within, which is for the last n"),
        }
        self
    }

    /// Of a tumbling window: lets windows begin at `offset + k w`; such as 9 h for days from nine to nine, or 23 h for
    /// days of a place one hour ahead of UTC.
    pub fn aligned(mut self, offset: Duration) -> Self {
        match &mut self.kind {
            Kind::Tumbling { from, .. } => *from = millis(offset),
            _ => self.misuse = Some("aligned, which is for tumbling windows"),
        }
        self
    }

    /// Of a tumbling window: the one before, which has ended.
    pub fn previous(mut self) -> Self {
        match &mut self.kind {
            Kind::Tumbling { previous, .. } => *previous = true,
            _ => self.misuse = Some("previous, which is for tumbling windows"),
        }
        self
    }

    /// The time it covers, in milliseconds; `None` for the last n and for sessions.
    pub fn length_ms(&self) -> Option<i64> {
        match self.kind {
            Kind::Sliding { w, .. } | Kind::Tumbling { w, .. } => Some(w),
            Kind::Last { .. } | Kind::Session { .. } => None,
        }
    }

    /// How far before the instant of the question it may reach, in milliseconds; `None` where that depends on the actions.
    pub fn reach_ms(&self) -> Option<i64> {
        match self.kind {
            Kind::Sliding { w, offset, .. } => Some(w.saturating_add(offset)),
            Kind::Tumbling { w, previous, .. } => Some(if previous { w.saturating_mul(2) } else { w }),
            Kind::Last { within, .. } => within,
            Kind::Session { .. } => None,
        }
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, misuse: None }
    }

    /// The length of a plain sliding window.
    pub(crate) fn plain_ms(&self) -> Option<i64> {
        match self.kind {
            Kind::Sliding { w, offset: 0, end_excluded: false } => Some(w),
            _ => None,
        }
    }

    /// The interval in time; for the last n and sessions the one in which their actions are looked for.
    pub(crate) fn bounds(&self, q: i64) -> Bounds {
        match self.kind {
            Kind::Sliding { w, offset, end_excluded } => {
                let upper = q.saturating_sub(offset).saturating_sub(i64::from(end_excluded));
                Bounds { lower: upper.saturating_sub(w), upper }
            }
            Kind::Last { within, .. } => Bounds { lower: within.map_or(i64::MIN, |w| q.saturating_sub(w)), upper: q },
            Kind::Session { .. } => Bounds { lower: i64::MIN, upper: q },
            Kind::Tumbling { w, from, previous } => tumbling(q, w, from, previous),
        }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some(option) = self.misuse {
            return Some(format!("has the window {self} with {option}"));
        }
        match self.kind {
            Kind::Sliding { w: 0, .. } | Kind::Tumbling { w: 0, .. } | Kind::Last { within: Some(0), .. } => {
                Some("has a window of less than a millisecond; make it longer".to_owned())
            }
            Kind::Session { gap: 0 } => Some("has a session with a gap of less than a millisecond".to_owned()),
            Kind::Last { n: 0, .. } => Some("has a window of the last 0; ask for at least 1".to_owned()),
            Kind::Tumbling { w, from, .. } if from >= w => {
                Some(format!("has the window {self}, whose alignment is not below its length"))
            }
            _ => None,
        }
    }
}

/// The tumbling window that holds `q`, up to `q`, or the whole one before.
fn tumbling(q: i64, w: i64, from: i64, previous: bool) -> Bounds {
    let w = w.max(1);
    let into = q.saturating_sub(from).rem_euclid(w);
    let start = q.saturating_sub(into);
    if previous {
        Bounds { lower: start.saturating_sub(w).saturating_sub(1), upper: start.saturating_sub(1) }
    } else {
        Bounds { lower: start.saturating_sub(1), upper: q }
    }
}

/// One length or several, as [`Feature::within`](super::Feature::within) takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows(pub(crate) Vec<Duration>);

impl From<Duration> for Windows {
    fn from(window: Duration) -> Self {
        Self(vec![window])
    }
}

impl<const N: usize> From<[Duration; N]> for Windows {
    fn from(windows: [Duration; N]) -> Self {
        Self(windows.to_vec())
    }
}

impl From<Vec<Duration>> for Windows {
    fn from(windows: Vec<Duration>) -> Self {
        Self(windows)
    }
}

/// How a plain sliding window is called in answers: in the largest unit up to hours that divides it, such as `1h`,
/// `96h`, `90m`, `45s` or `1500ms`.
pub fn window_label(window: Duration) -> String {
    label(window)
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::{days, hours, millisecs, minutes, seconds};

    use super::*;

    #[test]
    fn labels_use_the_largest_unit_that_divides() {
        let cases = [
            (hours(1), "1h"),
            (days(4), "96h"),
            (minutes(90), "90m"),
            (seconds(45), "45s"),
            (millisecs(1_500), "1500ms"),
        ];
        for (window, label) in cases {
            assert_eq!(window_label(window), label);
        }
    }

    #[test]
    fn bounds_are_those_of_the_table_of_windows() {
        let w = millisecs(100);
        let at = |window: Window, q| {
            let Bounds { lower, upper } = window.bounds(q);
            (lower, upper)
        };
        assert_eq!(at(Window::sliding(w), 1_000), (900, 1_000));
        assert_eq!(at(Window::sliding(w).end_excluded(), 1_000), (899, 999));
        assert_eq!(at(Window::sliding(w).offset(millisecs(30)), 1_000), (870, 970));
        assert_eq!(at(Window::sliding(w).offset(millisecs(30)).end_excluded(), 1_000), (869, 969));
        assert_eq!(at(Window::last(3), 1_000), (i64::MIN, 1_000));
        assert_eq!(at(Window::last(3).within(w), 1_000), (900, 1_000));
        assert_eq!(at(Window::sliding(w), i64::MIN + 5), (i64::MIN, i64::MIN + 5));
    }

    #[test]
    fn tumbling_windows_begin_at_multiples_and_include_their_first_millisecond() {
        let at = |window: Window, q| (window.bounds(q).lower + 1, window.bounds(q).upper);
        let w = Window::tumbling(millisecs(100));
        assert_eq!(at(w, 1_000), (1_000, 1_000));
        assert_eq!(at(w, 1_099), (1_000, 1_099));
        assert_eq!(at(w.previous(), 1_099), (900, 999));
        assert_eq!(at(w, -1), (-100, -1));
        assert_eq!(at(w.aligned(millisecs(90)), 1_099), (1_090, 1_099));
        assert_eq!(at(w.aligned(millisecs(90)), 1_089), (990, 1_089));
        assert_eq!(at(w.aligned(millisecs(90)).previous(), 1_089), (890, 989));
    }

    #[test]
    fn a_series_goes_back_step_by_step() {
        let labels: Vec<_> = Window::series(hours(24), 3, hours(12)).iter().map(Window::to_string).collect();
        assert_eq!(labels, ["24h", "24h-offset-12h", "24h-offset-24h"]);
    }

    #[test]
    fn options_of_another_kind_are_faults() {
        for window in [
            Window::last(3).offset(hours(1)),
            Window::last(3).end_excluded(),
            Window::sliding(hours(1)).within(hours(1)),
            Window::session(hours(1)).previous(),
            Window::sliding(hours(1)).aligned(hours(1)),
            Window::tumbling(hours(1)).aligned(hours(1)),
            Window::last(0),
            Window::session(millisecs(0)),
            Window::sliding(millisecs(0)),
        ] {
            assert!(window.fault().is_some(), "{window}");
        }
        assert_eq!(Window::tumbling(hours(24)).aligned(hours(9)).fault(), None);
    }
}
