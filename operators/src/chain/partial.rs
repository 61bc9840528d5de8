//! Sums over the events of a block, and over blocks, in the canonical order of `docs/semantics.md`, section 4.
//!
//! A sum starts at `0.0` and only ever adds: events of a block in order, then the blocks of a super-block newest first,
//! then super-blocks newest first, then verbs in byte order. Nothing is ever subtracted, so equal sets of events give equal bits.

use std::ops::{Deref, DerefMut, Range};

use super::cell::Cell;
use super::grain::Grain;
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

/// Counts and sums of one column, but for the sum of its vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
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
}

impl Totals {
    /// Adds one event's attribute; kinds without a sum are passed over.
    fn add(&mut self, t: i64, cell: Cell<'_>) {
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
            Cell::Vector(_) => self.vectors.add(t),
            Cell::Bool(_) | Cell::Text(_) | Cell::List(_) => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        self.numbers.merge(other.numbers);
        self.n_floats += other.n_floats;
        self.ints = self.ints.saturating_add(other.ints);
        self.floats += other.floats;
        self.vectors.merge(other.vectors);
    }
}

/// Everything that sums and means need to know about one column over some events.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ColumnSum {
    pub(crate) totals: Totals,
    /// Element-wise sum of the vectors; empty without any.
    pub(crate) vector: Vec<f64>,
}

impl Deref for ColumnSum {
    type Target = Totals;

    fn deref(&self) -> &Totals {
        &self.totals
    }
}

impl DerefMut for ColumnSum {
    fn deref_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }
}

impl ColumnSum {
    /// Adds one event's attribute; kinds without a sum are passed over.
    pub(crate) fn add(&mut self, t: i64, cell: Cell<'_>) {
        self.totals.add(t, cell);
        if let Cell::Vector(vector) = cell {
            self.vector.resize(vector.len().max(self.vector.len()), 0.0);
            vector.add_to(&mut self.vector);
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
        self.merge_part(SumRef { totals: &other.totals, vector: &other.vector });
    }

    /// Adds a block's sum.
    pub(crate) fn merge_part(&mut self, other: SumRef<'_>) {
        self.totals.merge(other.totals);
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

/// The sums of all columns over a block or a super-block, near together in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partial {
    columns: Vec<Part>,
    /// The sums of vectors, one after another.
    vectors: Vec<f64>,
}

/// The sums of one column, with the place of the sum of its vectors.
#[derive(Clone, Debug)]
struct Part {
    column: Column,
    totals: Totals,
    vector: Range<usize>,
    /// The terms of a block's sum of floats, and those of all elements of its sum of vectors.
    floats: Grain,
    elements: Grain,
}

/// The sums of one column, to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SumRef<'a> {
    totals: &'a Totals,
    vector: &'a [f64],
}

impl PartialEq for Partial {
    /// Whether both have the same sums, of the same columns in any order.
    fn eq(&self, other: &Self) -> bool {
        self.columns.len() == other.columns.len()
            && self.columns.iter().all(|part| self.column(part.column) == other.column(part.column))
    }
}

impl SumRef<'_> {
    pub(crate) fn to_sum(self) -> ColumnSum {
        ColumnSum { totals: *self.totals, vector: self.vector.to_vec() }
    }
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

    /// Adds the sums of a block that is older than all before.
    pub(crate) fn merge(&mut self, other: &Self) {
        for part in &other.columns {
            let vector = other.vectors.get(part.vector.clone()).unwrap_or(&[]);
            let (own, sums) = self.part(part.column, vector.len());
            own.totals.merge(&part.totals);
            sums.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
    }

    /// Adds an event that comes after all others in order.
    pub(crate) fn add(&mut self, t: i64, row: Row<'_>) {
        self.take_in(t, row);
    }

    /// Adds an event; whether the sums are those of the events in their order, wherever it stands among them: they are
    /// when every sum is exact in any order. Otherwise it must be the last.
    pub(crate) fn take_in(&mut self, t: i64, row: Row<'_>) -> bool {
        let mut is_exact = true;
        for (column, cell) in row.cells() {
            let dim = match cell {
                Cell::Int(_) | Cell::Float(_) => 0,
                Cell::Vector(vector) => vector.len(),
                Cell::Bool(_) | Cell::Text(_) | Cell::List(_) => continue,
            };
            let (part, sums) = self.part(column, dim);
            part.totals.add(t, cell);
            match cell {
                Cell::Float(value) => {
                    part.floats.add(value);
                    is_exact &= part.floats.is_exact(part.totals.n_floats);
                }
                Cell::Vector(vector) => {
                    vector.add_to(sums);
                    part.elements.add_vector(vector);
                    is_exact &= part.elements.is_exact(part.totals.vectors.n);
                }
                _ => {}
            }
        }
        is_exact
    }

    /// The sums of one column; `None` when no event has a number or vector there.
    pub(crate) fn column(&self, column: Column) -> Option<SumRef<'_>> {
        let part = self.columns.iter().find(|part| part.column == column)?;
        Some(SumRef { totals: &part.totals, vector: self.vectors.get(part.vector.clone())? })
    }

    /// Memory that it takes, without itself.
    pub(crate) fn heap(&self) -> Heap {
        Heap::vec(&self.columns) + Heap::vec(&self.vectors)
    }

    /// The sums of one column; where `dim` is not 0, with room for vectors of so many elements.
    fn part(&mut self, column: Column, dim: usize) -> (&mut Part, &mut [f64]) {
        let at = self.columns.iter().position(|part| part.column == column).unwrap_or_else(|| {
            self.columns.push(Part::new(column));
            self.columns.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        let part = &mut self.columns[at];
        if part.vector.is_empty() && dim > 0 {
            part.vector = self.vectors.len()..self.vectors.len() + dim;
            self.vectors.resize(part.vector.end, 0.0);
        }
        let sums = self.vectors.get_mut(part.vector.clone()).unwrap_or(&mut []);
        (part, sums)
    }
}

impl Part {
    fn new(column: Column) -> Self {
        let (totals, floats, elements) = Default::default();
        Self { column, totals, vector: 0..0, floats, elements }
    }
}
