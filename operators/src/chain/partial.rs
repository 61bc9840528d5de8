//! Sums over the events of a block, and over blocks, in the canonical order of `docs/semantics.md`, section 4.
//!
//! A sum starts at `0.0` and only ever adds: events of a block in order, then the blocks of a super-block newest first,
//! then super-blocks newest first, then verbs in byte order. Nothing is ever subtracted, so equal sets of events give equal bits.

use super::cell::Cell;
use super::memory::Heap;
use super::names::Column;
use super::row::{Key, Row};

/// How many events, and the times of the oldest and the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) n: u64,
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
}

impl Default for Span {
    fn default() -> Self {
        Self { n: 0, oldest: i64::MAX, newest: i64::MIN }
    }
}

impl Span {
    pub(crate) fn add(&mut self, t: i64) {
        self.merge(Self { n: 1, oldest: t, newest: t });
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.oldest = self.oldest.min(other.oldest);
        self.newest = self.newest.max(other.newest);
    }
}

/// Everything that sums and means need to know about one column over some events.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ColumnSum {
    /// Events whose attribute is a number.
    pub(crate) numbers: Span,
    /// How many of those numbers are floats.
    pub(crate) n_floats: u64,
    /// Sum of the whole numbers.
    pub(crate) ints: i128,
    /// Sum of the floats.
    pub(crate) floats: f64,
    /// Events whose attribute is a vector.
    pub(crate) vectors: Span,
    /// Element-wise sum of the vectors; empty without any.
    pub(crate) vector: Vec<f64>,
}

impl ColumnSum {
    /// Adds one event's attribute; kinds without a sum are passed over.
    pub(crate) fn add(&mut self, t: i64, cell: Cell<'_>) {
        match cell {
            Cell::Int(value) => {
                self.numbers.add(t);
                self.ints = self.ints.saturating_add(i128::from(value));
            }
            Cell::Float(value) => {
                self.numbers.add(t);
                self.n_floats += 1;
                self.floats += value;
            }
            Cell::Vector(vector) => {
                self.vectors.add(t);
                self.vector.resize(vector.len().max(self.vector.len()), 0.0);
                vector.add_to(&mut self.vector);
            }
            Cell::Bool(_) | Cell::Text(_) | Cell::List(_) => {}
        }
    }

    /// Whether nothing was added yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.n == 0 && self.vectors.n == 0
    }

    /// This sum with another added; what [`Self::merge`] gives, since a sum is never -0.0.
    pub(crate) fn plus(&self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        let mut sum = self.clone();
        sum.merge(&other);
        sum
    }

    /// Adds a block's sum, or a verb's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.numbers.merge(other.numbers);
        self.n_floats += other.n_floats;
        self.ints = self.ints.saturating_add(other.ints);
        self.floats += other.floats;
        self.vectors.merge(other.vectors);
        self.add_to_vector(other.vector.iter().copied());
    }

    /// Adds `values` element by element to the sum of vectors, which starts as zeros.
    pub(crate) fn add_to_vector(&mut self, values: impl ExactSizeIterator<Item = f64>) {
        if self.vector.is_empty() {
            self.vector.resize(values.len(), 0.0);
        }
        for (sum, value) in self.vector.iter_mut().zip(values) {
            *sum += value;
        }
    }
}

/// The sums of all columns over a block or a super-block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Partial {
    columns: Vec<(Column, ColumnSum)>,
}

impl Partial {
    /// Sums of these events, in order.
    pub(crate) fn of<'a>(events: impl Iterator<Item = (Key, Row<'a>)>) -> Self {
        let mut partial = Self::default();
        for (key, row) in events {
            partial.add(key.t, row);
        }
        partial
    }

    /// Sums of sums, in the order given.
    pub(crate) fn over<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut partial = Self::default();
        for (column, sum) in parts.flat_map(|part| &part.columns) {
            partial.column_mut(*column).merge(sum);
        }
        partial
    }

    /// Adds an event that comes after all others in order.
    pub(crate) fn add(&mut self, t: i64, row: Row<'_>) {
        for (column, cell) in row.cells() {
            if matches!(cell, Cell::Int(_) | Cell::Float(_) | Cell::Vector(_)) {
                self.column_mut(column).add(t, cell);
            }
        }
    }

    /// Memory that it takes, itself in a box.
    pub(crate) fn heap(&self) -> Heap {
        let vectors: Heap = self.columns.iter().map(|(_, sum)| Heap::vec(&sum.vector)).sum();
        Heap::piece(size_of::<Self>(), size_of::<Self>()) + Heap::vec(&self.columns) + vectors
    }

    /// The sums of one column; `None` when no event has a number or vector there.
    pub(crate) fn column(&self, column: Column) -> Option<&ColumnSum> {
        self.columns.iter().find(|(at, _)| *at == column).map(|(_, sum)| sum)
    }

    fn column_mut(&mut self, column: Column) -> &mut ColumnSum {
        let at = self.columns.iter().position(|(at, _)| *at == column).unwrap_or_else(|| {
            self.columns.push((column, ColumnSum::default()));
            self.columns.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.columns[at].1
    }
}
