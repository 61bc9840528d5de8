//! Everything a partition knows about one actor.

use std::sync::Arc;

use super::few::Few;
use super::many::Many;
use super::names::Names;
use super::removed::Removed;
use super::row::{EventId, NewEvent, Order, Row};
use super::undo::Undo;
use super::view::{Place, VerbChain};

/// One actor's events, and what was undone.
#[derive(Debug)]
pub(crate) struct ActorState {
    holding: Holding,
    undo: Option<Box<Undo>>,
    /// The expiry bucket in which this actor is registered; see `expiry`.
    pub(crate) bucket: i64,
}

/// How the events are kept: nearly every actor has few.
#[derive(Debug)]
pub(crate) enum Holding {
    Few(Few),
    Many(Box<Many>),
}

/// Where an event is, and its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) t: i64,
    chain: usize,
    place: Place,
}

impl Default for ActorState {
    fn default() -> Self {
        Self { holding: Holding::Few(Few::default()), undo: None, bucket: i64::MAX }
    }
}

impl ActorState {
    pub(crate) fn holding(&self) -> &Holding {
        &self.holding
    }

    /// Chains in byte order of their verbs, none of them empty.
    pub(crate) fn view<'a>(&'a self, names: &'a Names) -> Vec<VerbChain<'a>> {
        match &self.holding {
            Holding::Few(few) => few.view(names),
            Holding::Many(many) => many.view(),
        }
    }

    pub(crate) fn n_events(&self) -> usize {
        match &self.holding {
            Holding::Few(few) => few.events().len(),
            Holding::Many(many) => many.n_events(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.n_events() == 0 && self.undo.is_none()
    }

    pub(crate) fn undo(&self) -> Option<&Undo> {
        self.undo.as_deref()
    }

    pub(crate) fn undo_mut(&mut self) -> &mut Undo {
        self.undo.get_or_insert_default()
    }

    /// The earliest time at which something of this actor expires.
    pub(crate) fn earliest(&self) -> i64 {
        let events = match &self.holding {
            Holding::Few(few) => few.earliest(),
            Holding::Many(many) => many.earliest(),
        };
        events.into_iter().chain(self.undo.iter().map(|undo| undo.earliest())).min().unwrap_or(i64::MAX)
    }

    /// The event with this id.
    pub(crate) fn find(&self, id: EventId<'_>) -> Option<Found> {
        match &self.holding {
            Holding::Few(few) => {
                let index = few.find(id)?;
                Some(Found { t: few.events().time(index)?, chain: 0, place: Place { block: 0, index } })
            }
            Holding::Many(many) => many.find(id).map(|(chain, place, t)| Found { t, chain, place }),
        }
    }

    /// The event that [`Self::find`] found, with its verb where the event's own number may not tell it.
    pub(crate) fn event(&self, found: Found) -> Option<(Option<&str>, Row<'_>)> {
        match &self.holding {
            Holding::Few(few) => few.events().get(found.place.index).map(|(_, row)| (None, row)),
            Holding::Many(many) => {
                let own = many.chains().get(found.chain)?;
                own.chain.view().get(found.place).map(|(_, row)| (Some(&*own.verb), row))
            }
        }
    }

    /// The oldest event in order.
    pub(crate) fn oldest(&self) -> Option<(Order<'_>, Found)> {
        let found = |chain, index, t| Found { t, chain, place: Place { block: 0, index } };
        match &self.holding {
            Holding::Few(few) => {
                let events = few.events().range(0, few.events().len()).enumerate();
                let events = events.map(|(index, (key, row))| (row.order(key.t), found(0, index, key.t)));
                events.min_by_key(|(order, _)| *order)
            }
            Holding::Many(many) => {
                let heads = many.chains().iter().enumerate();
                let heads = heads.filter_map(|(chain, own)| {
                    let (key, row) = own.chain.view().get(Place::default())?;
                    Some((row.order(key.t), found(chain, 0, key.t)))
                });
                heads.min_by_key(|(order, _)| *order)
            }
        }
    }

    /// Inserts an event whose id is not here.
    pub(crate) fn insert(&mut self, names: &Names, verb: &Arc<str>, id: EventId<'_>, event: &mut NewEvent) {
        if let Holding::Few(few) = &mut self.holding {
            if let Some(place) = few.place(names, id, event) {
                return few.insert(place, event);
            }
            self.holding = Holding::Many(Box::new(Many::new(few, names)));
        }
        if let Holding::Many(many) = &mut self.holding {
            many.insert(verb, id, event);
        }
    }

    /// Removes the event that [`Self::find`] found.
    pub(crate) fn remove(&mut self, found: Found, floor: i64) -> Removed {
        let mut removed = Removed::default();
        let (chain, place) = (found.chain, found.place);
        match &mut self.holding {
            Holding::Few(few) => few.remove(place.index..place.index + 1, floor, &mut removed),
            Holding::Many(many) => many.remove(chain, place, floor, &mut removed),
        }
        self.settle();
        removed
    }

    /// Removes every event with a time at or before `t`.
    pub(crate) fn remove_through(&mut self, t: i64, floor: i64) -> Removed {
        let mut removed = Removed::default();
        match &mut self.holding {
            Holding::Few(few) => few.remove_through(t, floor, &mut removed),
            Holding::Many(many) => many.remove_through(t, floor, &mut removed),
        }
        self.settle();
        removed
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

    fn settle(&mut self) {
        if let Holding::Many(many) = &mut self.holding
            && let Some(few) = many.shrink()
        {
            self.holding = Holding::Few(few);
        }
    }
}
