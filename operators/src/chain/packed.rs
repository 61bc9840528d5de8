//! Events in order, in three allocations whatever their number.

use std::sync::Arc;

use super::memory::Heap;
use super::row::{EventId, Key, NewEvent, Order, Row};

/// Events in order: their times, and one after another their bytes and the vectors that they share with others.
#[derive(Debug, Default)]
pub(crate) struct Events {
    heads: Vec<Head>,
    bytes: Vec<u8>,
    vectors: Vec<Arc<[f32]>>,
}

/// Vectors that one event may share; further ones lie among its bytes.
pub(crate) const SHARED_PER_EVENT: usize = 15;

/// Bits of [`Head::ends`] for the end among the vectors. What is left allows for 64 GiB in one block, and these for
/// 2^28 vectors: 17 million events.
const VECTOR_BITS: u32 = 28;

#[derive(Clone, Copy, Debug)]
struct Head {
    t: i64,
    /// Where the event ends among the bytes and, in the low bits, among the vectors.
    ends: u64,
}

impl Head {
    fn ends(bytes: usize, vectors: usize) -> u64 {
        (bytes as u64) << VECTOR_BITS | vectors as u64
    }

    fn bytes(self) -> usize {
        usize::try_from(self.ends >> VECTOR_BITS).unwrap_or(usize::MAX)
    }

    fn vectors(self) -> usize {
        usize::try_from(self.ends & ((1 << VECTOR_BITS) - 1)).unwrap_or(usize::MAX)
    }
}

impl Events {
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The time of the event at this index.
    pub(crate) fn time(&self, index: usize) -> Option<i64> {
        self.heads.get(index).map(|head| head.t)
    }

    pub(crate) fn last_time(&self) -> Option<i64> {
        self.heads.last().map(|head| head.t)
    }

    /// The event at this index.
    pub(crate) fn get(&self, index: usize) -> Option<(Key, Row<'_>)> {
        let head = self.heads.get(index)?;
        let (bytes, vectors) = self.start(index);
        let row = Row::new(self.bytes.get(bytes..head.bytes())?, self.vectors.get(vectors..head.vectors())?);
        Some((Key { t: head.t }, row))
    }

    /// The events `from..to`, which are there.
    pub(crate) fn range(
        &self,
        from: usize,
        to: usize,
    ) -> impl DoubleEndedIterator<Item = (Key, Row<'_>)> + ExactSizeIterator {
        (from..to).map(|index| self.get(index).unwrap_or_default())
    }

    /// The id of the event at this index.
    pub(crate) fn id(&self, index: usize) -> Option<EventId<'_>> {
        self.get(index).map(|(_, row)| EventId::new(row.id()))
    }

    /// Of the events `from..to`, which are there and in order of time, the first with a time after `t`.
    pub(crate) fn after(&self, t: i64, from: usize, to: usize) -> usize {
        from + self.heads.get(from..to).unwrap_or(&[]).partition_point(|head| head.t <= t)
    }

    /// Of the same, where an event of this order belongs.
    pub(crate) fn position(&self, order: Order<'_>, from: usize, to: usize) -> usize {
        let mut at = self.after(order.t, from, to);
        while at > from && self.get(at - 1).is_some_and(|(key, row)| key.t == order.t && row.order(key.t) > order) {
            at -= 1;
        }
        at
    }

    /// Puts an event at this index; takes its vectors.
    pub(crate) fn insert(&mut self, index: usize, event: &mut NewEvent) {
        self.make_room(event);
        let (bytes, vectors) = self.start(index);
        let (n_bytes, n_vectors) = (event.bytes.len(), event.vectors.len());
        let end = self.bytes.len();
        self.bytes.extend_from_slice(&event.bytes);
        if bytes < end {
            self.bytes.copy_within(bytes..end, bytes + n_bytes);
            if let Some(own) = self.bytes.get_mut(bytes..bytes + n_bytes) {
                own.copy_from_slice(&event.bytes);
            }
        }
        self.vectors.append(&mut event.vectors);
        if let Some(moved) = self.vectors.get_mut(vectors..) {
            moved.rotate_right(n_vectors);
        }
        let grown = Head::ends(n_bytes, n_vectors);
        self.heads.insert(index, Head { t: event.t, ends: Head::ends(bytes, vectors) });
        self.heads.iter_mut().skip(index).for_each(|head| head.ends += grown);
    }

    /// Removes the events `from..to` and gives back the vectors they shared.
    pub(crate) fn remove(&mut self, from: usize, to: usize, gone: &mut Vec<Arc<[f32]>>) {
        let ((bytes, vectors), (bytes_end, vectors_end)) = (self.start(from), self.start(to));
        self.bytes.drain(bytes..bytes_end);
        gone.extend(self.vectors.drain(vectors..vectors_end));
        self.heads.drain(from..to);
        let shrunk = Head::ends(bytes_end - bytes, vectors_end - vectors);
        self.heads.iter_mut().skip(from).for_each(|head| head.ends -= shrunk);
        self.fit();
    }

    /// Moves the events from `index` on into a place of their own.
    pub(crate) fn split_off(&mut self, index: usize) -> Self {
        let (bytes, vectors) = self.start(index);
        let before = Head::ends(bytes, vectors);
        let mut rest = Self {
            heads: self.heads.split_off(index),
            bytes: self.bytes.split_off(bytes),
            vectors: self.vectors.split_off(vectors),
        };
        rest.heads.iter_mut().for_each(|head| head.ends -= before);
        self.fit();
        rest
    }

    /// Appends events that follow.
    pub(crate) fn append(&mut self, mut next: Self) {
        let before = Head::ends(self.bytes.len(), self.vectors.len());
        next.heads.iter_mut().for_each(|head| head.ends += before);
        self.heads.append(&mut next.heads);
        self.bytes.append(&mut next.bytes);
        self.vectors.append(&mut next.vectors);
    }

    pub(crate) fn into_vectors(self) -> Vec<Arc<[f32]>> {
        self.vectors
    }

    /// Memory that they take.
    pub(crate) fn heap(&self) -> Heap {
        Heap::vec(&self.heads) + Heap::vec(&self.bytes) + Heap::vec(&self.vectors)
    }

    /// Where the event at this index begins.
    fn start(&self, index: usize) -> (usize, usize) {
        let before = index.checked_sub(1).and_then(|before| self.heads.get(before));
        before.map_or((0, 0), |head| (head.bytes(), head.vectors()))
    }

    /// Few events take exactly the memory they need: most actors never have more. Many get some room to grow.
    fn make_room(&mut self, event: &NewEvent) {
        let spare = |len: usize| if self.heads.len() < 8 { 0 } else { len / 4 };
        let (heads, bytes, vectors) = (spare(self.heads.len()), spare(self.bytes.len()), spare(self.vectors.len()));
        reserve(&mut self.heads, 1, heads);
        reserve(&mut self.bytes, event.bytes.len(), bytes);
        reserve(&mut self.vectors, event.vectors.len(), vectors);
    }

    /// Gives back memory when more than half of it is unused.
    pub(crate) fn fit(&mut self) {
        if self.bytes.capacity() > 2 * self.bytes.len() {
            self.heads.shrink_to_fit();
            self.bytes.shrink_to_fit();
            self.vectors.shrink_to_fit();
        }
    }
}

/// Makes room for `n` more; when that takes new memory, for as many as `spare` says at least.
fn reserve<T>(items: &mut Vec<T>, n: usize, spare: usize) {
    if items.capacity() - items.len() < n {
        items.reserve_exact(n.max(spare));
    }
}
