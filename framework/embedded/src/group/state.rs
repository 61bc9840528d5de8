//! A group's members: who owns what, who shall, who is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_core::time::{Timestamp, millis};

use super::assign::{MemberId, Share, rebalance};
use crate::topic::Topics;

/// A member as the group sees it.
#[derive(Debug)]
struct Member {
    /// What it subscribes to, and what it shall own once the others have let go.
    target: Share,
    /// What it has been told it owns and has not released.
    owned: BTreeSet<TopicPartition>,
    last_seen: Timestamp,
    /// Whether a thread is inside this member's `poll`: then it is alive, whatever the clock says.
    is_polling: bool,
}

/// What a member has to be told.
#[derive(Debug)]
pub(super) enum News {
    /// It is not a member any more.
    Expelled,
    /// These partitions shall go to others.
    Revoke(BTreeSet<TopicPartition>),
    /// These are free for it now; they are owned by it from here on.
    Assign(BTreeSet<TopicPartition>),
}

#[derive(Debug, Default)]
pub(super) struct GroupState {
    members: BTreeMap<MemberId, Member>,
    next_id: MemberId,
    /// Counts the changes of membership and of what members shall own.
    pub(super) generation: u64,
}

impl GroupState {
    pub(super) fn join(&mut self, subscribed: &BTreeSet<TopicName>, topics: &Topics, now: Timestamp) -> MemberId {
        let id = self.next_id;
        self.next_id += 1;
        let target = Share { topics: subscribed.clone(), partitions: BTreeSet::new() };
        self.members.insert(id, Member { target, owned: BTreeSet::new(), last_seen: now, is_polling: false });
        self.reassign(topics);
        id
    }

    /// Computes anew what each member shall own.
    pub(super) fn reassign(&mut self, topics: &Topics) {
        self.generation += 1;
        let mut shares: BTreeMap<_, _> = self.members.iter().map(|(id, member)| (*id, member.target.clone())).collect();
        let subscribed: BTreeSet<_> = shares.values().flat_map(|share| share.topics.iter().cloned()).collect();
        let counts = subscribed.into_iter().filter_map(|name| topics.get(&name).map(|t| (name, t.n_partitions())));
        rebalance(&mut shares, &counts.collect());
        for (id, share) in shares {
            if let Some(member) = self.members.get_mut(&id) {
                member.target = share;
            }
        }
    }

    /// Removes a member; its partitions go to the others.
    pub(super) fn remove(&mut self, id: MemberId, topics: &Topics) -> bool {
        let removed = self.members.remove(&id).is_some();
        if removed {
            self.reassign(topics);
        }
        removed
    }

    /// Removes the members that have not been heard of for `session_timeout`; says whether there were any.
    pub(super) fn expire(&mut self, session_timeout: Duration, topics: &Topics, now: Timestamp) -> bool {
        let n = self.members.len();
        let limit_ms = millis(session_timeout);
        self.members.retain(|_, member| member.is_polling || now.millis_since(member.last_seen) <= limit_ms);
        let expired = self.members.len() < n;
        if expired {
            self.reassign(topics);
        }
        expired
    }

    /// Notes that a member is there; `false` when it is none any more.
    pub(super) fn touch(&mut self, id: MemberId, now: Timestamp, is_polling: bool) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return false };
        member.last_seen = now;
        member.is_polling = is_polling;
        true
    }

    /// What member `id` has to hear next. Giving up comes before getting.
    pub(super) fn news(&mut self, id: MemberId) -> Option<News> {
        let Some(member) = self.members.get(&id) else { return Some(News::Expelled) };
        let surplus: BTreeSet<_> = member.owned.difference(&member.target.partitions).cloned().collect();
        if !surplus.is_empty() {
            return Some(News::Revoke(surplus));
        }
        let missing = member.target.partitions.difference(&member.owned);
        let free: BTreeSet<_> = missing.filter(|partition| self.owner(partition).is_none()).cloned().collect();
        if free.is_empty() {
            return None;
        }
        self.members.get_mut(&id)?.owned.extend(free.iter().cloned());
        Some(News::Assign(free))
    }

    /// Takes partitions from a member that has let go of them.
    pub(super) fn release(&mut self, id: MemberId, partitions: &BTreeSet<TopicPartition>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.owned.retain(|partition| !partitions.contains(partition));
        }
    }

    /// The member that owns a partition at present.
    pub(super) fn owner(&self, partition: &TopicPartition) -> Option<MemberId> {
        self.members.iter().find(|(_, member)| member.owned.contains(partition)).map(|(id, _)| *id)
    }

    /// Whether the group has no partition for the member.
    pub(super) fn is_idle(&self, id: MemberId) -> bool {
        self.members.get(&id).is_some_and(|member| member.target.partitions.is_empty())
    }

    pub(super) fn member_ids(&self) -> Vec<MemberId> {
        self.members.keys().copied().collect()
    }

    /// Whether any member subscribes to the topic.
    pub(super) fn wants(&self, topic: &TopicName) -> bool {
        self.members.values().any(|member| member.target.topics.contains(topic))
    }
}
