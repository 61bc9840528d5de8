//! The writing half of a partition: what is admitted, and how it changes an actor.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use nowfold_core::time::{Timestamp, millis};
use nowfold_schemas::action::{Action, Attributes, Op};

use super::actor::{ActorState, Removed};
use super::admission::{Admission, Appended, Counters, Faults};
use super::cells::CellBuilder;
use super::config::{ChainConfig, MissingTime};
use super::expiry::Wheel;
use super::names::{Names, Side};
use super::row::{Key, StoredRow};

/// The actors of one stripe.
pub(crate) type Stripe = HashMap<CompactString, ActorState, RandomState>;

/// Verbs beyond this many distinct ones are kept per chain instead of shared.
const SHARED_VERBS: usize = 4_096;

/// What only the one writer of a partition touches.
#[derive(Debug)]
pub(crate) struct Writer {
    config: ChainConfig,
    stream_time: i64,
    verbs: HashSet<Arc<str>, RandomState>,
    pub(crate) cells: CellBuilder,
    pub(crate) wheel: Wheel,
    pub(crate) counters: Counters,
    pub(crate) size: Size,
    /// Events that were removed and not freed yet.
    removed: Vec<StoredRow>,
}

/// How much a partition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) events: usize,
    pub(crate) actors: usize,
    pub(crate) bytes: usize,
}

/// About what an actor with one chain takes besides its events.
pub(crate) const ACTOR_BYTES: usize = 240;

impl Writer {
    pub(crate) fn new(config: ChainConfig) -> Self {
        Self {
            stream_time: i64::MIN,
            verbs: HashSet::default(),
            cells: CellBuilder::new(config.vector_dims.clone()),
            wheel: Wheel::new(config.retention),
            counters: Counters::default(),
            size: Size::default(),
            removed: Vec::new(),
            config,
        }
    }

    pub(crate) fn stream_time(&self) -> i64 {
        self.stream_time
    }

    /// Events at or before this time are expired.
    pub(crate) fn floor(&self) -> i64 {
        self.stream_time.saturating_sub(millis(self.config.retention))
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
            t if action.op == Op::Act && t.as_millis() <= self.floor() => Err(Admission::LateDropped),
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
            Op::Retract => self.retract(stripe, &action.actor, &action.event_id, t),
            Op::Erase => self.erase(stripe, &action.actor, t, appended),
        }
    }

    fn act(&mut self, stripe: &mut Stripe, action: &Action, t: i64, appended: Appended) -> Admission {
        let key = Key::new(t, &action.event_id);
        let floor = self.floor();
        if let Some(state) = stripe.get_mut(&*action.actor) {
            if let Some(undone) = self.undone(state, action, t, appended) {
                // It passed every test of time, so stream time moves as if it had been undone after its arrival.
                self.stream_time = self.stream_time.max(t);
                return undone;
            }
            match state.find(key, &action.event_id) {
                Some((.., at)) if at > floor => return Admission::Duplicate,
                Some((chain, place, _)) => self.take(state.remove(chain, place)),
                None => {}
            }
        }
        let (row, faults) = self.row(action);
        self.size.events += 1;
        self.size.bytes += row.bytes();
        let verb = self.verb(&action.verb);
        let state = self.actor(stripe, &action.actor);
        state.insert(&verb, key, row);
        self.register(state, &action.actor, t);
        self.stream_time = self.stream_time.max(t);
        Admission::Admitted { faults }
    }

    fn undone(&self, state: &mut ActorState, action: &Action, t: i64, appended: Appended) -> Option<Admission> {
        let undo = state.undo()?;
        if undo.is_retracted(&action.event_id, self.floor()) {
            state.undo_mut().retract(&action.event_id, t);
            return Some(Admission::RetractDropped);
        }
        undo.is_erased(t, appended.time, self.config.topic_retention).then_some(Admission::EraseDropped)
    }

    fn retract(&mut self, stripe: &mut Stripe, actor: &str, id: &str, until: i64) -> Admission {
        let key = Key::new(0, id);
        let floor = self.floor();
        let state = self.actor(stripe, actor);
        let mut until = until;
        let mut admission = Admission::OrphanRetract;
        if let Some((chain, place, at)) = state.find(key, id) {
            self.take(state.remove(chain, place));
            if at > floor {
                until = until.max(at);
                admission = Admission::Retracted;
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
        state.undo_mut().erase(t, appended.time);
        self.register(state, actor, t);
        Admission::Erased { n }
    }

    fn row(&mut self, action: &Action) -> (StoredRow, Faults) {
        let sides: [(Side, &Attributes); 3] = [
            (Side::Actor, &action.actor_attributes),
            (Side::Verb, &action.verb_attributes),
            (Side::Object, &action.object_attributes),
        ];
        let (cells, faults) = self.cells.build(sides);
        let row = StoredRow {
            sequence: action.sequence.unwrap_or(0),
            id: CompactString::from(&*action.event_id),
            object: CompactString::from(&*action.object),
            cells,
        };
        (row, faults)
    }

    fn verb(&mut self, verb: &Arc<str>) -> Arc<str> {
        if let Some(shared) = self.verbs.get(verb) {
            return shared.clone();
        }
        if self.verbs.len() < SHARED_VERBS {
            self.verbs.insert(verb.clone());
        }
        verb.clone()
    }

    fn actor<'a>(&mut self, stripe: &'a mut Stripe, actor: &str) -> &'a mut ActorState {
        if !stripe.contains_key(actor) {
            self.size.actors += 1;
            self.size.bytes += ACTOR_BYTES;
        }
        stripe.entry(CompactString::from(actor)).or_default()
    }

    /// Sees to it that the actor comes up when something of time `t` expires.
    fn register(&mut self, state: &mut ActorState, actor: &str, t: i64) {
        let bucket = self.wheel.bucket(t);
        if bucket < state.bucket {
            state.bucket = bucket;
            self.wheel.register(bucket, actor);
        }
    }

    /// Prunes an actor that came up in `bucket`.
    pub(crate) fn prune(&mut self, stripe: &mut Stripe, bucket: i64, actor: &str) {
        let floor = self.floor();
        let Some(state) = stripe.get_mut(actor).filter(|state| state.bucket == bucket) else { return };
        self.take(state.prune(floor));
        if state.is_empty() {
            stripe.remove(actor);
            self.size.actors -= 1;
            self.size.bytes = self.size.bytes.saturating_sub(ACTOR_BYTES);
        } else {
            state.bucket = i64::MAX;
            self.register(state, actor, state.earliest());
        }
    }

    pub(crate) fn names(&self) -> &Names {
        self.cells.names()
    }

    fn take(&mut self, removed: Removed) {
        self.size.events -= removed.rows.len();
        self.removed.extend(removed.rows);
    }

    /// Frees what was removed; to be called while no stripe is locked.
    pub(crate) fn free_removed(&mut self) {
        let bytes = self.removed.drain(..).map(|row| row.bytes()).sum();
        self.size.bytes = self.size.bytes.saturating_sub(bytes);
    }
}
