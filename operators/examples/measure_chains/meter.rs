//! Times and memory of this process.

use std::fmt;
use std::time::Duration;

/// Sorted durations.
pub(crate) struct Latency(pub(crate) Vec<Duration>);

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let index = (share * (self.0.len() - 1) as f64) as usize;
            ns(self.0[index]) / 1e3
        };
        let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
        write!(f, r#""p50_us":{p50:.2},"p90_us":{p90:.2},"p99_us":{p99:.2},"p999_us":{p999:.2}"#)
    }
}

pub(crate) fn ns(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// Time this thread has spent on a CPU, on Linux; zero elsewhere.
pub(crate) fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(schedstat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// Memory of this process that is in RAM, on Linux; 0 elsewhere.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * 4_096)
}
