//! How often what goes wrong.

use std::time::Duration;

use super::process::Fate;

/// How often things go wrong between a process and the broker, and with its disk: once in so many calls; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// A request is lost: nothing happens, and the caller is told that the broker is not available.
    pub request_lost: u64,
    /// An answer is lost: what was asked for is done, and the caller is told that the broker is not available.
    pub answer_lost: u64,
    /// A call takes long: up to [`Self::delay`].
    pub late: u64,
    /// How long at most.
    pub delay: Duration,
    /// A record that was sent is reported as not stored; in every second case it is stored all the same.
    pub record_failed: u64,
    /// A fetch brings nothing although there is something.
    pub empty_fetch: u64,
    /// The disk takes up to 300 ms for a write.
    pub slow_disk: u64,
    /// The disk is full: what was to be written is not.
    pub full_disk: u64,
}

impl Faults {
    /// Nothing goes wrong.
    pub const fn none() -> Self {
        Self {
            request_lost: 0,
            answer_lost: 0,
            late: 0,
            delay: Duration::ZERO,
            record_failed: 0,
            empty_fetch: 0,
            slow_disk: 0,
            full_disk: 0,
        }
    }

    /// A bad network and a bad disk: about one call in `n` loses its request, as many their answer, and so on.
    pub const fn one_in(n: u64) -> Self {
        let delay = Duration::from_millis(300);
        Self {
            request_lost: n,
            answer_lost: n,
            late: n,
            delay,
            record_failed: n,
            empty_fetch: 8,
            slow_disk: n,
            full_disk: 4 * n,
        }
    }

    pub(crate) fn fate(&self, rng: &mut fastrand::Rng) -> Fate {
        let mut hits = |n: u64| n > 0 && rng.u64(..n) == 0;
        if hits(self.request_lost) {
            Fate::RequestLost
        } else if hits(self.answer_lost) {
            Fate::AnswerLost
        } else if hits(self.late) {
            let most = u64::try_from(self.delay.as_micros()).unwrap_or(u64::MAX).max(1);
            Fate::Late(Duration::from_micros(rng.u64(..most)))
        } else {
            Fate::Done
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}
