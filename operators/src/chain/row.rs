//! One event as a chain keeps it: packed into bytes, but for its time and for vectors that events share.

use std::sync::Arc;

use super::cell::Cell;
use super::hash::xxh64;
use super::names::{Column, VerbNumber};
use super::pack::{self, Reader, SHARED};

/// Where an event stands in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    /// Event time in milliseconds.
    pub(crate) t: i64,
}

/// What identifies an event within its actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventId<'a> {
    pub(crate) text: &'a str,
    /// XXH64 of the text.
    pub(crate) hash: u64,
}

impl<'a> EventId<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, hash: xxh64(text.as_bytes()) }
    }

    /// Whether a block ends after this event: one in 64, decided by the event's id alone.
    pub(crate) fn is_cut(self) -> bool {
        self.hash.trailing_zeros() >= 6
    }

    /// Whether a super-block ends after this event as well: one in 4,096.
    pub(crate) fn is_super_cut(self) -> bool {
        self.hash.trailing_zeros() >= 12
    }
}

/// The order key of an event: time, then sequence, then the bytes of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order<'a> {
    pub(crate) t: i64,
    pub(crate) sequence: i64,
    pub(crate) id: &'a [u8],
}

/// An event that is about to be kept; its buffers serve for one event after another.
#[derive(Debug, Default)]
pub(crate) struct NewEvent {
    pub(crate) t: i64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) vectors: Vec<Arc<[f32]>>,
    /// What stands before the bytes where they are kept.
    pub(super) head: Vec<u8>,
}

impl NewEvent {
    /// Begins an event; its cells follow.
    pub(crate) fn begin(&mut self, t: i64, verb: VerbNumber, sequence: i64, id: &str, object: &str) {
        self.t = t;
        self.bytes.clear();
        self.vectors.clear();
        self.bytes.extend_from_slice(&verb.to_bytes());
        pack::put_i64(&mut self.bytes, sequence);
        pack::put_bytes(&mut self.bytes, id.as_bytes());
        pack::put_bytes(&mut self.bytes, object.as_bytes());
    }

    /// Begins a cell; its tag and value follow.
    pub(crate) fn column(&mut self, column: Column) {
        pack::put_u64(&mut self.bytes, column.index() as u64);
    }

    pub(crate) fn row(&self) -> Row<'_> {
        Row::new(&self.bytes, &self.vectors)
    }
}

/// An event, to be read while its actor is locked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row<'a> {
    bytes: &'a [u8],
    vectors: &'a [Arc<[f32]>],
}

impl<'a> Row<'a> {
    pub(crate) fn new(bytes: &'a [u8], vectors: &'a [Arc<[f32]>]) -> Self {
        Self { bytes, vectors }
    }

    /// The number of its verb.
    pub(crate) fn verb(self) -> VerbNumber {
        VerbNumber::from_bytes(Reader::new(self.bytes).array())
    }

    pub(crate) fn sequence(self) -> i64 {
        self.after_verb().i64()
    }

    /// The event id.
    pub(crate) fn id(self) -> &'a str {
        let mut reader = self.after_verb();
        reader.u64();
        pack::text(reader.bytes())
    }

    /// What the action was done to.
    pub(crate) fn object(self) -> &'a str {
        let mut reader = self.after_verb();
        reader.u64();
        reader.bytes();
        pack::text(reader.bytes())
    }

    /// The attributes that are present.
    pub(crate) fn cells(self) -> impl Iterator<Item = (Column, Cell<'a>)> {
        let mut packed = self.packed_cells();
        std::iter::from_fn(move || packed.next().and_then(|cell| Some((cell.column, cell.unpack()?))))
    }

    /// The attribute in this column.
    pub(crate) fn cell(self, column: Column) -> Option<Cell<'a>> {
        self.packed_cells().find(|cell| cell.column == column)?.unpack()
    }

    /// The order key of `docs/semantics.md`, section 1.
    pub(crate) fn order(self, t: i64) -> Order<'a> {
        let mut reader = self.after_verb();
        Order { t, sequence: reader.i64(), id: reader.bytes() }
    }

    /// About how much memory the event takes, without the vectors that it shares.
    pub(crate) fn n_bytes(self) -> usize {
        2 * size_of::<u64>() + self.bytes.len() + size_of_val(self.vectors)
    }

    fn after_verb(self) -> Reader<'a> {
        Reader::new(self.bytes.get(size_of::<VerbNumber>()..).unwrap_or(&[]))
    }

    fn packed_cells(self) -> PackedCells<'a> {
        let mut reader = self.after_verb();
        reader.u64();
        reader.bytes();
        reader.bytes();
        PackedCells { reader, vectors: self.vectors.iter() }
    }
}

struct PackedCells<'a> {
    reader: Reader<'a>,
    vectors: std::slice::Iter<'a, Arc<[f32]>>,
}

struct PackedCell<'a> {
    column: Column,
    tag: u8,
    value: &'a [u8],
    shared: &'a [f32],
}

impl<'a> Iterator for PackedCells<'a> {
    type Item = PackedCell<'a>;

    fn next(&mut self) -> Option<PackedCell<'a>> {
        if self.reader.is_at_end() {
            return None;
        }
        let column = Column::from_index(self.reader.u64());
        let tag = self.reader.byte();
        let shared = if tag == SHARED { self.vectors.next().map_or(&[] as &[f32], |vector| vector) } else { &[] };
        Some(PackedCell { column, tag, value: self.reader.value(tag), shared })
    }
}

impl<'a> PackedCell<'a> {
    fn unpack(&self) -> Option<Cell<'a>> {
        if self.tag == SHARED { Some(Cell::vector(self.shared)) } else { Cell::unpack(self.tag, self.value) }
    }
}
