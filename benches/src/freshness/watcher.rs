//! Asks until probes are there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nowfold::core::names::Partition;
use nowfold::operators::Features;

use super::loader::Probe;
use crate::latency::Latencies;

/// Between two looks, as far as the system's timer allows.
const BETWEEN_LOOKS: Duration = Duration::from_micros(50);
/// How long a probe may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the watcher saw.
#[derive(Default)]
pub(super) struct Seen {
    /// From the call of `send`.
    pub(super) fresh: Latencies,
    /// From the instant the probe was due.
    pub(super) due: Latencies,
    /// Between two looks.
    pub(super) look: Latencies,
}

/// Watches until the loader has ended and every probe was seen. Within a partition probes appear in their order, so only
/// the oldest is asked for.
pub(super) fn watch(features: &Features, probes: &Receiver<Probe>) -> Result<Seen> {
    let (mut seen, mut last) = (Seen::default(), Instant::now());
    let mut waiting: BTreeMap<Partition, VecDeque<Probe>> = BTreeMap::new();
    loop {
        let loading = take(probes, &mut waiting);
        if !loading && waiting.values().all(VecDeque::is_empty) {
            return Ok(seen);
        }
        for queue in waiting.values_mut() {
            look(features, queue, &mut seen)?;
        }
        std::thread::sleep(BETWEEN_LOOKS);
        let now = Instant::now();
        seen.look.add(now - last);
        last = now;
    }
}

/// Takes the new probes; whether more may come.
fn take(probes: &Receiver<Probe>, waiting: &mut BTreeMap<Partition, VecDeque<Probe>>) -> bool {
    loop {
        match probes.try_recv() {
            Ok(probe) => waiting.entry(probe.partition).or_default().push_back(probe),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

fn look(features: &Features, queue: &mut VecDeque<Probe>, seen: &mut Seen) -> Result<()> {
    while let Some(oldest) = queue.front() {
        if !features.of(&oldest.actor)?.envelope.found {
            ensure!(oldest.sent.elapsed() < PATIENCE, "{} is not there after {PATIENCE:?}", oldest.actor);
            return Ok(());
        }
        let now = Instant::now();
        if oldest.counts {
            seen.fresh.add(now - oldest.sent);
            seen.due.add(now - oldest.due);
        }
        queue.pop_front();
    }
    Ok(())
}
