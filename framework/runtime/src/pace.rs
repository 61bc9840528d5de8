//! How often things are said and tried again.

use std::time::{Duration, Instant};

use super::host;

/// Lets one pass per interval: a line of the log that would otherwise come with every try.
#[derive(Debug)]
pub(crate) struct Throttle {
    interval: Duration,
    last: Option<Instant>,
}

impl Throttle {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Whether the interval has passed since this last said so.
    pub(crate) fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| host::since(last) >= self.interval);
        if due {
            self.last = Some(host::now());
        }
        due
    }
}

/// Waits that double from one try to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// How long to wait before the next try.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait
    }

    /// It worked: the next wait is short again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_lets_the_first_pass_and_then_one_per_interval() {
        let mut throttle = Throttle::new(Duration::from_secs(3_600));
        assert_eq!([throttle.is_due(), throttle.is_due(), throttle.is_due()], [true, false, false]);
        let mut open = Throttle::new(Duration::ZERO);
        assert!(open.is_due() && open.is_due());
    }

    #[test]
    fn a_backoff_doubles_up_to_its_most_and_begins_anew() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(300));
        assert_eq!(
            [backoff.next(), backoff.next(), backoff.next(), backoff.next()],
            [ms(100), ms(200), ms(300), ms(300)]
        );
        backoff.reset();
        assert_eq!(backoff.next(), ms(100));
    }
}
