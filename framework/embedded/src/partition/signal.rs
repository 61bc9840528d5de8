//! How a reader that saw the end of a partition is told that there is more.

use std::fmt;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use nowfold_runtime::broker::Waker;

/// A reader's waker, and whether the reader is in its partition's list of waiting readers.
///
/// The flag changes under the partition's lock when set, and before the call when cleared: a reader that polls after
/// the call is listed again.
pub(crate) struct Signal {
    waker: Waker,
    waiting: AtomicBool,
}

impl Signal {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { waker, waiting: AtomicBool::new(false) }
    }

    /// Marks the reader as waiting; `false` when it was already.
    pub(super) fn start_waiting(&self) -> bool {
        !self.waiting.swap(true, Ordering::AcqRel)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// Wakes those readers that still exist. Called without any lock held, since wakers run foreign code.
pub(super) fn wake(waiters: Vec<Weak<Signal>>) {
    for signal in waiters.iter().filter_map(Weak::upgrade) {
        signal.waiting.store(false, Ordering::Release);
        (signal.waker)();
    }
}
