//! The calls of one task that are under way.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use nowfold_core::task::{Call, CallFuture, CallId, CallOutput, Task};

use super::broker::Waker;
use super::executor::{CallExecutor, Cancel};
use super::mailbox::{self, Receiver, Sender};
use super::worker::words;

/// Starts a task's calls, and brings back what they come to. Dropping it drops the calls.
pub(crate) struct RunningCalls {
    executor: Option<Arc<dyn CallExecutor>>,
    results: Sender<(CallId, CallOutput)>,
    over: Receiver<(CallId, CallOutput)>,
    waker: Waker,
    running: HashMap<CallId, Cancel>,
}

impl fmt::Debug for RunningCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningCalls").field("n", &self.running.len()).finish_non_exhaustive()
    }
}

impl RunningCalls {
    /// `waker` wakes the task's worker.
    pub(crate) fn new(executor: Option<Arc<dyn CallExecutor>>, waker: Waker) -> Self {
        let (results, over) = mailbox::channel();
        Self { executor, results, over, waker, running: HashMap::new() }
    }

    pub(crate) fn start(&mut self, calls: Vec<Call>) {
        for Call { id, future } in calls {
            let (results, waker) = (self.results.clone(), self.waker.clone());
            let report = move |output| {
                let _ = results.send((id, output));
                waker();
            };
            match &self.executor {
                Some(executor) => {
                    let cancel = executor.spawn(Box::pin(async move { report(guarded(future).await) }));
                    self.running.insert(id, cancel);
                    metrics::gauge!("nowfold_calls_running").increment(1);
                }
                None => report(CallOutput::failed("nothing runs the calls of this application")),
            }
        }
    }

    pub(crate) fn cancel(&mut self, ids: &[CallId]) {
        ids.iter().filter_map(|id| self.running.remove(id)).for_each(end);
    }

    /// Hands over what calls have come to.
    pub(crate) fn deliver(&mut self, task: &mut Task) {
        while let Ok((id, output)) = self.over.try_recv() {
            if self.running.remove(&id).is_some() {
                metrics::gauge!("nowfold_calls_running").decrement(1);
            }
            task.complete(id, output);
        }
    }
}

impl Drop for RunningCalls {
    fn drop(&mut self) {
        self.running.drain().map(|(_, cancel)| cancel).for_each(end);
    }
}

fn end(cancel: Cancel) {
    cancel();
    metrics::gauge!("nowfold_calls_running").decrement(1);
}

/// A call whose panic is its failure.
fn guarded(mut call: CallFuture) -> impl Future<Output = CallOutput> + Send {
    poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| {
            let cause = format!("the call panicked: {}", words(panic.as_ref()));
            Poll::Ready(CallOutput::failed(cause))
        })
    })
}
