//! A clock that moves only by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use nowfold_core::time::{Clock, Timestamp};

/// A wall clock for tests. It stands still until it is moved; all threads see the same time.
///
/// ```
/// use nowfold_core::time::{Clock, Timestamp, seconds};
/// use nowfold_testkit::ManualClock;
///
/// let clock = ManualClock::new(Timestamp::from_millis(500));
/// clock.advance(seconds(2));
/// assert_eq!(clock.now(), Timestamp::from_millis(2_500));
/// ```
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    pub const fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_millis()))
    }

    /// Moves the clock on by `duration`, cut to whole milliseconds; returns the new time.
    pub fn advance(&self, duration: Duration) -> Timestamp {
        let later = |ms| Some(Timestamp::from_millis(ms).plus(duration).as_millis());
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
        Timestamp::from_millis(before.unwrap_or_else(|same| same)).plus(duration)
    }

    /// Sets the clock, also back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
