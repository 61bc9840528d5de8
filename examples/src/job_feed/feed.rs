//! Writes the world into the log: jobs and history before the start, then live events at a steady rate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nowfold::core::names::TopicPartition;
use nowfold::core::serde::SerdeEnv;
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, TopicSpec};

use super::topology::{ACTIVITY, JOBS};
use super::world::{Activity, Job, World};

const FLUSH: Duration = Duration::from_secs(60);
/// Partitions of the raw topic, and so of `actions`.
pub(super) const PARTITIONS: i32 = 8;

/// Creates the topics that the world owns.
///
/// # Errors
/// When the broker refuses.
pub(super) fn create_topics(broker: &dyn Broker) -> anyhow::Result<()> {
    let topic = |name: &str, partitions, config: &[(&str, &str)]| TopicSpec {
        name: name.into(),
        partitions: Some(partitions),
        config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
    };
    let stamped = [("message.timestamp.type", "LogAppendTime")];
    broker.create_topic(&topic(ACTIVITY, PARTITIONS, &stamped)).context("creating the topic of raw activity")?;
    broker.create_topic(&topic(JOBS, 1, &[("cleanup.policy", "compact")])).context("creating the topic of jobs")
}

/// Whether the raw topic holds anything yet: then the history is there from an earlier run.
///
/// # Errors
/// When the broker does not answer.
pub(super) fn has_history(broker: &dyn Broker) -> anyhow::Result<bool> {
    let mut ends = (0..PARTITIONS).map(|partition| broker.watermarks(&TopicPartition::new(ACTIVITY, partition)));
    Ok(ends.try_fold(false, |any, end| end.map(|end| any || end.high > 0))?)
}

/// Writes every job, and `n` events of the past 96 hours in the order in which they would have arrived.
///
/// # Errors
/// When the broker refuses.
pub(super) fn write_past(
    broker: &dyn Broker,
    env: &SerdeEnv,
    world: &World,
    n: u64,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut jobs = Producer::open(broker, env, JOBS, Json::<String, Job>::new())?;
    for (i, job) in world.jobs.iter().enumerate() {
        jobs.send(&format!("job-{i}"), job, now)?;
    }
    jobs.flush(FLUSH)?;
    let mut activity = Producer::open(broker, env, ACTIVITY, Json::<String, Activity>::new())?;
    let mut stream = world.activity(0);
    let times = (0..n).map(|_| (stream.past_time(now.as_millis(), 96), stream.lateness_ms()));
    let mut arrivals: Vec<_> = times.map(|(at, late)| (at.saturating_add(late).min(now.as_millis()), at)).collect();
    arrivals.sort_unstable();
    for (_, at) in arrivals {
        let event = stream.next_at(at);
        let times = if stream.repeats() { 2 } else { 1 };
        (0..times).try_for_each(|_| activity.send(&event.member, &event, now))?;
    }
    activity.flush(FLUSH)?;
    Ok(())
}

/// Sends events now at `rate` per second until `stop`. Counts them in `sent`.
///
/// # Errors
/// When the broker refuses.
pub(super) fn live(
    mut activity: Producer<String, Activity>,
    world: &World,
    rate: u64,
    clock: &Arc<dyn Clock>,
    sent: &AtomicU64,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    // A stream of its own for each run, so that event ids of an earlier run are no repeats.
    let run = u64::try_from(clock.now().as_millis()).unwrap_or(1);
    let mut stream = world.activity(run);
    let (started, mut n) = (Instant::now(), 0_u64);
    while !stop.load(Ordering::Relaxed) {
        let due = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(rate) / 1_000;
        while n < due {
            let (now, late) = (clock.now(), stream.lateness_ms());
            let event = stream.next_at(now.as_millis() - late);
            let times = if stream.repeats() { 2 } else { 1 };
            (0..times).try_for_each(|_| activity.send(&event.member, &event, now))?;
            n += 1;
        }
        sent.store(n, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(activity.flush(FLUSH)?)
}
