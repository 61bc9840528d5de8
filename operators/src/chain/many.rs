//! The chains of an actor with many events, or with a verb whose events make several blocks.

use std::sync::Arc;

use super::events::StoredChain;
use super::few::Few;
use super::ids::IdIndex;
use super::memory::{Heap, Memory};
use super::names::{Names, VerbNumber};
use super::packed::Events;
use super::removed::Removed;
use super::row::{EventId, NewEvent};
use super::view::{Place, VerbChain};

/// From this many events on, ids are looked up in an index instead of scanned.
const INDEX_FROM: usize = 64;

/// With no more events than this, an actor may be kept as one with few again.
const FEW: usize = 24;

/// Chains, sorted by the bytes of their verbs, none of them empty.
#[derive(Debug)]
pub(crate) struct Many {
    chains: Vec<StoredVerb>,
    n_events: usize,
    ids: Option<IdIndex>,
}

/// The events of one verb.
#[derive(Debug)]
pub(crate) struct StoredVerb {
    pub(crate) verb: Arc<str>,
    pub(crate) number: VerbNumber,
    pub(crate) chain: StoredChain,
}

impl Many {
    pub(crate) fn new(few: &mut Few, names: &Names) -> Self {
        let n_events = few.events().len();
        let chains = few.take().into_iter();
        let chains = chains.map(|(number, chain)| StoredVerb { verb: Arc::from(names.verb(number)), number, chain });
        Self { chains: chains.collect(), n_events, ids: None }
    }

    pub(crate) fn chains(&self) -> &[StoredVerb] {
        &self.chains
    }

    pub(crate) fn n_events(&self) -> usize {
        self.n_events
    }

    pub(crate) fn ids(&self) -> Option<&IdIndex> {
        self.ids.as_ref()
    }

    pub(crate) fn view(&self) -> Vec<VerbChain<'_>> {
        self.chains.iter().map(|own| VerbChain { verb: &own.verb, chain: own.chain.view() }).collect()
    }

    /// Counts the memory that it takes, itself in a box.
    pub(crate) fn measure(&self, memory: &mut Memory) {
        let own = Heap::piece(size_of::<Self>(), size_of::<Self>()) + Heap::vec(&self.chains);
        own.count(&mut memory.index, &mut memory.overhead);
        self.chains.iter().for_each(|own| own.chain.measure(memory));
        let ids = self.ids.as_ref().map(IdIndex::heap);
        ids.into_iter().for_each(|heap| heap.count(&mut memory.ids, &mut memory.overhead));
    }

    /// The earliest time of an event.
    pub(crate) fn earliest(&self) -> Option<i64> {
        self.chains.iter().map(|own| own.chain.first_time()).min()
    }

    /// The chain and place of the event with this id, and its time.
    pub(crate) fn find(&self, id: EventId<'_>) -> Option<(usize, Place, i64)> {
        match &self.ids {
            Some(ids) => ids.times(id.hash).find_map(|t| self.find_at(t, id.text)),
            None => self.scan(id.text),
        }
    }

    /// Inserts an event whose id is not here.
    pub(crate) fn insert(&mut self, verb: &Arc<str>, id: EventId<'_>, event: &mut NewEvent) {
        let at = self.chains.partition_point(|other| *other.verb < **verb);
        if self.chains.get(at).is_none_or(|other| other.verb != *verb) {
            self.chains.reserve_exact(1);
            let chain = StoredChain::new(Default::default());
            self.chains.insert(at, StoredVerb { verb: verb.clone(), number: event.row().verb(), chain });
        }
        let t = event.t;
        if let Some(own) = self.chains.get_mut(at) {
            own.chain.insert(id.is_cut(), event);
        }
        self.n_events += 1;
        match &mut self.ids {
            Some(ids) => ids.insert(id.hash, t),
            None if self.n_events >= INDEX_FROM => self.ids = Some(self.index()),
            None => {}
        }
    }

    /// Removes the event at a place that [`Self::find`] gave.
    pub(crate) fn remove(&mut self, chain: usize, place: Place, floor: i64, removed: &mut Removed) {
        let Some(own) = self.chains.get_mut(chain) else { return };
        let Some((key, row)) = own.chain.view().get(place) else { return };
        removed.count(key, row, floor);
        if let Some(ids) = &mut self.ids {
            ids.remove(EventId::new(row.id()).hash, key.t);
        }
        own.chain.remove(place, &mut removed.gone);
        self.settle(1);
    }

    /// Removes every event with a time at or before `t`.
    pub(crate) fn remove_through(&mut self, t: i64, floor: i64, removed: &mut Removed) {
        let before = removed.n_events;
        for own in &mut self.chains {
            own.chain.remove_through(t, floor, self.ids.as_mut(), removed);
        }
        self.settle(removed.n_events - before);
    }

    /// As an actor with few events, when that is what it is.
    pub(crate) fn shrink(&mut self) -> Option<Few> {
        let fits = |own: &StoredVerb| own.number != VerbNumber::NONE && own.chain.is_one_block();
        if self.n_events > FEW || !self.chains.iter().all(fits) {
            return None;
        }
        let chains = std::mem::take(&mut self.chains).into_iter();
        Some(Few::of(
            chains.map(|own| own.chain.into_one_block().map_or_else(Events::default, |block| block.into_events())),
        ))
    }

    fn settle(&mut self, n_removed: usize) {
        if n_removed > 0 {
            self.chains.retain(|own| !own.chain.is_empty());
            self.n_events = self.n_events.saturating_sub(n_removed);
            if self.n_events < INDEX_FROM / 2 {
                self.ids = None;
            }
        }
    }

    fn find_at(&self, t: i64, id: &str) -> Option<(usize, Place, i64)> {
        let mut chains = self.chains.iter().enumerate();
        chains.find_map(|(at, own)| Some((at, own.chain.view().find(t, id)?, t)))
    }

    fn scan(&self, id: &str) -> Option<(usize, Place, i64)> {
        for (at, own) in self.chains.iter().enumerate() {
            for (number, block) in own.chain.blocks().enumerate() {
                let found = block.view().events().enumerate().find(|(_, (_, row))| row.id() == id);
                if let Some((index, (key, _))) = found {
                    return Some((at, Place { block: number, index }, key.t));
                }
            }
        }
        None
    }

    fn index(&self) -> IdIndex {
        let mut ids = IdIndex::default();
        for (key, row) in self.chains.iter().flat_map(|own| own.chain.view().iter()) {
            ids.insert(EventId::new(row.id()).hash, key.t);
        }
        ids
    }
}
