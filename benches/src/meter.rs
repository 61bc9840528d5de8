//! What this process has used so far, by Linux's `/proc`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Linux gives CPU times in hundredths of a second (`USER_HZ`), on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// From here on wall time and the CPU time of all threads are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    started: Instant,
    cpu: Duration,
}

/// What was used since a [`Meter`] started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Meter {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { started: Instant::now(), cpu: cpu()? })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn spent(&self) -> Result<Spent> {
        Ok(Spent { wall: self.started.elapsed(), cpu: cpu()?.saturating_sub(self.cpu) })
    }
}

/// The most memory that this process has had resident, in bytes.
pub(crate) fn peak_rss_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("peak memory is read from /proc/self/status")?;
    peak_of(&status).context("/proc/self/status has no VmHWM")
}

fn cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("CPU time is read from /proc/self/stat: run on Linux")?;
    cpu_of(&stat).context("/proc/self/stat has no CPU times")
}

/// User and system time of all threads, ended ones included: the 14th and 15th field. The second one, the command, may
/// hold anything but ends at the last parenthesis.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Option<u32> = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().ok()).sum();
    Some(TICK * ticks?)
}

fn peak_of(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cpu_time_behind_a_command_with_parentheses() {
        let stat = "42 (a) b (c) R 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 10";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of("42 (a) R 1"), Some(Duration::ZERO));
    }

    #[test]
    fn reads_peak_memory() {
        assert_eq!(peak_of("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\n"), Some(2_097_152));
        assert_eq!(peak_of("VmPeak:\t 9 kB\n"), None);
    }

    #[test]
    fn counts_the_work_of_this_process() {
        let meter = Meter::start().unwrap();
        let mut sum = 0_u64;
        while meter.elapsed() < Duration::from_millis(100) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
        let spent = meter.spent().unwrap();
        assert!(spent.cpu >= TICK && spent.wall >= Duration::from_millis(100), "{spent:?}");
        assert!(peak_rss_bytes().unwrap() > 100_000);
    }
}
