//! The memory of events: rows from the front, slots from the back, and what is free in between.
//!
//! A slot holds the time of an event, and where its row and its vectors begin. The newest event has the first slot in
//! memory, so that one more needs no slot to move.

/// Bytes of a slot.
pub(crate) const SLOT: usize = 16;

/// Bits of a slot for where the vectors begin. What is left allows for 64 GiB in one page, and these for 2^28 vectors.
const VECTOR_BITS: u32 = 28;

/// Where the parts of an event begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) vectors: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) t: i64,
    pub(crate) place: Place,
}

impl Slot {
    fn read(bytes: &[u8; SLOT]) -> Self {
        let place = u64::from_le_bytes(*bytes.last_chunk().unwrap_or(&[0; 8]));
        let part = |bits: u64| usize::try_from(bits).unwrap_or(usize::MAX);
        let (row, vectors) = (part(place >> VECTOR_BITS), part(place & ((1 << VECTOR_BITS) - 1)));
        Self { t: time(bytes), place: Place { row, vectors } }
    }

    fn write(self) -> [u8; SLOT] {
        let place = (self.place.row as u64) << VECTOR_BITS | self.place.vectors as u64;
        let mut bytes = [0; SLOT];
        bytes[..8].copy_from_slice(&self.t.to_le_bytes());
        bytes[8..].copy_from_slice(&place.to_le_bytes());
        bytes
    }
}

/// The time that a slot holds.
pub(crate) fn time(slot: &[u8; SLOT]) -> i64 {
    i64::from_le_bytes(*slot.first_chunk().unwrap_or(&[0; 8]))
}

/// The slots of `n` events, the newest first.
pub(crate) fn slots(page: &[u8], n: usize) -> &[[u8; SLOT]] {
    let (_, all) = page.as_rchunks();
    all.get(all.len() - n..).unwrap_or(&[])
}

/// The slot of one of `n` events.
pub(crate) fn slot(page: &[u8], n: usize, index: usize) -> Option<Slot> {
    slots(page, n).get(n.checked_sub(index + 1)?).map(Slot::read)
}

/// Adds a slot before that with this index, or as the last of `n`; there is room for it.
pub(crate) fn insert(page: &mut [u8], n: usize, index: usize, slot: Slot) {
    let (_, all) = page.as_rchunks_mut();
    let Some(first) = all.len().checked_sub(n + 1) else { return };
    let at = first + n - index;
    all.copy_within(first + 1..at + 1, first);
    if let Some(free) = all.get_mut(at) {
        *free = slot.write();
    }
}

/// Removes the slots `from..to` of `n`.
pub(crate) fn remove(page: &mut [u8], n: usize, from: usize, to: usize) {
    let (_, all) = page.as_rchunks_mut::<SLOT>();
    let first = all.len() - n;
    all.copy_within(first..first + n - to, first + to - from);
}

/// `n_gone` vectors went from `at` on; those behind them moved up.
pub(crate) fn vectors_went(page: &mut [u8], n: usize, at: usize, n_gone: usize) {
    let (_, all) = page.as_rchunks_mut();
    let first = all.len() - n;
    for bytes in all.iter_mut().skip(first) {
        let mut slot = Slot::read(bytes);
        if slot.place.vectors > at {
            slot.place.vectors -= n_gone;
            *bytes = slot.write();
        }
    }
}

/// Makes a page with `end` bytes of rows and `n` slots so large as said, which is larger.
pub(crate) fn grow(page: &mut Vec<u8>, n: usize, end: usize, len: usize) {
    let mut larger = Vec::with_capacity(len);
    larger.extend_from_slice(page.get(..end).unwrap_or(&[]));
    larger.resize(len - n * SLOT, 0);
    larger.extend_from_slice(slots(page, n).as_flattened());
    *page = larger;
}

/// The sizes that pages come in. Few sizes let the allocator use again what pages that grew leave behind; with the word that it
/// adds they are multiples of its own steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steps {
    /// A thirty-second to a sixteenth more each.
    Fine,
    /// An eighth to a quarter more each, which is room to grow.
    Coarse,
}

impl Steps {
    /// The smallest size in which so many bytes are.
    pub(crate) fn size(self, wanted: usize) -> usize {
        let whole = wanted + 8;
        let part = if self == Self::Fine { 32 } else { 8 };
        whole.next_multiple_of((whole / part).next_power_of_two().max(32)) - 8
    }
}
