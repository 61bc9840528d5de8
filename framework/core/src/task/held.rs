//! How much memory a task holds beside its stores.

use super::Task;
use super::queue::SourceQueue;

/// Bytes that a task holds of what is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Of records that wait to be processed.
    pub waiting: usize,
    /// Of rows that record caches hold back.
    pub cached: usize,
}

impl Task {
    /// What the task holds now, beside its stores and what it has given out.
    pub fn held(&self) -> Held {
        Held { waiting: self.queues.iter().map(SourceQueue::n_bytes).sum(), cached: self.shared.caches.n_bytes() }
    }
}
