//! The actors of one stripe: an index of small numbers over a list without gaps.

use std::hash::BuildHasher;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::actor::ActorState;
use super::memory::{Heap, Memory};
use super::roster::{Actor, Roster};

/// Actors by name.
#[derive(Debug)]
pub(crate) struct Stripe {
    index: HashTable<u32>,
    actors: Roster,
    hasher: RandomState,
}

impl Stripe {
    /// No actors; `hasher` is the one that chooses stripes.
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self { index: HashTable::new(), actors: Roster::default(), hasher }
    }

    /// The number of the actor of this name, whose hash is that by which stripes are chosen. It holds until an actor is
    /// removed.
    pub(crate) fn find(&self, name: &str, hash: u64) -> Option<u32> {
        self.index.find(spread(hash), |number| is(&self.actors, *number, name)).copied()
    }

    pub(crate) fn get(&self, name: &str, hash: u64) -> Option<&ActorState> {
        let number = self.find(name, hash)?;
        self.actors.get(place(number)).map(|actor| &actor.state)
    }

    /// The actor with this number.
    pub(crate) fn at_mut(&mut self, number: u32) -> Option<&mut ActorState> {
        self.actors.get_mut(place(number)).map(|actor| &mut actor.state)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut ActorState> {
        let number = self.find(name, self.hasher.hash_one(name))?;
        self.at_mut(number)
    }

    /// The actor of this name, and whether it is new.
    pub(crate) fn get_or_insert(&mut self, name: &str) -> (&mut ActorState, bool) {
        let hash = self.hasher.hash_one(name);
        let found = self.find(name, hash);
        let number = found.unwrap_or_else(|| self.add(name, hash));
        #[expect(clippy::expect_used, reason = "the index leads to actors that are there")]
        let state = self.at_mut(number).expect("an actor that is in the index");
        (state, found.is_none())
    }

    /// An actor whose name has this hash and that is registered in this bucket of the wheel.
    pub(crate) fn registered(&self, hash: u64, bucket: i64) -> Option<&str> {
        let fits = |actor: &Actor| actor.state.bucket == bucket && self.hasher.hash_one(&*actor.name) == hash;
        let number = self.index.find(spread(hash), |number| self.actors.get(place(*number)).is_some_and(fits))?;
        self.actors.get(place(*number)).map(|actor| &*actor.name)
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let Ok(entry) = self.index.find_entry(self.hash(name), |number| is(&self.actors, *number, name)) else {
            return;
        };
        let (number, _) = entry.remove();
        self.actors.swap_remove(place(number));
        let last = self.actors.len();
        if let Some(moved) = self.actors.get(place(number)) {
            let hash = self.hash(&moved.name);
            if let Some(moved) = self.index.find_mut(hash, |number| place(*number) == last) {
                *moved = number;
            }
        }
        if self.index.capacity() > 4 * last + 8 {
            let Self { index, actors, hasher } = self;
            index.shrink_to(2 * last, |number| hash_at(actors, hasher, *number));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &ActorState)> {
        self.range(0, usize::MAX)
    }

    /// Up to `n` actors from a number on; an actor that goes gives its number to another.
    pub(crate) fn range(&self, from: usize, n: usize) -> impl Iterator<Item = (&str, &ActorState)> {
        self.actors.range(from, n).map(|actor| (&*actor.name, &actor.state))
    }

    /// Counts the memory of the index and of the list, without what belongs to single actors.
    pub(crate) fn measure_index(&self, memory: &mut Memory) {
        let table = Heap::piece(self.index.len() * (size_of::<u32>() + 1), self.index.allocation_size());
        (table + self.actors.heap()).count(&mut memory.index, &mut memory.overhead);
    }

    /// Adds an actor that is not there; returns its number.
    pub(crate) fn add(&mut self, name: &str, hash: u64) -> u32 {
        let n = self.actors.len();
        let number = u32::try_from(n).unwrap_or(u32::MAX);
        self.actors.push(Actor { name: CompactString::from(name), state: ActorState::default() });
        let Self { index, actors, hasher } = self;
        index.insert_unique(spread(hash), number, |number| hash_at(actors, hasher, *number));
        number
    }

    fn hash(&self, name: &str) -> u64 {
        spread(self.hasher.hash_one(name))
    }
}

fn is(actors: &Roster, number: u32, name: &str) -> bool {
    actors.get(place(number)).is_some_and(|actor| actor.name == name)
}

fn hash_at(actors: &Roster, hasher: &RandomState, number: u32) -> u64 {
    actors.get(place(number)).map_or(0, |actor| spread(hasher.hash_one(&*actor.name)))
}

/// All actors of a stripe agree in the low bits of their hash, where a table begins its search.
fn spread(hash: u64) -> u64 {
    hash.rotate_right(16)
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
