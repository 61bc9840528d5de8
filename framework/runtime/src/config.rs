//! Settings of the runtime.

use std::time::Duration;

/// How the runtime works. Every setting has a default that suits most applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// Worker threads that own tasks. Default: the machine's cores, at most 4.
    pub n_workers: usize,
    /// How often offsets are committed, at-least-once. Default: 500 ms. After a crash, at most this much input is
    /// processed again.
    pub commit_interval: Duration,
    /// How long to wait for the broker at the start. Default: 30 s.
    pub connect_timeout: Duration,
    /// How long a flush or a commit may take. Default: 30 s.
    pub flush_timeout: Duration,
    /// How long `close` may take in all. Default: 10 s.
    pub close_timeout: Duration,
    /// Records that a task takes from a partition at a time, and processes at a time. Default: 500.
    pub batch: usize,
    /// Partitions of topics that are created where no source topic says otherwise. Default: 4.
    pub default_partitions: i32,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            n_workers: std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            commit_interval: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(30),
            flush_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(10),
            batch: 500,
            default_partitions: 4,
        }
    }
}
