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

/// An event, to be read while its actor is locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a>(&'a StoredRow);

/// An attribute that is present. Numbers and vectors are finite.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Vector(VectorRef<'a>),
    List(ListRef<'a>),
}

/// An embedding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VectorRef<'a>(&'a [f32]);

/// A list of attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListRef<'a>(&'a [Attribute]);

impl<'a> Row<'a> {
    pub(crate) fn sequence(self) -> i64 {
        self.0.sequence
    }

    /// The event id.
    pub(crate) fn id(self) -> &'a str {
        &self.0.id
    }

    /// What the action was done to.
    pub(crate) fn object(self) -> &'a str {
        &self.0.object
    }

    /// The attributes that are present.
    pub(crate) fn cells(self) -> impl Iterator<Item = (Column, Cell<'a>)> {
        self.0.cells.iter().map(|(column, cell)| (*column, Cell::from(cell)))
    }

    /// The attribute in this column.
    pub(crate) fn cell(self, column: Column) -> Option<Cell<'a>> {
        self.cells().find(|(at, _)| *at == column).map(|(_, cell)| cell)
    }

    /// The order key of `docs/semantics.md`, section 1.
    pub(crate) fn order(self, t: i64) -> Order<'a> {
        Order { t, sequence: self.sequence(), id: self.id().as_bytes() }
    }
}

impl<'a> Cell<'a> {
    /// An attribute as a cell; `None` for null.
    pub(crate) fn of(attribute: &'a Attribute) -> Option<Self> {
        Some(match attribute {
            Attribute::Null => return None,
            Attribute::Bool(value) => Self::Bool(*value),
            Attribute::Int(value) => Self::Int(*value),
            Attribute::Float(value) => Self::Float(*value),
            Attribute::Text(text) => Self::Text(text),
            Attribute::Vector(vector) => Self::Vector(VectorRef(vector)),
            Attribute::List(items) => Self::List(ListRef(items)),
        })
    }

    pub(crate) fn to_attribute(self) -> Attribute {
        match self {
            Self::Bool(value) => Attribute::Bool(value),
            Self::Int(value) => Attribute::Int(value),
            Self::Float(value) => Attribute::Float(value),
            Self::Text(text) => Attribute::Text(text.into()),
            Self::Vector(vector) => Attribute::Vector(vector.to_arc()),
            Self::List(items) => Attribute::List(items.iter().collect()),
        }
    }
}

impl<'a> VectorRef<'a> {
    /// Its dimension.
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    /// Its elements.
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = f32> + 'a {
        self.0.iter().copied()
    }

    pub(crate) fn to_arc(self) -> Arc<[f32]> {
        self.0.into()
    }
}

impl<'a> ListRef<'a> {
    /// Its items.
    pub(crate) fn iter(self) -> impl Iterator<Item = Attribute> + 'a {
        self.0.iter().cloned()
    }
}

/// An attribute as an event keeps it.
#[derive(Clone, Debug)]
pub(crate) enum StoredCell {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Vector(Arc<[f32]>),
    List(Arc<[Attribute]>),
}

/// What an event holds besides its key.
#[derive(Clone, Debug)]
pub(crate) struct StoredRow {
    pub(crate) sequence: i64,
    pub(crate) id: CompactString,
    pub(crate) object: CompactString,
    pub(crate) cells: Box<[(Column, StoredCell)]>,
}

impl StoredRow {
    pub(crate) fn view(&self) -> Row<'_> {
        Row(self)
    }

    /// The order key of `docs/semantics.md`, section 1.
    pub(crate) fn order(&self, t: i64) -> Order<'_> {
        self.view().order(t)
    }

    /// About how much memory the event takes, with its key.
    pub(crate) fn bytes(&self) -> usize {
        let text = |text: &CompactString| if text.is_heap_allocated() { text.capacity() } else { 0 };
        let cells: usize =
            self.cells.iter().map(|(_, cell)| size_of::<(Column, StoredCell)>() + cell.heap_bytes()).sum();
        size_of::<Key>() + size_of::<Self>() + text(&self.id) + text(&self.object) + cells
    }
}

impl<'a> From<&'a StoredCell> for Cell<'a> {
    fn from(cell: &'a StoredCell) -> Self {
        match cell {
            StoredCell::Bool(value) => Self::Bool(*value),
            StoredCell::Int(value) => Self::Int(*value),
            StoredCell::Float(value) => Self::Float(*value),
            StoredCell::Text(text) => Self::Text(text),
            StoredCell::Vector(vector) => Self::Vector(VectorRef(vector)),
            StoredCell::List(items) => Self::List(ListRef(items)),
        }
    }
}

impl StoredCell {
    /// Bytes behind the pointer, with the two counts of an `Arc`; strings and vectors that are shared count in full.
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            Self::Text(text) => 16 + text.len(),
            Self::Vector(vector) => 16 + size_of_val::<[f32]>(vector),
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
