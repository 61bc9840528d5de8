//! One member's side of a group: the port [`Membership`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_runtime::broker::BrokerError;
use nowfold_runtime::membership::{Generation, Membership, MembershipEvent, OffsetCommit};
use parking_lot::MutexGuard;

use super::assign::MemberId;
use super::state::{GroupState, News};
use super::{Context, Group, offsets};

/// How long a waiting member goes without looking at the clock, which may be a hand-driven one: whether others'
/// sessions are over is for those who wait to find out.
const LOOK: Duration = Duration::from_millis(20);

/// A member of a group. Dropped without [`Membership::leave`] it counts as crashed: its session runs out.
#[derive(Debug)]
pub(crate) struct GroupMember {
    group: Arc<Group>,
    context: Arc<Context>,
    topics: BTreeSet<TopicName>,
    id: MemberId,
    /// The sum of the events handed out.
    owned: BTreeSet<TopicPartition>,
    /// Whether an event came since it joined.
    told: bool,
    pending: Pending,
}

/// An event that the caller has not released yet.
#[derive(Debug)]
enum Pending {
    Nothing,
    Revoked(BTreeSet<TopicPartition>),
    Lost,
}

impl GroupMember {
    pub(super) fn new(group: Arc<Group>, context: Arc<Context>, topics: BTreeSet<TopicName>, id: MemberId) -> Self {
        Self { group, context, topics, id, owned: BTreeSet::new(), told: false, pending: Pending::Nothing }
    }

    fn wait(&mut self, state: &mut MutexGuard<'_, GroupState>, timeout: Duration) -> Option<MembershipEvent> {
        let start = Instant::now();
        loop {
            self.look_at_clock(state);
            if let Some(event) = self.next_event(state) {
                return Some(event);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return None;
            }
            self.group.changed.wait_for(state, left.min(LOOK));
        }
    }

    fn look_at_clock(&self, state: &mut GroupState) {
        let now = self.context.clock.now();
        state.touch(self.id, now, true);
        if state.expire(self.context.session_timeout, &self.context.topics, now) {
            self.group.changed.notify_all();
        }
    }

    fn next_event(&mut self, state: &mut GroupState) -> Option<MembershipEvent> {
        if !matches!(self.pending, Pending::Nothing) {
            return None;
        }
        let Some(news) = state.news(self.id) else { return self.on_nothing(state) };
        self.told = true;
        match news {
            News::Expelled => self.on_expelled(state),
            News::Revoke(partitions) => {
                self.pending = Pending::Revoked(partitions.clone());
                Some(MembershipEvent::Revoked(partitions.into_iter().collect()))
            }
            News::Assign(partitions) => {
                self.owned.extend(partitions.iter().cloned());
                Some(MembershipEvent::Assigned(partitions.into_iter().collect()))
            }
        }
    }

    /// A member for which nothing is left hears so once, as from Kafka.
    fn on_nothing(&mut self, state: &GroupState) -> Option<MembershipEvent> {
        let idle = !self.told && state.is_idle(self.id);
        self.told |= idle;
        idle.then(|| MembershipEvent::Assigned(Vec::new()))
    }

    fn on_expelled(&mut self, state: &mut GroupState) -> Option<MembershipEvent> {
        let lost = std::mem::take(&mut self.owned);
        if lost.is_empty() {
            self.rejoin(state);
            return self.next_event(state);
        }
        self.pending = Pending::Lost;
        Some(MembershipEvent::Lost(lost.into_iter().collect()))
    }

    fn rejoin(&mut self, state: &mut GroupState) {
        self.told = false;
        self.id = state.join(&self.topics, &self.context.topics, self.context.clock.now());
        state.touch(self.id, self.context.clock.now(), true);
        self.group.changed.notify_all();
    }

    fn fenced(&self, generation: u64) -> BrokerError {
        fenced(&self.group, self.id, generation)
    }
}

fn fenced(group: &Group, id: MemberId, generation: u64) -> BrokerError {
    let cause = format!("member {id} is not in generation {generation}: its session ended or it was expelled");
    BrokerError::Fenced { group: group.name.clone(), cause }
}

/// A member, for transactions: as long as it is one, its offsets are taken, whichever partitions they are of.
#[derive(Debug)]
pub(crate) struct MemberGeneration {
    group: Arc<Group>,
    id: MemberId,
}

impl MemberGeneration {
    /// Whether the member may commit these offsets.
    pub(crate) fn check(&self, offsets: &[OffsetCommit], context: &Context) -> Result<(), BrokerError> {
        let mut state = self.group.state.lock();
        if !state.touch(self.id, context.clock.now(), false) {
            return Err(fenced(&self.group, self.id, state.generation));
        }
        offsets::check(offsets)?;
        offsets.iter().try_for_each(|commit| context.topics.partition(&commit.partition).map(|_| ()))
    }
}

impl Membership for GroupMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        let group = Arc::clone(&self.group);
        let mut state = group.state.lock();
        let event = self.wait(&mut state, timeout);
        state.touch(self.id, self.context.clock.now(), false);
        Ok(event)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        let group = Arc::clone(&self.group);
        let mut state = group.state.lock();
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => {}
            Pending::Lost => self.rejoin(&mut state),
            Pending::Revoked(partitions) => {
                self.owned.retain(|partition| !partitions.contains(partition));
                state.release(self.id, &partitions);
                group.changed.notify_all();
            }
        }
        state.touch(self.id, self.context.clock.now(), false);
        Ok(())
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let mut state = self.group.state.lock();
        if !state.touch(self.id, self.context.clock.now(), false) {
            return Err(self.fenced(state.generation));
        }
        for commit in offsets {
            self.context.topics.partition(&commit.partition)?;
        }
        self.context.faults.commit()?;
        self.context.offsets.commit(&self.group.name, offsets)
    }

    fn generation(&self) -> Result<Generation, BrokerError> {
        let mut state = self.group.state.lock();
        if !state.touch(self.id, self.context.clock.now(), false) {
            return Err(self.fenced(state.generation));
        }
        let token = MemberGeneration { group: Arc::clone(&self.group), id: self.id };
        Ok(Generation::new(self.group.name.clone(), Arc::new(token)))
    }

    fn leave(self: Box<Self>, _timeout: Duration) -> Result<(), BrokerError> {
        self.group.state.lock().remove(self.id, &self.context.topics);
        self.group.changed.notify_all();
        Ok(())
    }
}
