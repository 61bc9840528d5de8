//! In which order the changelogs of a task follow its results.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Task;
use crate::names::StoreName;
use crate::state::Changelog;
use crate::topology::{SubTopology, Topology};

impl Task {
    /// When the changelog of a store gets its writes, where these are not stored all at once with the results, as a
    /// transaction does: 0 is with the results, and those of turn n follow when all of the turns before are stored.
    ///
    /// A store that [remembers results](crate::state::StoreSpec::remembers_results) comes after the other stores of its
    /// operators, and these after everything further down: what it says was sent is stored by then.
    pub fn changelog_turn(&self, store: &StoreName) -> usize {
        self.order.get(store).copied().unwrap_or(0)
    }
}

/// The turns of the stores that have one. Nodes are numbered such that those further down have larger numbers.
pub(super) fn order(topology: &Topology, part: &SubTopology) -> BTreeMap<StoreName, usize> {
    let logged = |name: &&StoreName| topology.stores().get(*name).is_some_and(|it| it.changelog == Changelog::Topic);
    let remembers = |name: &StoreName| topology.stores().get(name).is_some_and(|it| it.remembers_results);
    let mut places = BTreeMap::new();
    for &index in &part.nodes {
        let Some(node) = topology.nodes().get(index).filter(|node| node.stores.iter().any(remembers)) else { continue };
        for name in node.stores.iter().filter(logged) {
            let place = (Reverse(index), remembers(name));
            places.entry(name.clone()).and_modify(|known| *known = place.max(*known)).or_insert(place);
        }
    }
    let all: BTreeSet<_> = places.values().copied().collect();
    let turn = |place: &(Reverse<usize>, bool)| 1 + all.range(..place).count();
    places.iter().map(|(name, place)| (name.clone(), turn(place))).collect()
}
