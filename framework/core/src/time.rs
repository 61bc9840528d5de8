//! Event time and wall-clock time. The core reads no clock: time is always an argument.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch, as in Kafka's record timestamps.
///
/// Arithmetic with durations saturates at the ends of `i64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest representable time; stands for "before everything".
    pub const MIN: Self = Self(i64::MIN);
    /// The latest representable time.
    pub const MAX: Self = Self(i64::MAX);

    /// A timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time plus `duration`, saturating; durations are cut to whole milliseconds.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This time minus `duration`, saturating; durations are cut to whole milliseconds.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// Milliseconds from `earlier` to `self`; negative when `earlier` is later, saturating.
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Whole milliseconds of a duration, at most `i64::MAX`.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Where wall-clock time comes from: the machine's clock in the runtime, a hand-driven one in tests.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present wall-clock time.
    fn now(&self) -> Timestamp;
}

/// A duration in the largest unit up to hours that divides it: `1h`, `96h`, `90m`, `45s` or `1500ms`.
pub fn label(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        ms if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        ms if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// `n` milliseconds.
pub const fn millisecs(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `n` seconds.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` minutes.
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// `n` hours.
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}

/// `n` days of 24 hours.
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_the_ends() {
        assert_eq!(Timestamp::MAX.plus(millisecs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(days(1)), Timestamp::MIN);
        assert_eq!(Timestamp::from_millis(-5).plus(Duration::MAX), Timestamp::from_millis(i64::MAX - 5));
        assert_eq!(Timestamp::MAX.millis_since(Timestamp::MIN), i64::MAX);
        assert_eq!(Timestamp::MIN.millis_since(Timestamp::MAX), i64::MIN);
    }

    #[test]
    fn durations_are_cut_to_whole_milliseconds() {
        let almost_two = Duration::from_micros(1_999);
        assert_eq!(Timestamp::from_millis(10).plus(almost_two), Timestamp::from_millis(11));
        assert_eq!(Timestamp::from_millis(10).minus(almost_two), Timestamp::from_millis(9));
    }

    #[test]
    fn units_agree() {
        assert_eq!([hours(24), minutes(1_440), seconds(86_400), millisecs(86_400_000)], [days(1); 4]);
    }
}
