//! What a store's memory is used for.

use super::actor::{ActorState, Holding};
use super::store::EventChains;

/// Memory of one store partition in bytes, by what it is used for; see `docs/guide/memory.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// The actors: their names, where they are found, and what is kept once for each of them and each of their verbs.
    pub index: u64,
    /// The events: times, ids, objects, attributes, vectors that lie with their events, references to shared ones.
    pub events: u64,
    /// Vectors that events share, and where those are found.
    pub vectors: u64,
    /// Names of attributes and verbs.
    pub texts: u64,
    /// Sums over the blocks and super-blocks of actors with many events.
    pub partials: u64,
    /// Indexes of the event ids of actors with many events.
    pub ids: u64,
    /// Retractions and erasures in force.
    pub tombstones: u64,
    /// Which actor has something to forget when.
    pub expiry: u64,
    /// What was not kept lately, and why.
    pub drops: u64,
    /// Room to grow, and what the allocator adds to every piece of memory, as glibc's does.
    pub overhead: u64,
}

impl Memory {
    /// Every part with its name.
    pub fn parts(&self) -> [(&'static str, u64); 10] {
        [
            ("index", self.index),
            ("events", self.events),
            ("vectors", self.vectors),
            ("texts", self.texts),
            ("partials", self.partials),
            ("ids", self.ids),
            ("tombstones", self.tombstones),
            ("expiry", self.expiry),
            ("drops", self.drops),
            ("overhead", self.overhead),
        ]
    }

    /// All parts together. It agrees with what the process grew by within 15 %, as long as the allocator keeps little
    /// of what was freed.
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Memory behind pointers: what is used of it, and what it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heap {
    used: usize,
    taken: usize,
}

impl Heap {
    /// One piece of memory, of which `used` bytes are used.
    pub(crate) fn piece(used: usize, size: usize) -> Self {
        // glibc's malloc keeps a word before every piece, which begin at multiples of two words and have four at least.
        let taken = if size == 0 { 0 } else { (size + 8).next_multiple_of(16).max(32) };
        Self { used, taken }
    }

    pub(crate) fn vec<T>(items: &Vec<T>) -> Self {
        Self::piece(size_of_val::<[T]>(items), items.capacity() * size_of::<T>())
    }

    /// A table of the standard library or of hashbrown: places in a power of two of which an eighth stays free, with a
    /// byte each.
    pub(crate) fn table<T>(len: usize, capacity: usize) -> Self {
        let places = if capacity == 0 { 0 } else { (capacity * 8 / 7).next_power_of_two() };
        Self::piece(len * (size_of::<T>() + 1), if places == 0 { 0 } else { places * (size_of::<T>() + 1) + 16 })
    }

    /// `n` pieces alike.
    pub(crate) fn times(self, n: usize) -> Self {
        Self { used: self.used * n, taken: self.taken * n }
    }

    /// Counts it as one part and as overhead.
    pub(crate) fn count(self, part: &mut u64, overhead: &mut u64) {
        *part += self.used as u64;
        *overhead += self.taken.saturating_sub(self.used) as u64;
    }
}

impl std::ops::Add for Heap {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { used: self.used + other.used, taken: self.taken + other.taken }
    }
}

impl std::iter::Sum for Heap {
    fn sum<I: Iterator<Item = Self>>(heaps: I) -> Self {
        heaps.fold(Self::default(), std::ops::Add::add)
    }
}

/// Actors that are measured while their stripe is locked, so that nobody waits long for it.
const AT_ONCE: usize = 256;

impl EventChains {
    /// What the memory is used for. It looks at every actor, about a tenth of a second for a million, and holds up
    /// neither writer nor readers for more than some microseconds; meanwhile actors may change, come or go.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for stripe in self.stripes() {
            stripe.read().measure_index(&mut memory);
            for from in (0..).step_by(AT_ONCE) {
                let stripe = stripe.read();
                let mut actors = stripe.range(from, AT_ONCE).peekable();
                if actors.peek().is_none() {
                    break;
                }
                actors.for_each(|(_, state)| state.measure(&mut memory));
            }
        }
        self.measure_writer(&mut memory);
        memory
    }
}

impl ActorState {
    fn measure(&self, memory: &mut Memory) {
        match self.holding() {
            Holding::Few(few) => few.events().heap().count(&mut memory.events, &mut memory.overhead),
            Holding::Many(many) => many.measure(memory),
        }
        if let Some(undo) = self.undo() {
            undo.heap().count(&mut memory.tombstones, &mut memory.overhead);
        }
    }
}
