//! What queries see of a driver's stores.

use std::sync::Arc;

use nowfold_core::names::{StoreName, TopicName, TopicPartition};
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::state::{Changelog, StoreSpec};
use nowfold_core::task::Task;
use nowfold_core::time::{Clock, Timestamp};
use nowfold_core::topology::{SubTopology, Topology};

use crate::engine::{Engine, Running};
use crate::log::Log;

/// A store partition that is published, and the topic partition that it follows.
#[derive(Debug)]
pub(crate) struct OpenStore {
    name: StoreName,
    follows: TopicPartition,
    progress: Arc<ProgressCell>,
}

/// Announces every store that a task will have.
pub(crate) fn declare(hub: &StoreHub, topology: &Topology, log: &Log) {
    for part in topology.subtopologies() {
        for spec in stores(topology, part) {
            let topic = followed(spec, part);
            let n = log.n_partitions(&topic).unwrap_or(1);
            hub.declare(spec.name.clone(), topic, n, spec.queryable.clone());
        }
    }
}

/// Publishes the stores of a task; they are restoring until the first [`update`].
pub(crate) fn open(hub: &StoreHub, topology: &Topology, part: &SubTopology, task: &Task, log: &Log) -> Vec<OpenStore> {
    let partition = task.id().partition;
    let publish = |(name, reader)| {
        let spec = topology.stores().get(&name)?;
        let follows = TopicPartition { topic: followed(spec, part), partition };
        let progress = Arc::new(ProgressCell::restoring());
        progress.update(|progress| progress.log_floor = log_floor(spec, &follows, log));
        hub.open(&name, partition, &PartitionHandle { reader, progress: progress.clone() });
        Some(OpenStore { name, follows, progress })
    };
    task.readers().into_iter().filter_map(publish).collect()
}

/// Withdraws the stores of a task.
pub(crate) fn withdraw(hub: &StoreHub, running: &Running) {
    let partition = running.task.id().partition;
    running.stores.iter().for_each(|store| hub.close(&store.name, partition));
}

/// Tells queries how far every store is now.
pub(crate) fn update(engine: &Engine) {
    let (log, now) = (&engine.log, engine.clock.now());
    for running in &engine.tasks {
        let sources = running.task.sources();
        for store in &running.stores {
            let source = sources.iter().find(|source| source.partition == store.follows);
            let next = source.and_then(|source| source.next_offset).unwrap_or(0);
            let lag = log.read(&store.follows, next).first();
            store.progress.update(|progress| {
                progress.readiness = Readiness::Running;
                progress.applied = Some(next - 1).filter(|offset| *offset >= 0);
                progress.lag = lag.map_or(Lag::None, |waiting| Lag::Since(waiting.timestamp));
                progress.known_at = now;
            });
        }
    }
}

/// Events up to here are missing from a store that is built now, unless the log is complete.
fn log_floor(spec: &StoreSpec, follows: &TopicPartition, log: &Log) -> Timestamp {
    let (low, _) = log.watermarks(follows);
    match log.read(follows, low).first() {
        Some(first) if low > 0 => first.timestamp.plus(spec.log_floor_slack),
        _ => Timestamp::MIN,
    }
}

fn stores<'a>(topology: &'a Topology, part: &'a SubTopology) -> impl Iterator<Item = &'a StoreSpec> {
    part.stores.iter().filter_map(|name| topology.stores().get(name))
}

/// The topic whose partitions a store follows: the one it is rebuilt from, else its task's first source.
fn followed(spec: &StoreSpec, part: &SubTopology) -> TopicName {
    match &spec.changelog {
        Changelog::Table(topic) | Changelog::EventLog(topic) => topic.clone(),
        Changelog::Topic | Changelog::None => part.representative().cloned().unwrap_or_else(|| TopicName::from("")),
    }
}
