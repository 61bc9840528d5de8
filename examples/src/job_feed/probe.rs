//! Measures freshness from outside: an event is sent, and the features are asked until they show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nowfold::prelude::*;
use parking_lot::Mutex;

use super::world::Activity;

/// Latest probes, in milliseconds from the send to the first answer that shows the event.
#[derive(Debug, Default)]
pub(super) struct Freshness(Mutex<Vec<f64>>);

impl Freshness {
    /// Median and 99th percentile of the probes so far, and how many there are.
    pub(super) fn percentiles(&self) -> Option<(f64, f64, usize)> {
        let mut probes = self.0.lock().clone();
        probes.sort_by(f64::total_cmp);
        let at = |share: usize| probes.get((probes.len() * share / 100).min(probes.len().saturating_sub(1))).copied();
        Some((at(50)?, at(99)?, probes.len()))
    }
}

/// Sends a probe ten times a second until `stop`.
///
/// # Errors
/// When the broker refuses, or the features cannot be asked.
pub(super) fn run(
    mut activity: Producer<String, Activity>,
    features: &Features,
    clock: &Arc<dyn Clock>,
    freshness: &Freshness,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let run = clock.now().as_millis();
    for n in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (now, member) = (clock.now(), format!("probe-{run}-{n}"));
        let (id, job, kind) = (member.clone(), "job-0".to_owned(), "view".to_owned());
        let sent = Instant::now();
        activity.send(&member, &Activity { id, member: member.clone(), job, kind, at_ms: now.as_millis() }, now)?;
        while !features.of(&member)?.envelope.found && sent.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_micros(200));
        }
        freshness.0.lock().push(sent.elapsed().as_secs_f64() * 1_000.0);
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
