//! How long a task waits for sources that have nothing.

use std::time::Duration;

/// How long a task with several sources waits for those that are empty before it goes on with the others
/// (`max.task.idle.ms`, KIP-353 and KIP-695). What comes meanwhile is processed in the order of its timestamps.
///
/// A source is known to be empty when the reader has come to the newest end of the partition that the broker has told it.
///
/// ```
/// use std::time::Duration;
/// use nowfold_core::task::TaskIdle;
///
/// assert_eq!(TaskIdle::from_millis(-1), Some(TaskIdle::Never));
/// assert_eq!(TaskIdle::from_millis(0), Some(TaskIdle::default()));
/// assert_eq!(TaskIdle::from_millis(250), Some(TaskIdle::UpTo(Duration::from_millis(250))));
/// assert_eq!(TaskIdle::from_millis(-2), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskIdle {
    /// It never waits (-1): what has been read is processed, whatever the log holds.
    Never,
    /// It waits while the log holds more of an empty source, or is not known not to, however long that takes; once every
    /// source is known to be empty or has records, for this much wall-clock time more (0 or above; 0 is the default).
    UpTo(Duration),
}

impl TaskIdle {
    /// The setting of Kafka Streams in milliseconds; `None` for less than -1.
    pub fn from_millis(ms: i64) -> Option<Self> {
        match ms {
            -1 => Some(Self::Never),
            _ => u64::try_from(ms).ok().map(|ms| Self::UpTo(Duration::from_millis(ms))),
        }
    }
}

impl Default for TaskIdle {
    fn default() -> Self {
        Self::UpTo(Duration::ZERO)
    }
}
