//! What waits to be tried again: a record at the head of its partition, or a punctuation.

use std::time::Duration;

use crate::time::Timestamp;

/// How often something was tried, and when it may be tried again.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    tries: u32,
    until: Option<Timestamp>,
    cause: String,
}

impl Waits {
    /// The number of the next attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.tries.saturating_add(1)
    }

    /// Why it must not be tried yet, at wall-clock time `now`.
    pub(crate) fn holds(&self, now: Timestamp) -> Option<String> {
        self.until.filter(|until| now < *until).map(|_| self.cause.clone())
    }

    /// When it may be tried again; `None` when at any time.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// An attempt at wall-clock time `now` came to nothing; the next one is due after `wait`.
    pub(crate) fn failed(&mut self, now: Timestamp, wait: Option<Duration>, cause: &str) {
        self.tries = self.attempt();
        self.until = wait.map(|wait| now.plus(wait));
        cause.clone_into(&mut self.cause);
    }

    /// It is done with.
    pub(crate) fn over(&mut self) {
        *self = Self::default();
    }
}
