//! Where the calls of asynchronous operators run.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;

use super::error::RuntimeError;
use super::host;
use super::mailbox::{self, Receiver, Sender};

/// A call to be polled to its end.
pub type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Drops a job that is not over yet.
pub type Cancel = Box<dyn FnOnce() + Send>;

/// Runs calls, many at a time, on threads of its own. The facade brings tokio's; the one that comes with the runtime has
/// no timers and no sockets, so it suits calls that hand their work to other threads.
pub trait CallExecutor: Send + Sync + fmt::Debug {
    /// Begins to run a call, and returns how to drop it. Does not block.
    fn spawn(&self, job: Job) -> Cancel;
}

/// One thread that polls calls as they are woken.
#[derive(Debug)]
pub struct CallThread {
    woken: Sender<Arc<Polled>>,
}

/// A call of a [`CallThread`].
struct Polled {
    job: Mutex<Option<Job>>,
    is_cancelled: AtomicBool,
    /// Whether it waits to be polled.
    is_woken: AtomicBool,
    woken: Sender<Arc<Polled>>,
}

impl fmt::Debug for Polled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled").field("is_woken", &self.is_woken).finish_non_exhaustive()
    }
}

impl CallThread {
    /// Starts the thread. It ends when this and all its calls are dropped.
    ///
    /// # Errors
    /// [`RuntimeError::Stopped`] when the system has no thread to give.
    pub fn start() -> Result<Self, RuntimeError> {
        let (woken, inbox) = mailbox::channel();
        host::spawn("nowfold-calls", move || poll_all(&inbox)).map_err(|error| RuntimeError::Stopped {
            reason: format!("the thread of calls could not be started: {error}"),
        })?;
        Ok(Self { woken })
    }
}

fn poll_all(inbox: &Receiver<Arc<Polled>>) {
    while let Ok(polled) = inbox.recv() {
        polled.is_woken.store(false, Ordering::Release);
        let waker = Waker::from(polled.clone());
        let mut job = polled.job.lock();
        let is_over = polled.is_cancelled.load(Ordering::Acquire)
            || job.as_mut().is_none_or(|job| job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        if is_over || polled.is_cancelled.load(Ordering::Acquire) {
            *job = None;
        }
    }
}

impl Wake for Polled {
    fn wake(self: Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            let _ = self.woken.send(self.clone());
        }
    }
}

impl CallExecutor for CallThread {
    fn spawn(&self, job: Job) -> Cancel {
        let polled = Arc::new(Polled {
            job: Mutex::new(Some(job)),
            is_cancelled: AtomicBool::new(false),
            is_woken: AtomicBool::new(false),
            woken: self.woken.clone(),
        });
        polled.clone().wake();
        Box::new(move || {
            polled.is_cancelled.store(true, Ordering::Release);
            // A call that is being polled is dropped by its thread.
            if let Some(mut job) = polled.job.try_lock() {
                *job = None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test waits for another thread")]
    fn a_call_goes_on_when_it_is_woken_and_others_meanwhile() {
        let executor = CallThread::start().unwrap();
        let (done, over) = mpsc::channel();
        let (wakers, woken) = mpsc::channel();
        let (first, mut polls) = (done.clone(), 0);
        let _first = executor.spawn(Box::pin(std::future::poll_fn(move |cx| {
            polls += 1;
            if polls == 2 {
                first.send("first").unwrap();
                return Poll::Ready(());
            }
            wakers.send(cx.waker().clone()).unwrap();
            Poll::Pending
        })));
        let waker: Waker = woken.recv_timeout(PATIENCE).unwrap();
        let _second = executor.spawn(Box::pin(async move { done.send("second").unwrap() }));
        assert_eq!(over.recv_timeout(PATIENCE), Ok("second"));
        waker.wake();
        assert_eq!(over.recv_timeout(PATIENCE), Ok("first"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test waits for another thread")]
    fn a_call_that_is_cancelled_is_dropped() {
        let executor = CallThread::start().unwrap();
        let (held, dropped) = mpsc::channel::<()>();
        let cancel = executor.spawn(Box::pin(async move {
            std::future::pending::<()>().await;
            drop(held);
        }));
        cancel();
        assert_eq!(dropped.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
