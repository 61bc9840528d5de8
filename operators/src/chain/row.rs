//! One event as a chain keeps it.

use std::sync::Arc;

use compact_str::CompactString;
use nowfold_schemas::action::Attribute;

use super::hash::xxh64;
use super::names::Column;

/// The columns that searches scan: event time and the hash of the event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Event time in milliseconds.
    pub(crate) t: i64,
    /// XXH64 of the event id.
    pub(crate) id_hash: u64,
}

impl Key {
    /// A key for an event.
    pub(crate) fn new(t: i64, id: &str) -> Self {
        Self { t, id_hash: xxh64(id.as_bytes()) }
    }

    /// Whether a block ends after this event: one in 64, decided by the event's id alone.
    pub(crate) fn is_cut(self) -> bool {
        self.id_hash.trailing_zeros() >= 6
    }

    /// Whether a super-block ends after this event as well: one in 4,096.
    pub(crate) fn is_super_cut(self) -> bool {
        self.id_hash.trailing_zeros() >= 12
    }
}

/// An embedding. Shared with the action it came in; later by content among events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VectorRef(Arc<[f32]>);

impl VectorRef {
    pub(crate) fn new(values: Arc<[f32]>) -> Self {
        Self(values)
    }

    pub(crate) fn values(&self) -> &Arc<[f32]> {
        &self.0
    }
}

/// An attribute that is present. Numbers and vectors are finite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Vector(VectorRef),
    List(Arc<[Attribute]>),
}

/// What an event holds besides its key.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) sequence: i64,
    pub(crate) id: CompactString,
    pub(crate) object: CompactString,
    pub(crate) cells: Box<[(Column, Cell)]>,
}

impl Cell {
    /// A vector; the caller has checked that its elements are finite.
    pub(crate) fn vector(values: Arc<[f32]>) -> Self {
        Self::Vector(VectorRef::new(values))
    }
}

impl Row {
    /// The attribute in this column.
    pub(crate) fn cell(&self, column: Column) -> Option<&Cell> {
        self.cells.iter().find(|(at, _)| *at == column).map(|(_, cell)| cell)
    }

    /// The order key of `docs/semantics.md`, section 1.
    pub(crate) fn order(&self, t: i64) -> Order<'_> {
        Order { t, sequence: self.sequence, id: self.id.as_bytes() }
    }

    /// About how much memory the event takes, with its key.
    pub(crate) fn bytes(&self) -> usize {
        let text = |text: &CompactString| if text.is_heap_allocated() { text.capacity() } else { 0 };
        let cells: usize = self.cells.iter().map(|(_, cell)| size_of::<(Column, Cell)>() + cell.heap_bytes()).sum();
        size_of::<Key>() + size_of::<Self>() + text(&self.id) + text(&self.object) + cells
    }
}

impl Cell {
    /// Bytes behind the pointer, with the two counts of an `Arc`; strings and vectors that are shared count in full.
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            Self::Text(text) => 16 + text.len(),
            Self::Vector(vector) => 16 + size_of_val::<[f32]>(vector.values()),
            Self::List(items) => 16 + size_of_val::<[Attribute]>(items),
        }
    }
}

/// The order key of an event: time, then sequence, then the bytes of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order<'a> {
    pub(crate) t: i64,
    pub(crate) sequence: i64,
    pub(crate) id: &'a [u8],
}
