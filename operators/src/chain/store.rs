//! The store of one partition: striped locks around actors, one writer, many readers.

use std::hash::BuildHasher;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use nowfold_core::time::{Timestamp, millis};
use nowfold_schemas::action::{Action, Op};
use parking_lot::{Mutex, RwLock};

use super::admission::{Admission, Appended, Counters};
use super::cap::Cut;
use super::config::ChainConfig;
use super::drops::{DropLog, Dropped};
use super::limit::{Shed, WhenFull};
use super::mark::{Mark, MarkCell};
use super::memory::Memory;
use super::names::Names;
use super::stripe::Stripe;
use super::view::VerbChain;
use super::writer::{Size, Writer};

const STRIPES: usize = 256;

/// Actors pruned per applied record at most, so that expiry costs every insert little and none much.
const PRUNED_PER_RECORD: usize = 2;

/// The event chains of one partition of the actions topic.
///
/// One worker applies records in the log's order; any thread reads meanwhile. A reader holds the lock of its actor's
/// stripe while it evaluates, so it sees that actor before or after a record, never in between.
#[derive(Debug)]
pub struct EventChains {
    config: ChainConfig,
    stripes: Box<[RwLock<Stripe>]>,
    hasher: RandomState,
    names: ArcSwap<Names>,
    mark: MarkCell,
    shed: Shed,
    writer: Mutex<Writer>,
    /// Locked by the writer while it holds a stripe, and by readers alike.
    drops: Mutex<DropLog>,
}

/// One actor at one moment, while its stripe is locked.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// Chains in byte order of their verbs; empty for an unknown actor.
    pub(crate) chains: Vec<VerbChain<'a>>,
    pub(crate) names: &'a Names,
    /// How far the partition is at this moment.
    pub(crate) mark: Mark,
    /// Events at or before this time have expired, or are gone since there was no room for them.
    pub(crate) floor: i64,
    /// Events at or before this time have expired.
    expired: i64,
    /// Events at or before this time may be missing, since there was no room for them.
    missing: i64,
    /// The newest event that went since the actor had more than it may.
    pub(crate) cut: Option<&'a Cut>,
}

impl View<'_> {
    /// Events at or before this time may be missing: those at or before the floor, those up to a cut, and those for which
    /// there was no room.
    pub(crate) fn reach(&self, floor: i64) -> i64 {
        self.cut.map_or(floor, |cut| cut.spot.t.max(floor)).max(self.missing)
    }

    /// Whether events may be missing that have not expired.
    pub(crate) fn is_cut(&self, log_floor: i64) -> bool {
        let expired = self.expired.max(log_floor);
        self.reach(expired) > expired
    }
}

impl EventChains {
    /// An empty store.
    pub fn new(config: ChainConfig) -> Self {
        let hasher = RandomState::default();
        Self {
            stripes: (0..STRIPES).map(|_| RwLock::new(Stripe::new(hasher.clone()))).collect(),
            hasher: hasher.clone(),
            names: ArcSwap::default(),
            mark: MarkCell::new(),
            shed: Shed::nothing(),
            writer: Mutex::new(Writer::new(config.clone(), hasher)),
            drops: Mutex::new(DropLog::new(&config)),
            config,
        }
    }

    /// The settings it was made with.
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// Applies one record: inserts, retracts or erases by the rules of `docs/semantics.md`, section 3. The result is visible to
    /// queries when this returns. To be called by one thread, in the order of offsets.
    pub fn apply(&self, action: &Action, appended: Appended) -> Admission {
        let writer = &mut *self.writer.lock();
        let admission = match writer.judge(action, appended) {
            Err(refused) => {
                self.note_drop(action, refused, appended);
                refused
            }
            Ok(t) => {
                let has_room = action.op != Op::Act || self.make_room(writer, t);
                let mut stripe = self.stripe(&action.actor).write();
                let admission = match has_room {
                    true => writer.write(&mut stripe, action, t, appended),
                    false => self.refuse(t),
                };
                match admission {
                    Admission::Erased { n } => self.note_erasure(&action.actor, t, n, appended),
                    admission => self.note_drop(action, admission, appended),
                }
                self.note_removed(&action.actor, writer);
                self.publish(writer, appended);
                admission
            }
        };
        self.finish(writer, admission, appended);
        admission
    }

    /// There is no room for an event of this time.
    fn refuse(&self, t: i64) -> Admission {
        self.shed.miss(t);
        match self.config.memory_limit.map(|limit| limit.when_full) {
            Some(WhenFull::DropOldest) => Admission::Shed,
            Some(WhenFull::Stop) | None => Admission::Full,
        }
    }

    /// Applies a record without a value: every event of the actor up to the record's append time is erased.
    pub fn erase(&self, actor: &str, appended: Appended) -> Admission {
        let writer = &mut *self.writer.lock();
        let admission = if actor.is_empty() {
            Admission::MissingActor
        } else {
            let mut stripe = self.stripe(actor).write();
            let t = appended.time.as_millis();
            let admission = writer.erase(&mut stripe, actor, t, appended);
            if let Admission::Erased { n } = admission {
                self.note_erasure(actor, t, n, appended);
            }
            self.publish(writer, appended);
            admission
        };
        self.finish(writer, admission, appended);
        admission
    }

    /// Prunes up to `n_actors` actors with expired events; returns whether none is left that is due. Answers never
    /// depend on it. [`Self::apply`] does a little of it for every record.
    pub fn maintain(&self, n_actors: usize) -> bool {
        self.prune_due(&mut self.writer.lock(), n_actors)
    }

    /// How far the store is.
    pub fn mark(&self) -> Mark {
        self.mark.read()
    }

    /// The largest time of an admitted event; [`Timestamp::MIN`] before the first.
    pub fn stream_time(&self) -> Timestamp {
        self.mark.read().stream_time
    }

    /// Events at or before this time have expired (stream time minus retention), or are gone since there was no room.
    pub fn floor(&self) -> Timestamp {
        Timestamp::from_millis(self.floor_of(self.mark()))
    }

    /// Outcomes counted since the store was opened.
    pub fn counters(&self) -> Counters {
        self.writer.lock().counters
    }

    /// Events kept, with those that have expired but are not pruned yet.
    pub fn len(&self) -> usize {
        self.size().events
    }

    /// Whether no event is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Actors with events, retractions or erasures.
    pub fn actors(&self) -> usize {
        self.size().actors
    }

    /// About how many bytes of memory the store takes. Less exact than [`Self::memory`], but known at once.
    pub fn bytes(&self) -> usize {
        let drops = self.drops.lock().bytes();
        self.writer.lock().bytes() + drops
    }

    /// Events at or before this time are missing, or may be, since there was no room for them; `None` where all have been
    /// kept.
    pub fn shed_until(&self) -> Option<Timestamp> {
        Some(self.shed.missing()).filter(|t| *t > i64::MIN).map(Timestamp::from_millis)
    }

    pub(super) fn shed(&self) -> &Shed {
        &self.shed
    }

    /// Counts what is kept beside the actors.
    pub(crate) fn measure_writer(&self, memory: &mut Memory) {
        let writer = self.writer.lock();
        // Readers have a table of names of their own.
        writer.names().heap().times(2).count(&mut memory.texts, &mut memory.overhead);
        writer.wheel.heap().count(&mut memory.expiry, &mut memory.overhead);
        writer.vectors.heap().count(&mut memory.vectors, &mut memory.overhead);
        drop(writer);
        self.drops.lock().heap().count(&mut memory.drops, &mut memory.overhead);
    }

    fn size(&self) -> Size {
        self.writer.lock().size
    }

    /// Calls `read` with one actor as it is now.
    pub(crate) fn read<R>(&self, actor: &str, read: impl FnOnce(View<'_>) -> R) -> R {
        let hash = self.hasher.hash_one(actor);
        let stripe = self.stripe_of(hash).read();
        let mark = self.mark.read();
        let names = self.names.load();
        let state = stripe.get(actor, hash);
        let chains = state.map_or_else(Vec::new, |state| state.view(&names));
        let (expired, missing) = (self.expired_of(mark), self.shed.missing());
        let floor = expired.max(self.shed.gone());
        let cut = state.and_then(|state| state.undo()?.cap.newest_cut());
        read(View { chains, names: &names, mark, floor, expired, missing, cut })
    }

    /// Whether an erasure of the actor's events up to `t` has been applied, or all of them have expired.
    pub fn is_erased(&self, actor: &str, t: Timestamp) -> bool {
        let hash = self.hasher.hash_one(actor);
        let stripe = self.stripe_of(hash).read();
        let erased = |undo: &super::undo::Undo| undo.has_erased(t.as_millis());
        t <= self.floor() || stripe.get(actor, hash).and_then(|state| state.undo()).is_some_and(erased)
    }

    /// What was not kept of an actor lately, the latest first; all that the limit of its events took comes last, as one.
    pub fn drops_of(&self, actor: &str) -> Vec<Dropped> {
        self.read(actor, |view| self.drops_in(&view, actor))
    }

    /// The same for the actor of a view.
    pub(crate) fn drops_in(&self, view: &View<'_>, actor: &str) -> Vec<Dropped> {
        let mut drops = self.drops.lock().of(actor);
        drops.extend(view.cut.filter(|cut| cut.spot.t > view.floor).map(Dropped::capped));
        drops
    }

    /// Remembers an event that was not kept. One that the log had shown before is none: it is the event that is here.
    fn note_drop(&self, action: &Action, admission: Admission, appended: Appended) {
        let dropped = match admission {
            Admission::EraseDropped => {
                let t = action.timestamp.unwrap_or(appended.time);
                Dropped::erased(t, 1, admission.reason(), appended)
            }
            Admission::Duplicate if self.mark().applied.is_some_and(|applied| appended.offset <= applied) => return,
            Admission::Duplicate
            | Admission::LateDropped
            | Admission::FutureQuarantined
            | Admission::BadTimestamp
            | Admission::MissingEventId
            | Admission::RetractDropped => Dropped::of(action, admission.reason(), appended),
            _ => return,
        };
        self.drops.lock().push(&action.actor, dropped);
    }

    fn note_removed(&self, actor: &str, writer: &mut Writer) {
        if !writer.dropped.is_empty() {
            let mut drops = self.drops.lock();
            writer.dropped.drain(..).for_each(|dropped| drops.push(actor, dropped));
        }
    }

    fn note_erasure(&self, actor: &str, t: i64, n: u64, appended: Appended) {
        let mut drops = self.drops.lock();
        drops.erase(actor, t);
        drops.push(actor, Dropped::erased(Timestamp::from_millis(t), n, "erased", appended));
    }

    pub(crate) fn floor_of(&self, mark: Mark) -> i64 {
        self.expired_of(mark).max(self.shed.gone())
    }

    fn expired_of(&self, mark: Mark) -> i64 {
        mark.stream_time.as_millis().saturating_sub(millis(self.config.retention))
    }

    pub(crate) fn stripes(&self) -> &[RwLock<Stripe>] {
        &self.stripes
    }

    pub(crate) fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// Makes a change known while its stripe is still locked, so that no reader sees the one without the other.
    fn publish(&self, writer: &mut Writer, appended: Appended) {
        if writer.cells.take_changed() {
            self.names.store(Arc::new(writer.names().clone()));
        }
        self.mark.publish(writer.stream_time(), appended.offset);
    }

    fn finish(&self, writer: &mut Writer, admission: Admission, appended: Appended) {
        self.mark.publish(writer.stream_time(), appended.offset);
        writer.counters.count(admission);
        writer.free_removed();
        self.prune_due(writer, PRUNED_PER_RECORD);
    }

    fn prune_due(&self, writer: &mut Writer, n_actors: usize) -> bool {
        (0..n_actors).any(|_| !self.prune_one(writer))
    }

    /// Prunes an actor; returns whether there was one that is due.
    pub(super) fn prune_one(&self, writer: &mut Writer) -> bool {
        let Some((bucket, hash)) = writer.wheel.pop_due(writer.removable()) else { return false };
        writer.prune(&mut self.stripe_of(hash).write(), bucket, hash);
        writer.free_removed();
        true
    }

    fn stripe(&self, actor: &str) -> &RwLock<Stripe> {
        self.stripe_of(self.hasher.hash_one(actor))
    }

    fn stripe_of(&self, hash: u64) -> &RwLock<Stripe> {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the stripe")]
        let hash = hash as usize;
        #[expect(clippy::indexing_slicing, reason = "there are STRIPES stripes")]
        &self.stripes[hash % STRIPES]
    }
}
