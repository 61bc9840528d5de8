//! The few events of an ordinary actor: all verbs together, in the order of the verbs' bytes and then of the events.
//!
//! Every verb's events make one block here; an actor that needs more is kept otherwise, see `many`.

use std::ops::Range;

use super::block::{Block, StoredBlock};
use super::events::StoredChain;
use super::names::{Names, VerbNumber};
use super::packed::Events;
use super::removed::Removed;
use super::row::{EventId, NewEvent};
use super::view::{Blocks, Chain, VerbChain};

/// More events than this are kept otherwise.
const MOST: usize = 48;

/// Events of all verbs.
#[derive(Debug, Default)]
pub(crate) struct Few(Events);

impl Few {
    /// Of chains in order of their verbs.
    pub(crate) fn of(chains: impl Iterator<Item = Events>) -> Self {
        let mut events = Events::default();
        chains.for_each(|chain| events.append(chain));
        Self(events)
    }

    pub(crate) fn events(&self) -> &Events {
        &self.0
    }

    /// The chains, in order of their verbs.
    pub(crate) fn view<'a>(&'a self, names: &'a Names) -> Vec<VerbChain<'a>> {
        let view = |(verb, events): (VerbNumber, Range<usize>)| {
            let block = Block::among(&self.0, events.start, events.end);
            VerbChain { verb: names.verb(verb), chain: Chain::new(Blocks::One(block)) }
        };
        self.verbs().map(view).collect()
    }

    /// Where an event belongs; `None` when it cannot be kept here.
    pub(crate) fn place(&self, names: &Names, id: EventId<'_>, event: &NewEvent) -> Option<usize> {
        let verb = event.row().verb();
        if self.0.len() >= MOST || verb == VerbNumber::NONE {
            return None;
        }
        let name = names.verb(verb);
        let mut end = 0;
        for (other, events) in self.verbs() {
            if other == verb {
                let order = event.row().order(event.t);
                let index = self.0.position(order, events.start, events.end);
                let is_last = index == events.end;
                let cuts = if is_last { self.0.id(index - 1).is_some_and(EventId::is_cut) } else { id.is_cut() };
                return (!cuts).then_some(index);
            }
            if names.verb(other) > name {
                return Some(events.start);
            }
            end = events.end;
        }
        Some(end)
    }

    /// Inserts an event at the place that [`Self::place`] gave.
    pub(crate) fn insert(&mut self, place: usize, event: &mut NewEvent) {
        self.0.insert(place, event);
    }

    /// The index of the event with this id.
    pub(crate) fn find(&self, id: EventId<'_>) -> Option<usize> {
        self.0.range(0, self.0.len()).position(|(_, row)| row.id() == id.text)
    }

    /// Removes the events `from..to`.
    pub(crate) fn remove(&mut self, events: Range<usize>, floor: i64, removed: &mut Removed) {
        for (key, row) in self.0.range(events.start, events.end) {
            removed.count(key, row, floor);
        }
        self.0.remove(events.start, events.end, &mut removed.gone.vectors);
    }

    /// Removes every event with a time at or before `t`.
    pub(crate) fn remove_through(&mut self, t: i64, floor: i64, removed: &mut Removed) {
        let verbs: Vec<_> = self.verbs().map(|(_, events)| events).collect();
        for events in verbs.into_iter().rev() {
            let end = self.0.after(t, events.start, events.end);
            if end > events.start {
                self.remove(events.start..end, floor, removed);
            }
        }
    }

    /// The earliest time of an event.
    pub(crate) fn earliest(&self) -> Option<i64> {
        self.0.range(0, self.0.len()).map(|(key, _)| key.t).min()
    }

    /// Takes all events out, as chains with the numbers of their verbs.
    pub(crate) fn take(&mut self) -> Vec<(VerbNumber, StoredChain)> {
        let verbs: Vec<_> = self.verbs().collect();
        let mut events = std::mem::take(&mut self.0);
        let split = |(verb, range): (VerbNumber, Range<usize>)| {
            (verb, StoredChain::new(StoredBlock::new(events.split_off(range.start))))
        };
        let mut chains: Vec<_> = verbs.into_iter().rev().map(split).collect();
        chains.reverse();
        chains
    }

    /// The verbs and where their events are.
    fn verbs(&self) -> impl Iterator<Item = (VerbNumber, Range<usize>)> {
        let verb = |index: usize| self.0.get(index).map(|(_, row)| row.verb());
        let mut next = 0;
        std::iter::from_fn(move || {
            let (start, own) = (next, verb(next)?);
            while verb(next) == Some(own) {
                next += 1;
            }
            Some((own, start..next))
        })
    }
}
