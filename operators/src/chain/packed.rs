//! Events in order, in one piece of memory whatever their number, and another for the vectors that they share.

use std::sync::Arc;

use super::memory::Heap;
use super::pack::{self, Reader};
use super::page::{self, Place, Slot, Steps};
use super::row::{EventId, Key, NewEvent, Order, Row};
use super::search;

/// Events in order.
///
/// The page holds their rows from its front on, in the order in which they came, and from its back on a slot for each
/// of them, in their order: so an event that comes late moves slots, which are small, and no rows.
#[derive(Debug, Default)]
pub(crate) struct Events {
    page: Vec<u8>,
    n: usize,
    /// Where the rows end.
    end: usize,
    /// Bytes of rows that were removed.
    dead: usize,
    /// The vectors of each row together, in no order of the rows.
    vectors: Vec<Arc<[f32]>>,
}

/// Vectors that one event may share; further ones lie among its bytes. A row's head says how many it has in four bits.
pub(crate) const SHARED_PER_EVENT: usize = 15;

impl Events {
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The time of the event at this index.
    pub(crate) fn time(&self, index: usize) -> Option<i64> {
        page::slot(&self.page, self.n, index).map(|slot| slot.t)
    }

    pub(crate) fn last_time(&self) -> Option<i64> {
        self.time(self.n.checked_sub(1)?)
    }

    /// The event at this index.
    pub(crate) fn get(&self, index: usize) -> Option<(Key, Row<'_>)> {
        let slot = page::slot(&self.page, self.n, index)?;
        let found = self.find(slot.place)?;
        let vectors = self.vectors.get(slot.place.vectors..slot.place.vectors + found.n_vectors)?;
        Some((Key { t: slot.t }, Row::new(found.row, vectors)))
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
        let slots = page::slots(&self.page, self.n);
        let newest_first = slots.get(self.n - to..self.n - from).unwrap_or(&[]);
        to - search::n_before(newest_first, |slot| page::time(slot) > t)
    }

    /// Of the same, where an event of this order belongs.
    pub(crate) fn position(&self, order: Order<'_>, from: usize, to: usize) -> usize {
        let mut at = self.after(order.t, from, to);
        while at > from && self.time(at - 1) == Some(order.t) && self.row_order(at - 1) > Some(order) {
            at -= 1;
        }
        at
    }

    fn row_order(&self, index: usize) -> Option<Order<'_>> {
        self.get(index).map(|(key, row)| row.order(key.t))
    }

    /// Puts an event at this index; takes its vectors.
    pub(crate) fn insert(&mut self, index: usize, event: &mut NewEvent) {
        let n_vectors = event.vectors.len();
        event.put_head();
        let (steps, more) = if self.n < FEW { (Steps::Fine, 0) } else { (Steps::Coarse, self.vectors.len() / 4) };
        self.reserve(event.head.len() + event.bytes.len(), 1, steps);
        reserve(&mut self.vectors, n_vectors, more);
        let place = Place { row: self.end, vectors: self.vectors.len() };
        self.put(&event.head);
        self.put(&event.bytes);
        page::insert(&mut self.page, self.n, index, Slot { t: event.t, place });
        self.n += 1;
        self.vectors.append(&mut event.vectors);
    }

    /// Removes the events `from..to` and gives back the vectors they shared.
    pub(crate) fn remove(&mut self, from: usize, to: usize, gone: &mut Vec<Arc<[f32]>>) {
        for index in from..to {
            let Some(slot) = page::slot(&self.page, self.n, index) else { continue };
            let Some(found) = self.find(slot.place) else { continue };
            let (len, n_vectors) = (found.len, found.n_vectors);
            self.dead += len;
            if n_vectors > 0 {
                gone.extend(self.vectors.drain(slot.place.vectors..slot.place.vectors + n_vectors));
                page::vectors_went(&mut self.page, self.n, slot.place.vectors, n_vectors);
            }
        }
        page::remove(&mut self.page, self.n, from, to);
        self.n -= to - from;
        if 2 * self.used() < self.page.capacity() {
            *self = self.take_range(0, self.n, 0, Steps::Fine);
        }
    }

    /// Moves the events from `index` on into a place of their own.
    pub(crate) fn split_off(&mut self, index: usize) -> Self {
        let rest = self.take_range(index, self.n, 0, Steps::Coarse);
        *self = self.take_range(0, index, 0, Steps::Coarse);
        rest
    }

    /// Appends events that follow.
    pub(crate) fn append(&mut self, mut next: Self) {
        self.reserve(next.end - next.dead, next.n, Steps::Fine);
        self.vectors.reserve_exact(next.vectors.len());
        self.extend(&mut next, 0, usize::MAX);
    }

    pub(crate) fn into_vectors(self) -> Vec<Arc<[f32]>> {
        self.vectors
    }

    /// Memory that they take.
    pub(crate) fn heap(&self) -> Heap {
        Heap::piece(self.used(), self.page.capacity()) + Heap::vec(&self.vectors)
    }

    /// The row at a place, where there is one.
    fn find(&self, place: Place) -> Option<Found<'_>> {
        let bytes = self.page.get(place.row..self.end)?;
        let mut reader = Reader::new(bytes);
        let head = reader.u64();
        let n_bytes = usize::try_from(head >> 4).ok()?;
        let n_vectors = usize::try_from(head & 0xF).ok()?;
        let row = reader.rest().get(..n_bytes)?;
        Some(Found { row, len: bytes.len() - reader.rest().len() + n_bytes, n_vectors })
    }

    /// Bytes that are in use.
    fn used(&self) -> usize {
        self.end - self.dead + self.n * page::SLOT
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(free) = self.page.get_mut(self.end..self.end + bytes.len()) {
            free.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// Makes room for some more bytes of rows and some more slots. Few events take hardly more memory than they need:
    /// most actors never have more.
    fn reserve(&mut self, bytes: usize, slots: usize, steps: Steps) {
        let wanted = self.end + bytes + (self.n + slots) * page::SLOT;
        if wanted > self.page.len() {
            if self.dead > 0 {
                *self = self.take_range(0, self.n, bytes + slots * page::SLOT, steps);
            } else {
                page::grow(&mut self.page, self.n, self.end, steps.size(wanted));
            }
        }
    }

    /// Takes the events `from..to` out into a page with room for `more` bytes; their slots stay, without vectors.
    fn take_range(&mut self, from: usize, to: usize, more: usize, steps: Steps) -> Self {
        let mut taken = Self::default();
        let (mut bytes, mut n_vectors) = (0, 0);
        for index in from..to {
            let slot = page::slot(&self.page, self.n, index);
            if let Some(found) = slot.and_then(|slot| self.find(slot.place)) {
                bytes += found.len;
                n_vectors += found.n_vectors;
            }
        }
        taken.reserve(bytes + more, to - from, steps);
        taken.vectors.reserve_exact(n_vectors + if steps == Steps::Coarse { n_vectors / 4 } else { 0 });
        taken.extend(self, from, to);
        taken
    }

    /// Appends events of another, and takes their vectors.
    fn extend(&mut self, from: &mut Self, first: usize, end: usize) {
        let nothing: Arc<[f32]> = Arc::default();
        for index in first..end.min(from.n) {
            let Some(slot) = page::slot(&from.page, from.n, index) else { continue };
            let Some(found) = from.find(slot.place) else { continue };
            let n_vectors = found.n_vectors;
            let place = Place { row: self.end, vectors: self.vectors.len() };
            let whole = slot.place.row..slot.place.row + found.len;
            self.put(from.page.get(whole).unwrap_or(&[]));
            page::insert(&mut self.page, self.n, self.n, Slot { t: slot.t, place });
            self.n += 1;
            let vectors = from.vectors.get_mut(slot.place.vectors..slot.place.vectors + n_vectors);
            let vectors = vectors.into_iter().flatten();
            self.vectors.extend(vectors.map(|vector| std::mem::replace(vector, nothing.clone())));
        }
    }
}

/// A row as it lies in the page.
struct Found<'a> {
    row: &'a [u8],
    /// Its bytes with its head.
    len: usize,
    n_vectors: usize,
}

/// From this many events on there is room to grow.
const FEW: usize = 8;

impl NewEvent {
    /// Writes what stands before the row in a page.
    fn put_head(&mut self) {
        self.head.clear();
        pack::put_u64(&mut self.head, (self.bytes.len() as u64) << 4 | self.vectors.len() as u64);
    }
}

/// Makes room for `n` more; when that takes new memory, for as many as `spare` says at least.
fn reserve<T>(items: &mut Vec<T>, n: usize, spare: usize) {
    if items.capacity() - items.len() < n {
        items.reserve_exact(n.max(spare));
    }
}
