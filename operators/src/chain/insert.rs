//! How an event comes in: repeats and versions of it, and the limit of its actor's events.

use std::cmp::Ordering;

use nowfold_core::time::millis;
use nowfold_schemas::action::Action;

use super::actor::{ActorState, Found};
use super::admission::{Admission, Appended, Faults};
use super::cap::Spot;
use super::config::Dedup;
use super::drops::Dropped;
use super::row::{EventId, Order};
use super::stripe::Stripe;
use super::writer::Writer;

/// What stands in an event's way.
enum Way {
    Free,
    /// An earlier version of it made room.
    Replaced,
    Barred(Admission),
}

impl Writer {
    /// Events at or before this time do not matter any more, not even as versions of later ones.
    pub(crate) fn horizon(&self) -> i64 {
        self.stream_time().saturating_sub(millis(self.config().horizon()))
    }

    /// Inserts an event, or says why not. A version that has expired is kept unseen, lest an earlier one come back.
    pub(super) fn act(&mut self, stripe: &mut Stripe, action: &Action, t: i64, appended: Appended) -> Admission {
        if self.is_shed(t) {
            return self.pass_over(stripe, action, appended);
        }
        let late = t <= self.floor();
        let hash = self.hash(&action.actor);
        let mut number = stripe.find(&action.actor, hash);
        let id = EventId::new(&action.event_id);
        let way = match number.and_then(|number| stripe.at_mut(number)) {
            Some(state) => self.clear_way(state, action, id, t, appended),
            None => Way::Free,
        };
        let is_replaced = match way {
            Way::Barred(admission) => return if late { Admission::LateDropped } else { admission },
            way => matches!(way, Way::Replaced),
        };
        let number = *number.get_or_insert_with(|| self.add_actor(stripe, &action.actor, hash));
        let Some(state) = stripe.at_mut(number) else { return Admission::MissingActor };
        let faults = self.insert(state, action, id, t, appended);
        match is_replaced {
            _ if late => Admission::LateDropped,
            true => Admission::Replaced { faults },
            false => Admission::Admitted { faults },
        }
    }

    /// An event whose time lies where all others went. As a later version of one that is here it takes its place.
    fn pass_over(&mut self, stripe: &mut Stripe, action: &Action, appended: Appended) -> Admission {
        if let Some(state) = stripe.get_mut(&action.actor)
            && let Some(found) = state.find(EventId::new(&action.event_id))
            && self.compare(action, state, found) == Ordering::Greater
            && let Some(ghost) = self.remove(state, found, "replaced", appended)
        {
            self.add_ghost(state, ghost, appended);
        }
        Admission::Shed
    }

    fn clear_way(
        &mut self,
        state: &mut ActorState,
        action: &Action,
        id: EventId<'_>,
        t: i64,
        appended: Appended,
    ) -> Way {
        if let Some(undone) = self.undone(state, action, t, appended) {
            // It passed every test of time, so stream time moves as if it had been undone after its arrival.
            self.advance(t);
            return Way::Barred(undone);
        }
        let way = self.meet(state, action, id, t, appended);
        if !matches!(way, Way::Barred(_)) && self.is_beyond_cap(state, action, t) {
            self.advance(t);
            state.undo_mut().cap.cut(spot(action, t), appended);
            return Way::Barred(Admission::Capped);
        }
        way
    }

    fn undone(&mut self, state: &mut ActorState, action: &Action, t: i64, appended: Appended) -> Option<Admission> {
        let undo = state.undo()?;
        let is_erased = undo.is_erased(t, appended.time, self.config().topic_retention);
        if undo.is_retracted(&action.event_id, self.floor()) {
            state.undo_mut().retract(&action.event_id, t);
            if !is_erased {
                self.add_ghost(state, spot(action, t), appended);
            }
            return Some(Admission::RetractDropped);
        }
        is_erased.then_some(Admission::EraseDropped)
    }

    /// Compares the event with the one of the same id that is here, if there is one.
    fn meet(&mut self, state: &mut ActorState, action: &Action, id: EventId<'_>, t: i64, appended: Appended) -> Way {
        let Some(found) = state.find(id) else { return Way::Free };
        if found.t <= self.removable() {
            self.take(state.remove(found, self.floor()));
            return Way::Free;
        }
        match self.compare(action, state, found) {
            Ordering::Equal => Way::Barred(Admission::Duplicate),
            Ordering::Less => {
                self.advance(t);
                self.add_ghost(state, spot(action, t), appended);
                Way::Barred(Admission::Duplicate)
            }
            Ordering::Greater => {
                if let Some(ghost) = self.remove(state, found, "replaced", appended) {
                    self.add_ghost(state, ghost, appended);
                }
                Way::Replaced
            }
        }
    }

    /// How an event compares with the one of the same id that is here; equal: it is a repeat.
    fn compare(&self, action: &Action, state: &ActorState, found: Found) -> Ordering {
        let own = || action.sequence.unwrap_or(0);
        match self.config().dedup {
            Dedup::FirstInLog => Ordering::Equal,
            Dedup::LatestWins => state.event(found).map_or(Ordering::Equal, |(_, row)| own().cmp(&row.sequence())),
        }
    }

    fn insert(
        &mut self,
        state: &mut ActorState,
        action: &Action,
        id: EventId<'_>,
        t: i64,
        appended: Appended,
    ) -> Faults {
        let (verb, faults) = self.pack(action, t);
        self.size.events += 1;
        self.size.bytes += self.event.row().n_bytes();
        state.insert(self.cells.names(), &verb, id, &mut self.event);
        if state.undo().is_some_and(|undo| undo.cap.n_ghosts() > 0) {
            state.undo_mut().cap.remove_ghost(&spot(action, t));
        }
        self.enforce_cap(state, appended);
        self.register(state, &action.actor, t);
        self.advance(t);
        faults
    }

    /// Removes an event, remembers that it was here, and returns where it stood.
    pub(super) fn remove(
        &mut self,
        state: &mut ActorState,
        found: Found,
        reason: &'static str,
        appended: Appended,
    ) -> Option<Spot> {
        let (verb, row) = state.event(found)?;
        let verb = verb.unwrap_or_else(|| self.cells.names().verb(row.verb()));
        self.dropped.push(Dropped::event(verb, found.t, row, reason, appended));
        let spot = Spot::from(row.order(found.t));
        self.take(state.remove(found, self.floor()));
        Some(spot)
    }

    /// Lets an event that is not seen take up room, where there is a limit.
    pub(super) fn add_ghost(&mut self, state: &mut ActorState, ghost: Spot, appended: Appended) {
        if self.config().max_events_per_actor.is_some() && ghost.t > self.floor() {
            state.undo_mut().cap.add_ghost(ghost);
            self.enforce_cap(state, appended);
        }
    }

    /// Whether the event would be the oldest of more than there may be.
    fn is_beyond_cap(&self, state: &ActorState, action: &Action, t: i64) -> bool {
        let own = Order { t, sequence: action.sequence.unwrap_or(0), id: action.event_id.as_bytes() };
        self.config().max_events_per_actor.is_some_and(|max| {
            n_counted(state) >= max.max(1)
                && [oldest_ghost(state), state.oldest().map(|(order, _)| order)]
                    .into_iter()
                    .flatten()
                    .all(|other| own < other)
        })
    }

    /// Cuts the oldest in order until there are no more than there may be.
    fn enforce_cap(&mut self, state: &mut ActorState, appended: Appended) {
        let Some(max) = self.config().max_events_per_actor else { return };
        while n_counted(state) > max.max(1) {
            let is_older = |order: Order<'_>| oldest_ghost(state).is_none_or(|ghost| order < ghost);
            let Some((order, found)) = state.oldest().filter(|(order, _)| is_older(*order)) else {
                state.undo_mut().cap.cut_ghost(appended);
                continue;
            };
            let spot = Spot::from(order);
            self.take(state.remove(found, self.floor()));
            state.undo_mut().cap.cut(spot, appended);
            self.counters.capped += 1;
        }
    }
}

fn spot(action: &Action, t: i64) -> Spot {
    Spot::new(t, action.sequence.unwrap_or(0), &action.event_id)
}

/// Events that count for the limit.
fn n_counted(state: &ActorState) -> usize {
    state.n_events() + state.undo().map_or(0, |undo| undo.cap.n_ghosts())
}

fn oldest_ghost(state: &ActorState) -> Option<Order<'_>> {
    state.undo()?.cap.oldest_ghost().map(Spot::order)
}
