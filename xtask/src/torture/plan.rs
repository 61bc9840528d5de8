//! What happens in each cycle: a function of the seed.

use std::time::Duration;

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }
}

/// How the broker is treated in a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broker {
    Left,
    /// SIGTERM, and started again.
    Restarted,
    /// SIGKILL, and started again.
    Killed,
}

/// One cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cycle {
    /// The processes that are killed, at least one, by number.
    pub(super) victims: Vec<usize>,
    /// After how many records of the cycle's load, in percent.
    pub(super) after_percent: u64,
    /// How long they stay dead: sometimes longer than the group's session.
    pub(super) down: Duration,
    pub(super) broker: Broker,
}

/// All cycles of a run, with `broker_restarts` spread over them, every other one hard.
pub(super) fn cycles(seed: u64, n: u64, n_processes: usize, broker_restarts: u64) -> Vec<Cycle> {
    let mut random = Random::new(seed);
    let restarts_before = |cycle: u64| cycle * broker_restarts / n.max(1);
    (0..n)
        .map(|cycle| {
            let broker = match restarts_before(cycle + 1) {
                k if k == restarts_before(cycle) => Broker::Left,
                k if k % 2 == 1 => Broker::Killed,
                _ => Broker::Restarted,
            };
            one(&mut random, n_processes, broker)
        })
        .collect()
}

fn one(random: &mut Random, n_processes: usize, broker: Broker) -> Cycle {
    let n = u64::try_from(n_processes).unwrap_or(1);
    let first = random.below(n);
    let n_victims = if random.below(5) == 0 { random.below(n) + 1 } else { 1 };
    let victims = (0..n_victims).filter_map(|i| usize::try_from((first + i) % n).ok()).collect();
    let down = match random.below(6) {
        0 | 1 => 0,
        2 => 100,
        3 => 300,
        4 => 1_000,
        _ => 7_000,
    };
    Cycle { victims, after_percent: random.below(90), down: Duration::from_millis(down), broker }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_cycles_and_another_seed_others() {
        assert_eq!(cycles(7, 50, 3, 4), cycles(7, 50, 3, 4));
        assert_ne!(cycles(7, 50, 3, 4), cycles(8, 50, 3, 4));
    }

    #[test]
    fn every_process_is_killed_and_broker_restarts_are_as_many_as_asked_for() {
        let cycles = cycles(1, 200, 3, 40);
        for process in 0..3 {
            assert!(cycles.iter().any(|cycle| cycle.victims.contains(&process)));
        }
        let n = |broker| cycles.iter().filter(|cycle| cycle.broker == broker).count();
        assert_eq!((n(Broker::Killed), n(Broker::Restarted)), (20, 20));
        assert!(cycles.iter().all(|cycle| !cycle.victims.is_empty() && cycle.victims.iter().all(|it| *it < 3)));
    }
}
