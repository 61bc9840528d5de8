//! Everything a partition knows about one actor.

use std::sync::Arc;

use super::events::{Chain, Place};
use super::ids::IdIndex;
use super::row::{Key, StoredRow};
use super::undo::Undo;

/// From this many events on, ids are looked up in an index instead of scanned.
const INDEX_FROM: usize = 64;

/// One actor's chains, sorted by the bytes of their verbs, none of them empty.
#[derive(Debug)]
pub(crate) struct ActorState {
    chains: Vec<VerbChain>,
    n_events: usize,
    ids: Option<Box<IdIndex>>,
    undo: Option<Box<Undo>>,
    /// The expiry bucket in which this actor is registered; see `expiry`.
    pub(crate) bucket: i64,
}

/// The events of one verb.
#[derive(Debug)]
pub(crate) struct VerbChain {
    pub(crate) verb: Arc<str>,
    pub(crate) chain: Chain,
}

/// What a removal took away.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// The events. To be dropped after the stripe is unlocked: freeing many takes a while.
    pub(crate) rows: Vec<StoredRow>,
    /// How many of them were above the floor.
    pub(crate) visible: u64,
}

impl Default for ActorState {
    fn default() -> Self {
        Self { chains: Vec::new(), n_events: 0, ids: None, undo: None, bucket: i64::MAX }
    }
}

impl ActorState {
    pub(crate) fn chains(&self) -> &[VerbChain] {
        &self.chains
    }

    pub(crate) fn n_events(&self) -> usize {
        self.n_events
    }

    /// Whether the index of ids, if there is one, knows as many events as there are.
    pub(crate) fn ids_are_complete(&self) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.len() == self.n_events)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.undo.is_none()
    }

    pub(crate) fn undo(&self) -> Option<&Undo> {
        self.undo.as_deref()
    }

    pub(crate) fn undo_mut(&mut self) -> &mut Undo {
        self.undo.get_or_insert_default()
    }

    /// The earliest time at which something of this actor expires.
    pub(crate) fn earliest(&self) -> i64 {
        let events = self.chains.iter().map(|verb| verb.chain.first_time());
        events.chain(self.undo.iter().map(|undo| undo.earliest())).min().unwrap_or(i64::MAX)
    }

    /// The chain and place of the event with this id, and its time.
    pub(crate) fn find(&self, key: Key, id: &str) -> Option<(usize, Place, i64)> {
        match &self.ids {
            Some(ids) => ids.times(key.id_hash).find_map(|t| self.find_at(t, key, id)),
            None => self.scan(key, id),
        }
    }

    /// Inserts an event whose id is not here.
    pub(crate) fn insert(&mut self, verb: &Arc<str>, key: Key, row: StoredRow) {
        let at = self.chains.partition_point(|other| *other.verb < **verb);
        if self.chains.get(at).is_none_or(|other| other.verb != *verb) {
            self.chains.reserve_exact(1);
            self.chains.insert(at, VerbChain { verb: verb.clone(), chain: Chain::new() });
        }
        if let Some(verb) = self.chains.get_mut(at) {
            verb.chain.insert(key, row);
        }
        self.n_events += 1;
        match &mut self.ids {
            Some(ids) => ids.insert(key.id_hash, key.t),
            None if self.n_events >= INDEX_FROM => self.ids = Some(Box::new(self.index())),
            None => {}
        }
    }

    /// Removes the event at a place that [`Self::find`] returned.
    pub(crate) fn remove(&mut self, chain: usize, place: Place) -> Removed {
        let mut removed = Removed::default();
        if let Some((key, row)) = self.chains.get_mut(chain).and_then(|verb| verb.chain.remove(place)) {
            removed.add(key, row, i64::MIN);
            if let Some(ids) = &mut self.ids {
                ids.remove(key.id_hash, key.t);
            }
        }
        self.settle(removed)
    }

    /// Removes every event with a time at or before `t`.
    pub(crate) fn remove_through(&mut self, t: i64, floor: i64) -> Removed {
        let mut removed = Removed::default();
        for verb in &mut self.chains {
            verb.chain.remove_through(t, |key, row| {
                removed.add(key, row, floor);
                if let Some(ids) = &mut self.ids {
                    ids.remove(key.id_hash, key.t);
                }
            });
        }
        self.settle(removed)
    }

    /// Removes all that has expired at this floor.
    pub(crate) fn prune(&mut self, floor: i64) -> Removed {
        if let Some(undo) = &mut self.undo {
            undo.prune(floor);
            if undo.is_empty() {
                self.undo = None;
            }
        }
        self.remove_through(floor, floor)
    }

    fn settle(&mut self, removed: Removed) -> Removed {
        if !removed.rows.is_empty() {
            self.chains.retain(|verb| !verb.chain.is_empty());
            self.n_events = self.n_events.saturating_sub(removed.rows.len());
            if self.n_events < INDEX_FROM / 2 {
                self.ids = None;
            }
        }
        removed
    }

    fn find_at(&self, t: i64, key: Key, id: &str) -> Option<(usize, Place, i64)> {
        let mut chains = self.chains.iter().enumerate();
        chains.find_map(|(at, verb)| Some((at, verb.chain.find(t, key, id)?, t)))
    }

    fn scan(&self, key: Key, id: &str) -> Option<(usize, Place, i64)> {
        for (at, verb) in self.chains.iter().enumerate() {
            for (number, block) in verb.chain.blocks().iter().enumerate() {
                let mut events = block.events();
                let found = events.position(|(other, row)| other.id_hash == key.id_hash && row.id() == id);
                if let Some(index) = found {
                    let place = Place { block: number, index };
                    return verb.chain.get(place).map(|(key, _)| (at, place, key.t));
                }
            }
        }
        None
    }

    fn index(&self) -> IdIndex {
        let mut ids = IdIndex::default();
        for (key, _) in self.chains.iter().flat_map(|verb| verb.chain.iter()) {
            ids.insert(key.id_hash, key.t);
        }
        ids
    }
}

impl Removed {
    fn add(&mut self, key: Key, row: StoredRow, floor: i64) {
        self.visible += u64::from(key.t > floor);
        self.rows.push(row);
    }
}
