//! What the runtime's threads take from the machine: the time, waiting, and other threads.
//!
//! In ordinary life all of it comes from the standard library. A thread that has [entered](enter) a [`Scheduler`] takes it
//! from there, and so do the threads that it starts: a simulator can then run whole applications, one thread at a time and
//! in an order of its own, on the very code that runs in production. Nothing else in this crate asks for the time, sleeps or
//! spawns (its `clippy.toml` sees to that).

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The body of a thread.
pub type Body = Box<dyn FnOnce() + Send>;

/// Gives threads their turns and the time. Between two calls of it, a thread runs alone.
pub trait Scheduler: Send + Sync + fmt::Debug {
    /// The present time of this thread's process.
    fn now(&self) -> Instant;

    /// Ends the caller's turn until `flag` is set or `until` has come; without both, until its next turn.
    fn wait(&self, flag: Option<&Arc<AtomicBool>>, until: Option<Instant>);

    /// Starts a thread that has entered this scheduler, and belongs to the process of the caller.
    ///
    /// # Errors
    /// When the system has no thread to give.
    fn spawn(&self, name: &str, body: Body) -> io::Result<JoinHandle<()>>;
}

thread_local! {
    static SCHEDULER: RefCell<Option<Arc<dyn Scheduler>>> = const { RefCell::new(None) };
}

/// Puts the calling thread under `scheduler` until it ends; `None` takes it out again.
pub fn enter(scheduler: Option<Arc<dyn Scheduler>>) {
    SCHEDULER.with(|present| *present.borrow_mut() = scheduler);
}

/// The scheduler of the calling thread. A thread that is ending has none.
pub(crate) fn scheduler() -> Option<Arc<dyn Scheduler>> {
    SCHEDULER.try_with(|present| present.borrow().clone()).ok().flatten()
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
pub(crate) fn now() -> Instant {
    scheduler().map_or_else(Instant::now, |scheduler| scheduler.now())
}

/// How long ago `at` was.
pub(crate) fn since(at: Instant) -> Duration {
    now().saturating_duration_since(at)
}

#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
pub(crate) fn sleep(duration: Duration) {
    match scheduler() {
        Some(scheduler) => scheduler.wait(None, Some(scheduler.now() + duration)),
        None => std::thread::sleep(duration),
    }
}

/// A thread that was started here.
#[derive(Debug)]
pub(crate) struct Thread {
    handle: JoinHandle<()>,
    ended: Arc<AtomicBool>,
}

/// Says that a thread has ended, however it did.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts threads")]
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
    let ended = Arc::new(AtomicBool::new(false));
    let guard = Ended(ended.clone());
    let body = move || {
        let _guard = guard;
        body();
    };
    let handle = match scheduler() {
        Some(scheduler) => scheduler.spawn(name, Box::new(body))?,
        None => std::thread::Builder::new().name(name.to_owned()).spawn(body)?,
    };
    Ok(Thread { handle, ended })
}

impl Thread {
    pub(crate) fn is_finished(&self) -> bool {
        if scheduler().is_some() { self.ended.load(Ordering::Acquire) } else { self.handle.is_finished() }
    }

    /// Waits for its end.
    pub(crate) fn join(self) {
        if let Some(scheduler) = scheduler() {
            while !self.ended.load(Ordering::Acquire) {
                scheduler.wait(Some(&self.ended), None);
            }
        } else {
            let _ = self.handle.join();
        }
    }
}
