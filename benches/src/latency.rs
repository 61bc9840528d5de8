//! Latencies and their percentiles.

use std::time::Duration;

use serde::Serialize;

/// Latencies in nanoseconds, every one of them kept.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u64>);

/// Percentiles of latencies in nanoseconds: the smallest latency that this share of the samples does not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Percentiles {
    n: usize,
    p50: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn percentiles(mut self) -> Percentiles {
        self.0.sort_unstable();
        let n = self.0.len();
        let at = |per_mille: usize| self.0.get((n * per_mille).div_ceil(1_000).saturating_sub(1)).copied().unwrap_or(0);
        Percentiles { n, p50: at(500), p99: at(990), p99_9: at(999), max: at(1_000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_and_never_too_low() {
        let mut latencies = Latencies::default();
        (1..=1_000).rev().for_each(|ns| latencies.add(Duration::from_nanos(ns)));
        let Percentiles { n, p50, p99, p99_9, max } = latencies.percentiles();
        assert_eq!((n, p50, p99, p99_9, max), (1_000, 500, 990, 999, 1_000));
        let mut few = Latencies::default();
        few.add(Duration::from_nanos(7));
        assert_eq!(few.percentiles().p50, 7);
        assert_eq!(Latencies::default().percentiles().max, 0);
    }
}
