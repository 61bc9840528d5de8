//! The stores of an open task that lie on disk: whether what is there may be used, and the commit of an epoch.

use std::collections::{BTreeMap, BTreeSet};

use nowfold_core::names::{Offset, StoreName, TopicName, TopicPartition};
use nowfold_core::state::{Changelog, StateStore, StoreKind, StoreSpec};
use nowfold_core::task::TaskId;
use nowfold_core::time::Timestamp;
use nowfold_core::topology::{SubTopology, Topology, changelog_topic};

use super::super::broker::Broker;
use super::super::error::RuntimeError;
use super::super::topics::Topics;
use super::{DurableStores, Epoch, LocalState, StorePlan, StoresPlan};

/// `delete.retention.ms` where a topic does not say otherwise: a deletion that is older may be gone from a changelog.
const DELETE_RETENTION_MS: i64 = 86_400_000;

/// How much earlier than that local stores count as too old: reading the changelog's tail takes time, too.
const RESTORE_SLACK_MS: i64 = 3_600_000;

/// The stores of a task on disk.
#[derive(Debug)]
pub(crate) struct LocalStores {
    stores: Box<dyn DurableStores>,
    plan: StoresPlan,
    /// One past the last record of each changelog that its store contains.
    ends: BTreeMap<StoreName, Offset>,
    /// Stores that were written since the last epoch, with their changelogs.
    written: BTreeSet<StoreName>,
}

/// What a task's stores are checked against.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) broker: &'a dyn Broker,
    pub(crate) topology: &'a Topology,
    pub(crate) topics: &'a Topics,
    pub(crate) now: Timestamp,
}

impl LocalStores {
    /// Opens the stores of task `id`, emptied when they cannot be used any more; `None` when none are kept on disk.
    pub(crate) fn open(
        local: &dyn LocalState,
        world: World<'_>,
        part: &SubTopology,
        id: TaskId,
    ) -> Result<Option<Self>, RuntimeError> {
        let plan = plan(world, part, id)?;
        if plan.stores.is_empty() {
            return Ok(None);
        }
        let Some(stores) = local.stores(&plan)? else { return Ok(None) };
        let mut opened = Self { stores, plan, ends: BTreeMap::new(), written: BTreeSet::new() };
        if let Some(cause) = opened.why_unusable(world, part)? {
            tracing::warn!(task = %id, cause, "local stores are emptied and restored from their topics");
            metrics::counter!("nowfold_local_state_dropped_total").increment(1);
            opened.stores.clear()?;
        }
        opened.ends = opened.stores.epoch().map(|epoch| epoch.changelogs.iter().cloned().collect()).unwrap_or_default();
        Ok(Some(opened))
    }

    /// The store of this description, when it is kept on disk.
    pub(crate) fn take(&mut self, spec: &StoreSpec) -> Option<Box<dyn StateStore>> {
        self.stores.take(&spec.name)
    }

    /// Whether a store lies on disk.
    pub(crate) fn keeps(&self, store: &StoreName) -> bool {
        self.plan.stores.iter().any(|plan| plan.name == *store)
    }

    /// One past the last record of a changelog that its store contains.
    pub(crate) fn changelog(&self, store: &StoreName) -> Option<Offset> {
        self.ends.get(store).copied()
    }

    /// The next offset of a source, as of the last epoch.
    pub(crate) fn source(&self, partition: &TopicPartition) -> Option<Offset> {
        self.stores.epoch()?.source(partition)
    }

    /// A store has been written, and its changelog with it.
    pub(crate) fn wrote(&mut self, store: &StoreName) {
        if !self.written.contains(store) && self.keeps(store) {
            self.written.insert(store.clone());
        }
    }

    /// A store contains its changelog up to here.
    pub(crate) fn restored_to(&mut self, store: &StoreName, end: Offset) {
        if self.keeps(store) {
            self.ends.insert(store.clone(), end);
        }
    }

    /// What was written is committed on the broker: it is put on disk as the next epoch. What the disk refuses stays in
    /// memory and is tried again with the next epoch.
    pub(crate) fn commit(&mut self, broker: &dyn Broker, now: Timestamp, sources: Vec<(TopicPartition, Offset)>) {
        if let Err(error) = self.find_ends(broker).and_then(|()| self.put(now, sources)) {
            metrics::counter!("nowfold_local_state_errors_total").increment(1);
            tracing::warn!(%error, task = %self.plan.task, "an epoch is not on disk yet; it stays in memory");
        }
    }

    fn put(&mut self, now: Timestamp, sources: Vec<(TopicPartition, Offset)>) -> Result<(), RuntimeError> {
        let number = self.stores.epoch().map_or(0, |epoch| epoch.number) + 1;
        let changelogs = self.ends.iter().map(|(store, end)| (store.clone(), *end)).collect();
        Ok(self.stores.commit(Epoch { number, committed_at: now, changelogs, sources })?)
    }

    /// Only the owner of a task writes its changelogs, so all up to their ends is in the stores after a commit.
    fn find_ends(&mut self, broker: &dyn Broker) -> Result<(), RuntimeError> {
        while let Some(store) = self.written.first().cloned() {
            let plan = self.plan.stores.iter().find(|plan| plan.name == store);
            if let Some(plan) = plan.filter(|plan| !self.plan.sources.contains(&plan.topic)) {
                let partition = TopicPartition::new(plan.topic.as_str(), self.plan.task.partition);
                self.ends.insert(store.clone(), broker.log_end(&partition)?);
            }
            self.written.remove(&store);
        }
        Ok(())
    }

    /// Why the stores must be rebuilt from their topics, if so.
    fn why_unusable(&self, world: World<'_>, part: &SubTopology) -> Result<Option<String>, RuntimeError> {
        let Some(epoch) = self.stores.epoch() else { return Ok(None) };
        for plan in &self.plan.stores {
            let partition = TopicPartition::new(plan.topic.as_str(), self.plan.task.partition);
            let is_source = part.sources.iter().any(|source| source.topic == partition.topic);
            let position = if is_source { epoch.source(&partition) } else { epoch.changelog(&plan.name) };
            let Some(position) = position else {
                return Ok(Some(format!("their epoch {} does not name {partition}", epoch.number)));
            };
            let end = super::super::source::end_beyond(world.broker, &partition, position)?;
            if position > end {
                return Err(RuntimeError::LocalAhead { partition, position, end });
            }
            let low = world.broker.watermarks(&partition)?.low;
            if position < low {
                return Ok(Some(format!("they end at offset {position} of {partition}, which begins at {low} now")));
            }
            if is_source && self.was_reset(world, &partition, position)? {
                return Ok(Some(format!("the group's offset in {partition} was set back from {position}")));
            }
            if let Some(cause) = too_old(world, &partition.topic, epoch) {
                return Ok(Some(cause));
            }
        }
        Ok(None)
    }

    /// A table that is read from an earlier offset again must not hold later rows.
    fn was_reset(&self, world: World<'_>, source: &TopicPartition, position: Offset) -> Result<bool, RuntimeError> {
        let committed = world.broker.committed(world.topology.app(), std::slice::from_ref(source))?;
        Ok(committed.into_iter().flatten().any(|committed| committed.offset < position))
    }
}

/// Deletions vanish from compacted topics after a while: stores of before that would keep what was deleted since.
fn too_old(world: World<'_>, topic: &TopicName, epoch: &Epoch) -> Option<String> {
    let setting = world.topics.setting(topic, "delete.retention.ms").and_then(|text| text.parse().ok());
    let limit = setting.unwrap_or(DELETE_RETENTION_MS).saturating_sub(RESTORE_SLACK_MS).max(0);
    let age = world.now.millis_since(epoch.committed_at);
    let hours = |ms: i64| ms / 3_600_000;
    (age > limit).then(|| {
        let (age, limit) = (hours(age), hours(limit));
        format!("they are {age} h old; topic {topic:?} keeps deletions for sure for {limit} h only")
    })
}

/// What of the task is to be kept on disk.
fn plan(world: World<'_>, part: &SubTopology, task: TaskId) -> Result<StoresPlan, RuntimeError> {
    let specs = part.stores.iter().filter_map(|name| world.topology.stores().get(name));
    let kept = specs.filter(|spec| spec.kind != StoreKind::Custom && !spec.in_memory);
    let stores = kept.filter_map(|spec| {
        let topic = match &spec.changelog {
            Changelog::Topic => changelog_topic(world.topology.app(), &spec.name).to_string(),
            Changelog::Table(topic) => topic.to_string(),
            Changelog::EventLog(_) | Changelog::None => return None,
        };
        Some(StorePlan { name: spec.name.clone(), kind: spec.kind, topic })
    });
    Ok(StoresPlan {
        task,
        log_id: world.broker.log_id()?,
        sources: part.sources.iter().map(|source| source.topic.to_string()).collect(),
        stores: stores.collect(),
    })
}
