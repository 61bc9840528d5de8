//! Actors in a list without gaps that grows in chunks, so that it never has to be moved to make room.

use compact_str::CompactString;

use super::actor::ActorState;
use super::memory::Heap;

/// Actors of a chunk.
const CHUNK: usize = 64;

/// An actor of a stripe.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) name: CompactString,
    pub(crate) state: ActorState,
}

/// Actors by number, from 0 on without a gap.
#[derive(Debug, Default)]
pub(crate) struct Roster(Vec<Vec<Actor>>);

impl Roster {
    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Actor> {
        self.0.get(number / CHUNK)?.get(number % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Actor> {
        self.0.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    /// Adds an actor; its number is how many there were.
    pub(crate) fn push(&mut self, actor: Actor) {
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(actor),
            // The first chunk grows as it fills: most stripes of a small store have few actors.
            None => self.0.push(vec![actor]),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(actor);
                self.0.push(chunk);
            }
        }
    }

    /// Removes an actor; the last one takes over its number.
    pub(crate) fn swap_remove(&mut self, number: usize) {
        let Some(last) = self.0.last_mut().and_then(Vec::pop) else { return };
        if self.0.last().is_some_and(Vec::is_empty) {
            self.0.pop();
        }
        if let Some(place) = self.get_mut(number) {
            *place = last;
        }
    }

    /// Up to `n` actors, the first of them that with the number `from`.
    pub(crate) fn range(&self, from: usize, n: usize) -> impl Iterator<Item = &Actor> {
        (from..self.len().min(from.saturating_add(n))).filter_map(|number| self.get(number))
    }

    /// Memory that the list takes, with long names.
    pub(crate) fn heap(&self) -> Heap {
        let long = self.range(0, usize::MAX).map(|actor| &actor.name).filter(|name| name.is_heap_allocated());
        let names: Heap = long.map(|name| Heap::piece(name.len(), name.capacity())).sum();
        Heap::vec(&self.0) + self.0.iter().map(Heap::vec).sum() + names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(roster: &Roster) -> Vec<&str> {
        roster.range(0, usize::MAX).map(|actor| &*actor.name).collect()
    }

    #[test]
    fn the_last_actor_takes_the_place_of_one_that_goes() {
        let mut roster = Roster::default();
        let all: Vec<_> = (0..130).map(|number| number.to_string()).collect();
        for name in &all {
            roster.push(Actor { name: name.as_str().into(), state: ActorState::default() });
        }
        assert_eq!((roster.len(), names(&roster)), (130, all.iter().map(|name| &**name).collect()));
        roster.swap_remove(3);
        roster.swap_remove(128);
        assert_eq!(roster.len(), 128);
        assert_eq!(roster.range(2, 3).map(|actor| &*actor.name).collect::<Vec<_>>(), ["2", "129", "4"]);
        (0..128).for_each(|_| roster.swap_remove(0));
        assert_eq!((roster.len(), roster.0.len()), (0, 0));
    }
}
