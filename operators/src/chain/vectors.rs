//! Vectors by content: events that hold equal vectors share one.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::config::Vectors;
use super::memory::Heap;

/// The vectors that events share, each with the number of events that do. Only the one writer of a partition touches
/// it: readers find a vector with its event.
#[derive(Debug)]
pub(crate) struct VectorPool {
    setting: Vectors,
    vectors: HashTable<Shared>,
    hasher: RandomState,
    /// By column, whether sharing pays.
    trials: Vec<Trial>,
    bytes: usize,
}

#[derive(Debug)]
struct Shared {
    vector: Arc<[f32]>,
    /// The upper half of its hash.
    hash: u32,
    n_events: u32,
}

/// What came of sharing the vectors of one column.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    found: u32,
    new: u32,
    failed: bool,
}

/// New vectors after which sharing is judged, again and again.
const TRIAL: u32 = 32_768;

impl VectorPool {
    pub(crate) fn new(setting: Vectors) -> Self {
        Self { setting, vectors: HashTable::new(), hasher: RandomState::default(), trials: Vec::new(), bytes: 0 }
    }

    /// The vector to share for one with this content; `None` when it had better lie with its event.
    pub(crate) fn share(&mut self, column: usize, vector: &Arc<[f32]>) -> Option<Arc<[f32]>> {
        if self.setting == Vectors::WithEvent || (self.setting == Vectors::Auto && self.trial(column).failed) {
            return None;
        }
        let hash = self.hash(vector);
        if let Some(shared) = self.vectors.find_mut(spread(hash), |shared| shared.is(hash, vector))
            && let Some(n_events) = shared.n_events.checked_add(1)
        {
            shared.n_events = n_events;
            let vector = shared.vector.clone();
            self.trial(column).found += 1;
            return Some(vector);
        }
        self.trial(column).add_new();
        self.bytes += vector_bytes(vector);
        let shared = Shared { vector: vector.clone(), hash, n_events: 1 };
        self.vectors.insert_unique(spread(hash), shared, |shared| spread(shared.hash));
        Some(vector.clone())
    }

    /// An event that shared this vector is gone.
    pub(crate) fn release(&mut self, vector: &Arc<[f32]>) {
        let hash = self.hash(vector);
        let is = |shared: &Shared| Arc::ptr_eq(&shared.vector, vector);
        let Ok(mut entry) = self.vectors.find_entry(spread(hash), is) else { return };
        if entry.get().n_events > 1 {
            entry.get_mut().n_events -= 1;
            return;
        }
        entry.remove();
        self.bytes = self.bytes.saturating_sub(vector_bytes(vector));
        if self.vectors.capacity() > 4 * self.vectors.len() + 64 {
            self.vectors.shrink_to(2 * self.vectors.len(), |shared| spread(shared.hash));
        }
    }

    /// Memory that the shared vectors take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory of the vectors and of the table that finds them.
    pub(crate) fn heap(&self) -> Heap {
        let table = Heap::piece(self.vectors.len() * (size_of::<Shared>() + 1), self.vectors.allocation_size());
        let n = self.vectors.len();
        let mean = self.bytes.checked_div(n).unwrap_or(0);
        table + Heap::piece(mean, mean).times(n)
    }

    fn trial(&mut self, column: usize) -> &mut Trial {
        if self.trials.len() <= column {
            self.trials.resize(column + 1, Trial::default());
        }
        #[expect(clippy::indexing_slicing, reason = "made just above")]
        &mut self.trials[column]
    }

    fn hash(&self, vector: &[f32]) -> u32 {
        u32::try_from(self.hasher.hash_one(Content(vector)) >> 32).unwrap_or(0)
    }
}

/// A vector to be hashed by its bits.
struct Content<'a>(&'a [f32]);

impl Hash for Content<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (pairs, rest) = self.0.as_chunks();
        for [a, b] in pairs {
            state.write_u64(u64::from(a.to_bits()) << 32 | u64::from(b.to_bits()));
        }
        rest.iter().for_each(|x| state.write_u32(x.to_bits()));
    }
}

impl Shared {
    fn is(&self, hash: u32, vector: &[f32]) -> bool {
        let same_bits = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        self.hash == hash && self.vector.len() == vector.len() && self.vector.iter().zip(vector).all(same_bits)
    }
}

impl Trial {
    fn add_new(&mut self) {
        self.new += 1;
        if self.new == TRIAL {
            *self = Self { failed: self.found < TRIAL / 8, ..Self::default() };
        }
    }
}

/// Tables want the hash's upper and lower bits to differ.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// What a vector takes, with the two counts of its `Arc`.
fn vector_bytes(vector: &[f32]) -> usize {
    2 * size_of::<usize>() + size_of_val(vector)
}
