//! Retractions, erasures and cuts that still apply to records that arrive later.

use std::collections::HashMap;
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use nowfold_core::time::Timestamp;

use super::cap::{Cap, Spot};
use super::memory::Heap;

/// What has been undone for one actor.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    /// Retracted ids, each with the time until which it is kept: it is in force while that is above the floor.
    retracted: HashMap<CompactString, i64, RandomState>,
    erasures: Vec<Erasure>,
    /// What the limit of events took, where there is one.
    pub(crate) cap: Cap,
}

#[derive(Clone, Copy, Debug)]
struct Erasure {
    /// Events up to this time are erased.
    t: i64,
    /// The append time of its record: it is in force for one topic retention after that.
    appended: Timestamp,
}

impl Undo {
    /// Keeps a retraction for at least as long as an event of time `t` could still be admitted.
    pub(crate) fn retract(&mut self, id: &str, t: i64) {
        let until = self.retracted.entry(CompactString::from(id)).or_insert(t);
        *until = t.max(*until);
    }

    /// Whether the id has been retracted.
    pub(crate) fn is_retracted(&self, id: &str, floor: i64) -> bool {
        self.retracted.get(id).is_some_and(|until| *until > floor)
    }

    /// Keeps an erasure, unless an earlier one covers it; drops those that it covers.
    pub(crate) fn erase(&mut self, t: i64, appended: Timestamp) {
        if !self.erasures.iter().any(|other| other.t >= t && other.appended >= appended) {
            self.erasures.retain(|other| other.t > t || other.appended > appended);
            self.erasures.push(Erasure { t, appended });
        }
    }

    /// Whether an event of time `t` in a record appended at `appended` falls under an erasure in force.
    pub(crate) fn is_erased(&self, t: i64, appended: Timestamp, topic_retention: Duration) -> bool {
        self.erasures.iter().any(|erasure| t <= erasure.t && appended <= erasure.appended.plus(topic_retention))
    }

    /// Whether everything up to `t` has been erased.
    pub(crate) fn has_erased(&self, t: i64) -> bool {
        self.erasures.iter().any(|erasure| t <= erasure.t)
    }

    /// Forgets what cannot apply any more: every event it could meet is late.
    pub(crate) fn prune(&mut self, floor: i64) {
        self.retracted.retain(|_, until| *until > floor);
        self.erasures.retain(|erasure| erasure.t > floor);
        self.cap.prune(floor);
    }

    /// Memory that it takes, itself in a box.
    pub(crate) fn heap(&self) -> Heap {
        let own = Heap::piece(size_of::<Self>(), size_of::<Self>()) + Heap::vec(&self.erasures);
        let table = Heap::table::<(CompactString, i64)>(self.retracted.len(), self.retracted.capacity());
        let long = self.retracted.keys().filter(|id| id.is_heap_allocated());
        own + table + self.cap.heap() + long.map(|id| Heap::piece(id.len(), id.capacity())).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.retracted.is_empty() && self.erasures.is_empty() && self.cap.is_empty()
    }

    /// The earliest time at which something here can be forgotten.
    pub(crate) fn earliest(&self) -> i64 {
        let erasures = self.erasures.iter().map(|erasure| erasure.t);
        let all = self.retracted.values().copied().chain(erasures).chain(self.cap.earliest());
        all.min().unwrap_or(i64::MAX)
    }

    /// Where the limit of events has cut, if that is in force.
    pub(crate) fn cut_in_force(&self, floor: i64) -> Option<&Spot> {
        self.cap.newest_cut().map(|cut| &cut.spot).filter(|spot| spot.t > floor)
    }

    /// Retracted ids in force, and the latest erased time in force.
    pub(crate) fn in_force(&self, floor: i64) -> (impl Iterator<Item = &str>, Option<i64>) {
        let ids = self.retracted.iter().filter(move |(_, until)| **until > floor).map(|(id, _)| id.as_str());
        (ids, self.erasures.iter().map(|erasure| erasure.t).filter(|t| *t > floor).max())
    }
}
