//! Consumer groups: members, their partitions, their committed offsets.
//!
//! Partitions change hands one by one, as with KIP-848: when members come or go, each member's target is computed
//! anew; a member first hears what it has to give up, and a partition is assigned only after its owner released it or
//! was expelled. What stays is never interrupted. Commits are fenced by membership, not by partition, as on Kafka.
//!
//! Locks: a group's state, then the committed offsets. Never two groups at once.

mod assign;
mod member;
mod offsets;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_core::time::{Clock, Timestamp};
use parking_lot::{Condvar, Mutex};

use crate::faults::FaultPlan;
use crate::topic::Topics;

pub(crate) use member::{GroupMember, MemberGeneration};
pub(crate) use offsets::Offsets;
use state::GroupState;

/// What groups need of the log.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) topics: Arc<Topics>,
    pub(crate) offsets: Offsets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) session_timeout: Duration,
}

#[derive(Debug)]
pub(super) struct Group {
    name: String,
    state: Mutex<GroupState>,
    /// Notified whenever a member may have news.
    changed: Condvar,
}

/// All groups by name; they live as long as the log.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) context: Arc<Context>,
    by_name: Mutex<BTreeMap<String, Arc<Group>>>,
}

impl Groups {
    pub(crate) fn new(context: Context) -> Self {
        Self { context: Arc::new(context), by_name: Mutex::default() }
    }

    pub(crate) fn join(&self, name: &str, topics: &[TopicName]) -> GroupMember {
        let group = self.group(name);
        let subscribed: BTreeSet<_> = topics.iter().cloned().collect();
        let id = {
            let mut state = group.state.lock();
            state.expire(self.context.session_timeout, &self.context.topics, self.context.clock.now());
            state.join(&subscribed, &self.context.topics, self.context.clock.now())
        };
        group.changed.notify_all();
        GroupMember::new(group, Arc::clone(&self.context), subscribed, id)
    }

    fn group(&self, name: &str) -> Arc<Group> {
        let new = || Arc::new(Group { name: name.to_owned(), state: Mutex::default(), changed: Condvar::new() });
        Arc::clone(self.by_name.lock().entry(name.to_owned()).or_insert_with(new))
    }

    fn all(&self) -> Vec<Arc<Group>> {
        self.by_name.lock().values().cloned().collect()
    }

    /// Gives the partitions of a new topic to those who wait for it.
    pub(crate) fn topic_created(&self, topic: &TopicName) {
        for group in self.all() {
            let mut state = group.state.lock();
            if state.wants(topic) {
                state.reassign(&self.context.topics);
                group.changed.notify_all();
            }
        }
    }

    /// Expels members whose session is over at `now`.
    pub(crate) fn expire(&self, now: Timestamp) {
        for group in self.all() {
            if group.state.lock().expire(self.context.session_timeout, &self.context.topics, now) {
                group.changed.notify_all();
            }
        }
    }

    /// Expels the owner of a partition; `false` when it has none.
    pub(crate) fn expel_owner(&self, group: &str, partition: &TopicPartition) -> bool {
        self.expel(group, |state| state.owner(partition).into_iter().collect())
    }

    /// Expels every member; `false` when there is none.
    pub(crate) fn expel_all(&self, group: &str) -> bool {
        self.expel(group, GroupState::member_ids)
    }

    fn expel(&self, group: &str, ids: impl Fn(&GroupState) -> Vec<assign::MemberId>) -> bool {
        let group = self.group(group);
        let mut state = group.state.lock();
        let ids = ids(&state);
        ids.iter().for_each(|id| _ = state.remove(*id, &self.context.topics));
        group.changed.notify_all();
        !ids.is_empty()
    }
}
