//! Handlers that try failed records again, a bounded number of times.

use std::time::Duration;

use crate::failure::{Failure, Verdict};
use crate::time::millisecs;

/// How often and how far apart a failed record is tried again. The waits double from the first to the longest.
///
/// A record that waits keeps its place: its task takes no other record meanwhile, so order stays, and nothing of it is
/// committed. The thread does not wait: its other tasks go on, and the membership of the group is kept however long the
/// waits are. Attempts are counted by the task and begin anew when it is opened again.
///
/// ```
/// use nowfold_core::dsl::StreamsBuilder;
/// use nowfold_core::failure::Verdict;
/// use nowfold_core::retry::Retries;
/// use nowfold_core::time::{millisecs, seconds};
///
/// let app = StreamsBuilder::new("app");
/// // Tried 5 times within about 1.5 s, then a dead letter.
/// app.on_process_error(Retries::up_to(5).backoff(millisecs(100), seconds(10)).then(Verdict::DeadLetter));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    attempts: u32,
    first: Duration,
    longest: Duration,
}

impl Retries {
    /// At most this many attempts, the first included, 100 ms to 10 s apart. One or none is no retry.
    pub const fn up_to(attempts: u32) -> Self {
        Self { attempts, first: millisecs(100), longest: millisecs(10_000) }
    }

    /// The wait before the second attempt, and the longest of the later ones.
    #[must_use]
    pub const fn backoff(self, first: Duration, longest: Duration) -> Self {
        Self { first, longest, ..self }
    }

    /// How long to wait after a failed attempt, numbered from 1; `None` after the last.
    pub fn after(self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        Some(self.first.saturating_mul(doubled).min(self.longest))
    }

    /// A handler that gives this verdict after the last attempt.
    pub fn then(self, verdict: Verdict) -> impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static {
        self.then_ask(move |_| verdict)
    }

    /// A handler that asks another one after the last attempt.
    pub fn then_ask(
        self,
        handler: impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static,
    ) -> impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static {
        move |failure| self.after(failure.attempt).map_or_else(|| handler(failure), Verdict::RetryAfter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_attempts() {
        let retries = Retries::up_to(5).backoff(millisecs(100), millisecs(300));
        let waits: Vec<_> = (1..=6).map(|attempt| retries.after(attempt).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(100), Some(200), Some(300), Some(300), None, None]);
        assert_eq!(Retries::up_to(u32::MAX).after(4_000_000), Some(millisecs(10_000)));
        assert_eq!([Retries::up_to(0).after(1), Retries::up_to(1).after(1)], [None, None]);
    }
}
