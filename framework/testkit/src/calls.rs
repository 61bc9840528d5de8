//! The driver's way with asynchronous operators: calls are brought to their ends one at a time, in an order of the test's.

use std::task::{Context, Poll, Waker};

use nowfold_core::task::{Call, CallFuture, CallId, CallOutput, TaskId};

/// The calls that are under way.
#[derive(Default)]
pub(crate) struct PendingCalls {
    calls: Vec<(TaskId, CallId, CallFuture)>,
    /// Draws which call is over next; without it the oldest is.
    random: Option<fastrand::Rng>,
}

impl std::fmt::Debug for PendingCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingCalls").field("n", &self.calls.len()).finish_non_exhaustive()
    }
}

impl PendingCalls {
    pub(crate) fn at_random(&mut self, seed: u64) {
        self.random = Some(fastrand::Rng::with_seed(seed));
    }

    pub(crate) fn add(&mut self, task: TaskId, calls: Vec<Call>) {
        self.calls.extend(calls.into_iter().map(|call| (task, call.id, call.future)));
    }

    pub(crate) fn cancel(&mut self, task: TaskId, ids: &[CallId]) {
        self.calls.retain(|(of, id, _)| *of != task || !ids.contains(id));
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether a call should be over now although tasks have records to process.
    pub(crate) fn is_drawn(&mut self) -> bool {
        self.random.as_mut().is_some_and(fastrand::Rng::bool)
    }

    /// Brings one call to its end: the first, in the order that is drawn, that does not wait for something else.
    pub(crate) fn complete_one(&mut self) -> Option<(TaskId, CallId, CallOutput)> {
        let mut order: Vec<_> = (0..self.calls.len()).collect();
        if let Some(random) = &mut self.random {
            random.shuffle(&mut order);
        }
        let mut cx = Context::from_waker(Waker::noop());
        order.into_iter().find_map(|index| {
            let (_, _, future) = self.calls.get_mut(index)?;
            let Poll::Ready(output) = future.as_mut().poll(&mut cx) else { return None };
            let (task, id, _) = self.calls.remove(index);
            Some((task, id, output))
        })
    }
}
