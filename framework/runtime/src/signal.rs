//! A wake-up call for a thread that waits for work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::broker::Waker;
use super::host;

/// Remembers one call until the next wait.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    called: Mutex<bool>,
    condvar: Condvar,
    /// The same for a simulated thread.
    flag: Arc<AtomicBool>,
}

impl Signal {
    pub(crate) fn call(&self) {
        self.flag.store(true, Ordering::Release);
        let mut called = self.called.lock();
        if !*called {
            *called = true;
            self.condvar.notify_one();
        }
    }

    /// Waits for a call, at most `timeout`. A call since the last wait returns at once.
    pub(crate) fn wait(&self, timeout: Duration) {
        if let Some(scheduler) = host::scheduler() {
            if !self.flag.load(Ordering::Acquire) {
                scheduler.wait(Some(&self.flag), scheduler.now().checked_add(timeout));
            }
            self.flag.store(false, Ordering::Release);
            return;
        }
        let mut called = self.called.lock();
        self.condvar.wait_while_for(&mut called, |called| !*called, timeout);
        *called = false;
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        let signal = self.clone();
        Arc::new(move || signal.call())
    }
}
