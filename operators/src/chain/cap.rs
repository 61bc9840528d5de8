//! The limit of an actor's events: the oldest in order go.
//!
//! Which events stay must not depend on the order of arrival. So the limit counts every event that arrived in time, with
//! those that were retracted or replaced by a later version meanwhile: of these it keeps where they stood (*ghosts*).
//! Otherwise a retraction would make room or not, depending on whether it came before or after the limit was met.

use std::collections::BTreeSet;

use compact_str::CompactString;

use super::admission::Appended;
use super::memory::Heap;
use super::row::Order;

/// Where an event stands in the order of its actor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) t: i64,
    pub(crate) sequence: i64,
    pub(crate) id: CompactString,
}

/// What the limit took from one actor.
#[derive(Debug, Default)]
pub(crate) struct Cap {
    /// The newest that was cut; everything before it is gone as well.
    cut: Option<Cut>,
    ghosts: BTreeSet<Spot>,
}

/// The newest event that was cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) spot: Spot,
    /// How many were cut up to it.
    pub(crate) n: u64,
    /// The record that made it go, or did not come in.
    pub(crate) by: Appended,
}

impl Spot {
    pub(crate) fn new(t: i64, sequence: i64, id: &str) -> Self {
        Self { t, sequence, id: CompactString::from(id) }
    }

    pub(crate) fn order(&self) -> Order<'_> {
        Order { t: self.t, sequence: self.sequence, id: self.id.as_bytes() }
    }
}

impl From<Order<'_>> for Spot {
    /// Event ids are UTF-8.
    fn from(order: Order<'_>) -> Self {
        Self { t: order.t, sequence: order.sequence, id: CompactString::from_utf8_lossy(order.id) }
    }
}

impl Cap {
    /// An event takes up room without being seen.
    pub(crate) fn add_ghost(&mut self, ghost: Spot) {
        if self.cut.as_ref().is_none_or(|cut| cut.spot < ghost) {
            self.ghosts.insert(ghost);
        }
    }

    /// An event that took up room unseen is here now: it counts once.
    pub(crate) fn remove_ghost(&mut self, ghost: &Spot) {
        self.ghosts.remove(ghost);
    }

    pub(crate) fn n_ghosts(&self) -> usize {
        self.ghosts.len()
    }

    /// The oldest ghost.
    pub(crate) fn oldest_ghost(&self) -> Option<&Spot> {
        self.ghosts.first()
    }

    /// Cuts the oldest ghost.
    pub(crate) fn cut_ghost(&mut self, by: Appended) {
        if let Some(ghost) = self.ghosts.pop_first() {
            self.cut(ghost, by);
        }
    }

    /// Remembers that an event was cut.
    pub(crate) fn cut(&mut self, spot: Spot, by: Appended) {
        let before = self.cut.take();
        let n = before.as_ref().map_or(0, |cut| cut.n) + 1;
        let spot = before.map_or(spot.clone(), |cut| cut.spot.max(spot));
        self.cut = Some(Cut { spot, n, by });
    }

    /// The newest that was cut.
    pub(crate) fn newest_cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// About how much memory it takes: a tree's nodes are three quarters full.
    pub(crate) fn heap(&self) -> Heap {
        let ghosts = size_of::<Spot>() * self.ghosts.len();
        Heap::piece(ghosts, ghosts + ghosts / 3)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cut.is_none() && self.ghosts.is_empty()
    }

    /// Forgets what has expired.
    pub(crate) fn prune(&mut self, floor: i64) {
        self.cut = self.cut.take().filter(|cut| cut.spot.t > floor);
        while self.ghosts.first().is_some_and(|ghost| ghost.t <= floor) {
            self.ghosts.pop_first();
        }
    }

    /// The earliest time at which something here can be forgotten.
    pub(crate) fn earliest(&self) -> Option<i64> {
        self.cut.iter().map(|cut| &cut.spot).chain(self.ghosts.first()).map(|spot| spot.t).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_before_the_cut_takes_up_no_room() {
        let mut cap = Cap::default();
        let by = Appended::new(0, nowfold_core::time::Timestamp::MIN);
        for t in [5, 3, 4] {
            cap.add_ghost(Spot::new(t, 0, "x"));
        }
        cap.cut_ghost(by);
        cap.add_ghost(Spot::new(2, 9, "y"));
        assert_eq!((cap.n_ghosts(), cap.newest_cut().map(|cut| cut.spot.t)), (2, Some(3)));
        cap.prune(4);
        assert_eq!((cap.n_ghosts(), cap.newest_cut().is_none(), cap.earliest()), (1, true, Some(5)));
        cap.prune(5);
        assert!(cap.is_empty());
    }
}
