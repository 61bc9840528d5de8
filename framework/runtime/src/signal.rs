//! A wake-up call for a thread that waits for work.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::broker::Waker;

/// Remembers one call until the next wait.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    called: Mutex<bool>,
    condvar: Condvar,
}

impl Signal {
    pub(crate) fn call(&self) {
        let mut called = self.called.lock();
        if !*called {
            *called = true;
            self.condvar.notify_one();
        }
    }

    /// Waits for a call, at most `timeout`. A call since the last wait returns at once.
    pub(crate) fn wait(&self, timeout: Duration) {
        let mut called = self.called.lock();
        self.condvar.wait_while_for(&mut called, |called| !*called, timeout);
        *called = false;
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        let signal = self.clone();
        Arc::new(move || signal.call())
    }
}
