//! The writing half of a partition: what is admitted, and how it changes an actor.

use std::hash::BuildHasher;
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use nowfold_core::time::{Timestamp, millis};
use nowfold_schemas::action::{Action, Attributes, Op};

use super::actor::ActorState;
use super::admission::{Admission, Appended, Counters, Faults};
use super::cells::CellBuilder;
use super::config::{ChainConfig, MissingTime};
use super::drops::Dropped;
use super::expiry::Wheel;
use super::names::{Names, Side};
use super::removed::{Gone, Removed};
use super::row::{EventId, NewEvent};
use super::stripe::Stripe;
use super::vectors::VectorPool;

/// What only the one writer of a partition touches.
#[derive(Debug)]
pub(crate) struct Writer {
    config: ChainConfig,
    stream_time: i64,
    hasher: RandomState,
    pub(crate) cells: CellBuilder,
    pub(crate) vectors: VectorPool,
    /// The buffers of the event that is being inserted.
    pub(super) event: NewEvent,
    pub(crate) wheel: Wheel,
    pub(crate) counters: Counters,
    pub(crate) size: Size,
    /// Events at or before this time are gone, since there was no room for them.
    shed_until: i64,
    /// Events that the present record made go, but for expired and erased ones.
    pub(crate) dropped: Vec<Dropped>,
    /// What was removed and not freed yet.
    gone: Vec<Gone>,
}

/// How much a partition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) events: usize,
    pub(crate) actors: usize,
    pub(crate) bytes: usize,
}

/// About what an actor with one chain takes besides its events.
pub(crate) const ACTOR_BYTES: usize = 176;

impl Writer {
    /// A writer; `hasher` is the one that chooses stripes.
    pub(crate) fn new(config: ChainConfig, hasher: RandomState) -> Self {
        Self {
            stream_time: i64::MIN,
            hasher,
            cells: CellBuilder::new(config.vector_dims.clone()),
            vectors: VectorPool::new(config.vectors),
            event: NewEvent::default(),
            wheel: Wheel::new(config.retention, config.memory_limit.is_some()),
            counters: Counters::default(),
            size: Size::default(),
            shed_until: i64::MIN,
            dropped: Vec::new(),
            gone: Vec::new(),
            config,
        }
    }

    pub(crate) fn stream_time(&self) -> i64 {
        self.stream_time
    }

    /// An event of time `t` has come in.
    pub(super) fn advance(&mut self, t: i64) {
        self.stream_time = self.stream_time.max(t);
    }

    pub(super) fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// Events at or before this time are expired, or gone.
    pub(crate) fn floor(&self) -> i64 {
        self.stream_time.saturating_sub(millis(self.config.retention)).max(self.shed_until)
    }

    /// About how many bytes of memory it takes, with all that it has written.
    pub(crate) fn bytes(&self) -> usize {
        self.size.bytes + self.vectors.bytes()
    }

    /// Everything at or before this time goes.
    pub(crate) fn shed_until(&mut self, t: i64) {
        self.shed_until = t;
    }

    /// Events at or before this time went before they expired.
    pub(super) fn is_shed(&self, t: i64) -> bool {
        t <= self.shed_until
    }

    /// Events at or before this time are to be removed.
    pub(crate) fn removable(&self) -> i64 {
        self.horizon().max(self.shed_until)
    }

    /// Judges a record by itself and by stream time; returns the time it acts at.
    pub(crate) fn judge(&self, action: &Action, appended: Appended) -> Result<i64, Admission> {
        if action.actor.is_empty() {
            return Err(Admission::MissingActor);
        }
        if action.event_id.is_empty() && action.op != Op::Erase {
            return Err(Admission::MissingEventId);
        }
        let given = action.timestamp.filter(|t| t.as_millis() > 0);
        let latest = appended.time.plus(self.config.max_future_skew);
        let t = match action.op {
            // A retraction may meet any event that the log holds by now, whatever time it claims for itself.
            Op::Retract => return Ok(latest.as_millis()),
            Op::Erase => given.unwrap_or(appended.time),
            Op::Act => self.event_time(given, appended)?,
        };
        match t {
            t if t > latest => Err(Admission::FutureQuarantined),
            t if action.op == Op::Act && t.as_millis() <= self.horizon() => Err(Admission::LateDropped),
            t => Ok(t.as_millis()),
        }
    }

    fn event_time(&self, given: Option<Timestamp>, appended: Appended) -> Result<Timestamp, Admission> {
        match self.config.missing_time {
            MissingTime::UseRecordTime => Some(given.unwrap_or(appended.time)),
            MissingTime::Reject => given,
        }
        .filter(|t| t.as_millis() > 0)
        .ok_or(Admission::BadTimestamp)
    }

    /// Carries out a record that passed [`Self::judge`] with time `t`.
    pub(crate) fn write(&mut self, stripe: &mut Stripe, action: &Action, t: i64, appended: Appended) -> Admission {
        match action.op {
            Op::Act => self.act(stripe, action, t, appended),
            Op::Retract => self.retract(stripe, action, t, appended),
            Op::Erase => self.erase(stripe, &action.actor, t, appended),
        }
    }

    fn retract(&mut self, stripe: &mut Stripe, action: &Action, until: i64, appended: Appended) -> Admission {
        let (actor, id) = (&*action.actor, &*action.event_id);
        let floor = self.floor();
        let state = self.actor(stripe, actor);
        let mut until = until;
        let mut admission = Admission::OrphanRetract;
        if let Some(found) = state.find(EventId::new(id)) {
            if found.t > floor {
                until = until.max(found.t);
                admission = Admission::Retracted;
                if let Some(ghost) = self.remove(state, found, admission.reason(), appended) {
                    self.add_ghost(state, ghost, appended);
                }
            } else {
                self.take(state.remove(found, floor));
            }
        }
        state.undo_mut().retract(id, until);
        self.register(state, actor, until);
        admission
    }

    pub(crate) fn erase(&mut self, stripe: &mut Stripe, actor: &str, t: i64, appended: Appended) -> Admission {
        let floor = self.floor();
        let state = self.actor(stripe, actor);
        let removed = state.remove_through(t, floor);
        let n = removed.visible;
        self.take(removed);
        let undo = state.undo_mut();
        undo.erase(t, appended.time);
        undo.cap.prune(t);
        self.register(state, actor, t);
        Admission::Erased { n }
    }

    /// Packs an action into the event that is to be inserted; returns the one copy of its verb.
    pub(super) fn pack(&mut self, action: &Action, t: i64) -> (Arc<str>, Faults) {
        let sides: [(Side, &Attributes); 3] = [
            (Side::Actor, &action.actor_attributes),
            (Side::Verb, &action.verb_attributes),
            (Side::Object, &action.object_attributes),
        ];
        let (number, verb) = self.cells.verb(&action.verb);
        self.event.begin(t, number, action.sequence.unwrap_or(0), &action.event_id, &action.object);
        let faults = self.cells.build(sides, &mut self.vectors, &mut self.event);
        (verb, faults)
    }

    pub(super) fn actor<'a>(&mut self, stripe: &'a mut Stripe, actor: &str) -> &'a mut ActorState {
        let (state, is_new) = stripe.get_or_insert(actor);
        if is_new {
            self.count_actor();
        }
        state
    }

    /// Adds an actor whose name has this hash and is not there; returns its number.
    pub(super) fn add_actor(&mut self, stripe: &mut Stripe, actor: &str, hash: u64) -> u32 {
        self.count_actor();
        stripe.add(actor, hash)
    }

    pub(super) fn hash(&self, actor: &str) -> u64 {
        self.hasher.hash_one(actor)
    }

    fn count_actor(&mut self) {
        self.size.actors += 1;
        self.size.bytes += ACTOR_BYTES;
    }

    /// Sees to it that the actor comes up when something of time `t` expires.
    pub(super) fn register(&mut self, state: &mut ActorState, actor: &str, t: i64) {
        let bucket = self.wheel.bucket(t);
        if bucket < state.bucket {
            state.bucket = bucket;
            self.wheel.register(bucket, self.hash(actor));
        }
    }

    /// Prunes an actor that came up in `bucket` under the hash of its name.
    pub(crate) fn prune(&mut self, stripe: &mut Stripe, bucket: i64, hash: u64) {
        let (expired, removable) = (self.horizon(), self.removable());
        let Some(actor) = stripe.registered(hash, bucket).map(CompactString::from) else { return };
        let Some(state) = stripe.get_mut(&actor) else { return };
        self.take(state.prune(expired));
        if removable > expired {
            let shed = state.prune(removable);
            self.counters.shed += shed.n_events as u64;
            self.take(shed);
        }
        if state.is_empty() {
            stripe.remove(&actor);
            self.size.actors -= 1;
            self.size.bytes = self.size.bytes.saturating_sub(ACTOR_BYTES);
        } else {
            state.bucket = i64::MAX;
            self.register(state, &actor, state.earliest());
        }
    }

    pub(crate) fn names(&self) -> &Names {
        self.cells.names()
    }

    pub(super) fn take(&mut self, removed: Removed) {
        self.size.events -= removed.n_events;
        self.size.bytes = self.size.bytes.saturating_sub(removed.bytes);
        if removed.n_events > 0 {
            self.gone.push(removed.gone);
        }
    }

    /// Frees what was removed; to be called while no stripe is locked.
    pub(crate) fn free_removed(&mut self) {
        for gone in self.gone.drain(..) {
            let blocks = gone.blocks.into_iter().flat_map(|block| block.into_events().into_vectors());
            gone.vectors.into_iter().chain(blocks).for_each(|vector| self.vectors.release(&vector));
        }
    }
}
