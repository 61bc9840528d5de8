//! The machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use nowfold_core::time::{Clock, Timestamp, millis};

/// Wall-clock time of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(millis(since_epoch))
    }
}
