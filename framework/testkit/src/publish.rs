//! What queries see of a driver's stores.

use std::sync::Arc;

use nowfold_core::names::{StoreName, TopicName, TopicPartition};
use nowfold_core::query::{Lag, PartitionHandle, Progress, ProgressCell, Readiness, StoreHub};
use nowfold_core::state::{Changelog, StoreSpec};
use nowfold_core::task::Task;
use nowfold_core::time::Timestamp;
use nowfold_core::topology::{SubTopology, Topology};

use crate::engine::Running;
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
pub(crate) fn open(hub: &StoreHub, topology: &Topology, part: &SubTopology, task: &Task) -> Vec<OpenStore> {
    let partition = task.id().partition;
    let publish = |(name, reader)| {
        let progress = Arc::new(ProgressCell::restoring());
        hub.open(&name, partition, &PartitionHandle { reader, progress: progress.clone() });
        let topic = topology.stores().get(&name).map(|spec| followed(spec, part))?;
        Some(OpenStore { name, follows: TopicPartition { topic, partition }, progress })
    };
    task.readers().into_iter().filter_map(publish).collect()
}

/// Withdraws the stores of a task.
pub(crate) fn withdraw(hub: &StoreHub, running: &Running) {
    let partition = running.task.id().partition;
    running.stores.iter().for_each(|store| hub.close(&store.name, partition));
}

/// Tells queries how far every store is at `now`.
pub(crate) fn update(tasks: &[Running], log: &Log, now: Timestamp) {
    for running in tasks {
        let sources = running.task.sources();
        for store in &running.stores {
            let source = sources.iter().find(|source| source.partition == store.follows);
            let next = source.and_then(|source| source.next_offset).unwrap_or(0);
            store.progress.update(|progress| *progress = progress_at(next, &store.follows, log, now));
        }
    }
}

fn progress_at(next: i64, follows: &TopicPartition, log: &Log, now: Timestamp) -> Progress {
    let (low, _) = log.watermarks(follows);
    let first = log.read(follows, low).first();
    let waiting = log.read(follows, next).first();
    Progress {
        readiness: Readiness::Running,
        applied: (next > low).then_some(next - 1),
        lag: waiting.map_or(Lag::None, |record| Lag::Since(record.timestamp)),
        known_at: now,
        log_floor: if low == 0 { Timestamp::MIN } else { first.map_or(now, |record| record.timestamp) },
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
