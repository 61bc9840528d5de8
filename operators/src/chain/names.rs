//! Attribute names and verbs, interned to small numbers; one table per partition.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::memory::Heap;

/// Whose attribute it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The actor's.
    Actor,
    /// The act's.
    Verb,
    /// The object's.
    Object,
}

impl Side {
    /// The first part of a path: `actor`, `verb` or `object`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Verb => "verb",
            Self::Object => "object",
        }
    }
}

/// The number of an attribute name within a partition. It depends on the log's order, so it never leaves the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Column(u16);

/// The number of a verb within a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VerbNumber(u16);

/// Verbs beyond this many distinct ones have no number.
const NUMBERED_VERBS: u16 = 4_096;

impl VerbNumber {
    /// That of a verb without one.
    pub(crate) const NONE: Self = Self(u16::MAX);

    pub(crate) fn to_bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 2]) -> Self {
        Self(u16::from_le_bytes(bytes))
    }
}

impl Column {
    /// The column with this number.
    pub(crate) fn from_index(index: u64) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// Its number as an index.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Interned attribute names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    actor: HashMap<Arc<str>, Column, RandomState>,
    verb: HashMap<Arc<str>, Column, RandomState>,
    object: HashMap<Arc<str>, Column, RandomState>,
    all: Vec<(Side, Arc<str>)>,
    verb_numbers: HashMap<Arc<str>, VerbNumber, RandomState>,
    verbs: Vec<Arc<str>>,
}

impl Names {
    /// The column of a name, if any event ever had it.
    pub(crate) fn column(&self, side: Side, name: &str) -> Option<Column> {
        let names = match side {
            Side::Actor => &self.actor,
            Side::Verb => &self.verb,
            Side::Object => &self.object,
        };
        names.get(name).copied()
    }

    /// The name of a column.
    pub(crate) fn name(&self, column: Column) -> Option<&(Side, Arc<str>)> {
        self.all.get(usize::from(column.0))
    }

    /// Adds a name that has no column yet; `None` when all 65,536 columns are taken.
    pub(crate) fn add(&mut self, side: Side, name: &Arc<str>) -> Option<Column> {
        let column = Column(u16::try_from(self.all.len()).ok()?);
        self.all.push((side, name.clone()));
        let names = match side {
            Side::Actor => &mut self.actor,
            Side::Verb => &mut self.verb,
            Side::Object => &mut self.object,
        };
        names.insert(name.clone(), column);
        Some(column)
    }

    /// The verb with this number.
    pub(crate) fn verb(&self, number: VerbNumber) -> &str {
        self.verbs.get(usize::from(number.0)).map_or("", |verb| verb)
    }

    /// A verb's number and its one copy, if it has a number.
    pub(crate) fn verb_number(&self, verb: &str) -> Option<(VerbNumber, &Arc<str>)> {
        let number = *self.verb_numbers.get(verb)?;
        Some((number, self.verbs.get(usize::from(number.0))?))
    }

    /// Gives a number to a verb that has none, as long as there are some.
    pub(crate) fn add_verb(&mut self, verb: &Arc<str>) -> Option<VerbNumber> {
        let number = u16::try_from(self.verbs.len()).ok().filter(|number| *number < NUMBERED_VERBS).map(VerbNumber)?;
        self.verbs.push(verb.clone());
        self.verb_numbers.insert(verb.clone(), number);
        Some(number)
    }

    /// Memory that the tables take.
    pub(crate) fn heap(&self) -> Heap {
        let texts = self.all.iter().map(|(_, name)| name).chain(&self.verbs);
        let texts: Heap = texts.map(|text| Heap::piece(text.len(), 2 * size_of::<usize>() + text.len())).sum();
        let columns = [&self.actor, &self.verb, &self.object].into_iter();
        let columns = columns.map(|names| Heap::table::<(Arc<str>, Column)>(names.len(), names.capacity())).sum();
        let verbs = Heap::table::<(Arc<str>, VerbNumber)>(self.verb_numbers.len(), self.verb_numbers.capacity());
        texts + columns + verbs + Heap::vec(&self.all) + Heap::vec(&self.verbs)
    }
}
