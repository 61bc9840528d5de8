//! Times.

use std::fmt;
use std::time::{Duration, Instant};

/// Sorted durations.
pub(crate) struct Latency(Vec<Duration>);

impl Latency {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// In microseconds, the time that so many in ten thousand did not exceed.
    pub(crate) fn at(&self, share: usize) -> f64 {
        self.0.get(self.0.len() * share / 10_000).map_or(0.0, |time| ns(*time) / 1e3)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, p999) = (self.at(5_000), self.at(9_900), self.at(9_990));
        write!(f, r#""n":{},"p50_us":{p50:.2},"p99_us":{p99:.2},"p999_us":{p999:.2}"#, self.0.len())
    }
}

pub(crate) fn ns(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// Time this thread has spent on a CPU, on Linux; zero elsewhere.
pub(crate) fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(schedstat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}
