//! What was not kept lately, and why: so that somebody who misses an event finds it.

use std::collections::{HashMap, VecDeque};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use nowfold_core::names::Offset;
use nowfold_core::time::{Timestamp, millis};
use nowfold_schemas::action::Action;

use super::admission::Appended;
use super::cap::Cut;
use super::config::ChainConfig;
use super::memory::Heap;
use super::row::Row;

/// An event that a store does not hold, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Why: the name under which it is counted, such as `late_dropped`; `replaced` for an earlier version of an event.
    pub reason: &'static str,
    /// Its time, if it has one. For `erased`, the time up to which events were erased.
    pub timestamp: Option<Timestamp>,
    /// Its id. Empty for what was erased: nothing is kept of it.
    pub event_id: CompactString,
    /// Its verb; empty for what was erased.
    pub verb: CompactString,
    /// Its object; empty for what was erased.
    pub object: CompactString,
    /// How many events this stands for: 1, but for `erased` and `capped`.
    pub n: u64,
    /// The offset of the record in the actions topic that led to this.
    pub offset: Offset,
    /// When that record was appended.
    pub appended: Timestamp,
}

/// The newest drops of a partition, by actor.
#[derive(Debug)]
pub(crate) struct DropLog {
    per_actor: usize,
    in_all: usize,
    /// Milliseconds that a drop is kept, by append time.
    kept_ms: i64,
    by_actor: HashMap<CompactString, VecDeque<(u64, Dropped)>, RandomState>,
    /// Numbers of drops and their actors, oldest first; some may be gone already.
    order: VecDeque<(u64, CompactString)>,
    next: u64,
    n: usize,
}

/// About what a drop takes.
const DROP_BYTES: usize = size_of::<Dropped>() + 2 * size_of::<(u64, CompactString)>();

impl Dropped {
    /// An event that was told about by `action`.
    pub(crate) fn of(action: &Action, reason: &'static str, appended: Appended) -> Self {
        Self {
            reason,
            timestamp: action.timestamp,
            event_id: CompactString::from(&*action.event_id),
            verb: CompactString::from(&*action.verb),
            object: CompactString::from(&*action.object),
            n: 1,
            offset: appended.offset,
            appended: appended.time,
        }
    }

    /// An event that was here.
    pub(crate) fn event(verb: &str, t: i64, row: Row<'_>, reason: &'static str, appended: Appended) -> Self {
        Self {
            reason,
            timestamp: Some(Timestamp::from_millis(t)),
            event_id: row.id().into(),
            verb: verb.into(),
            object: row.object().into(),
            n: 1,
            offset: appended.offset,
            appended: appended.time,
        }
    }

    /// All that the limit of an actor's events took, told by the newest of them.
    pub(crate) fn capped(cut: &Cut) -> Self {
        let t = Timestamp::from_millis(cut.spot.t);
        Self { event_id: cut.spot.id.clone(), ..Self::erased(t, cut.n, "capped", cut.by) }
    }

    /// An erasure, or an event that one kept out: no more than its time is kept.
    pub(crate) fn erased(t: Timestamp, n: u64, reason: &'static str, appended: Appended) -> Self {
        let nothing = CompactString::default;
        let (offset, appended) = (appended.offset, appended.time);
        Self {
            reason,
            timestamp: Some(t),
            event_id: nothing(),
            verb: nothing(),
            object: nothing(),
            n,
            offset,
            appended,
        }
    }
}

impl DropLog {
    pub(crate) fn new(config: &ChainConfig) -> Self {
        Self {
            per_actor: config.drops_per_actor,
            in_all: config.drops,
            kept_ms: millis(config.topic_retention),
            by_actor: HashMap::default(),
            order: VecDeque::new(),
            next: 0,
            n: 0,
        }
    }

    /// Keeps a drop; the actor's oldest, and then the partition's oldest, make room.
    pub(crate) fn push(&mut self, actor: &str, dropped: Dropped) {
        if self.per_actor == 0 || self.in_all == 0 {
            return;
        }
        let outdated = dropped.appended.as_millis().saturating_sub(self.kept_ms);
        let own = self.by_actor.entry(CompactString::from(actor)).or_default();
        own.push_back((self.next, dropped));
        self.n += 1;
        if own.len() > self.per_actor {
            own.pop_front();
            self.n -= 1;
        }
        self.order.push_back((self.next, CompactString::from(actor)));
        self.next += 1;
        while self.oldest_appended().is_some_and(|appended| self.n > self.in_all || appended < outdated) {
            self.pop_oldest();
        }
        if self.order.len() >= 2 * self.in_all.max(16) {
            let by_actor = &self.by_actor;
            self.order.retain(|(number, actor)| {
                by_actor.get(actor).and_then(VecDeque::front).is_some_and(|(oldest, _)| oldest <= number)
            });
        }
    }

    /// Forgets what it knows of an actor's events up to `t`.
    pub(crate) fn erase(&mut self, actor: &str, t: i64) {
        let Some(own) = self.by_actor.get_mut(actor) else { return };
        let before = own.len();
        own.retain(|(_, dropped)| dropped.timestamp.is_some_and(|at| at.as_millis() > t));
        self.n -= before - own.len();
        if own.is_empty() {
            self.by_actor.remove(actor);
        }
    }

    /// An actor's drops, the latest first.
    pub(crate) fn of(&self, actor: &str) -> Vec<Dropped> {
        let own = self.by_actor.get(actor).into_iter().flatten();
        own.rev().map(|(_, dropped)| dropped.clone()).collect()
    }

    /// Memory that it takes, but for long texts.
    pub(crate) fn heap(&self) -> Heap {
        let own = self.by_actor.values().map(|own| own.capacity() * size_of::<(u64, Dropped)>());
        let order = self.order.capacity() * size_of::<(u64, CompactString)>();
        let table =
            Heap::table::<(CompactString, VecDeque<(u64, Dropped)>)>(self.by_actor.len(), self.by_actor.capacity());
        table + Heap::piece(order, order) + own.map(|bytes| Heap::piece(bytes, bytes)).sum()
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.n * DROP_BYTES
    }

    /// When the record of the oldest drop was appended; numbers of those that are gone are left out on the way.
    fn oldest_appended(&mut self) -> Option<i64> {
        loop {
            let (number, actor) = self.order.front()?;
            match self.by_actor.get(actor).and_then(VecDeque::front) {
                Some((oldest, dropped)) if oldest == number => return Some(dropped.appended.as_millis()),
                _ => self.order.pop_front(),
            };
        }
    }

    fn pop_oldest(&mut self) {
        let Some((_, actor)) = self.order.pop_front() else { return };
        let Some(own) = self.by_actor.get_mut(&actor) else { return };
        own.pop_front();
        self.n -= 1;
        if own.is_empty() {
            self.by_actor.remove(&actor);
        }
    }
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::hours;

    use super::*;

    fn log(per_actor: usize, in_all: usize) -> DropLog {
        let mut config = ChainConfig::new(hours(97));
        (config.drops_per_actor, config.drops) = (per_actor, in_all);
        DropLog::new(&config)
    }

    fn push(log: &mut DropLog, actor: &str, offset: i64) {
        let action = Action::new(actor, "v", "o").at_ms(offset).id(offset.to_string());
        log.push(actor, Dropped::of(&action, "duplicate", Appended::new(offset, Timestamp::from_millis(offset))));
    }

    fn offsets(log: &DropLog, actor: &str) -> Vec<i64> {
        log.of(actor).iter().map(|dropped| dropped.offset).collect()
    }

    #[test]
    fn keeps_the_newest_of_each_actor_and_of_all() {
        let mut log = log(2, 3);
        (0..3).for_each(|offset| push(&mut log, "a", offset));
        assert_eq!(offsets(&log, "a"), [2, 1]);
        push(&mut log, "b", 3);
        push(&mut log, "c", 4);
        assert_eq!((offsets(&log, "a"), offsets(&log, "b"), offsets(&log, "c")), (vec![2], vec![3], vec![4]));
        assert_eq!(log.n, 3);
    }

    #[test]
    fn one_busy_actor_leaves_no_trail() {
        let mut log = log(2, 10);
        push(&mut log, "quiet", 0);
        (1..10_000).for_each(|offset| push(&mut log, "busy", offset));
        assert_eq!((offsets(&log, "quiet"), offsets(&log, "busy")), (vec![0], vec![9_999, 9_998]));
        assert!(log.order.len() <= 32, "{}", log.order.len());
    }

    #[test]
    fn an_erasure_takes_its_own_along_and_time_takes_the_rest() {
        let mut log = log(8, 8);
        (0..4).for_each(|offset| push(&mut log, "a", offset));
        log.erase("a", 2);
        assert_eq!(offsets(&log, "a"), [3]);
        push(&mut log, "b", 1_000 * 3_600_000);
        assert!(log.of("a").is_empty());
        assert_eq!((log.n, log.by_actor.len()), (1, 1));
    }
}
