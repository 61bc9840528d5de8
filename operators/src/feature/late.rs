//! Late joins: attributes of objects that are looked up when a question is asked, instead of being kept with every event.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use nowfold_schemas::action::{Attribute, Attributes};

use crate::chain::Cell;

/// Looks up the attributes of an object; `None` where there is no such object.
pub type LateLookup = Arc<dyn Fn(&str) -> Option<Attributes> + Send + Sync>;

/// Attributes of objects that join late: their names, and where they are.
#[derive(Clone)]
pub struct LateJoin {
    names: Arc<[Arc<str>]>,
    lookup: LateLookup,
}

impl LateJoin {
    /// Joins these attributes, as `lookup` gives them at the moment of the question.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>, lookup: LateLookup) -> Self {
        Self { names: names.into_iter().map(|name| Arc::from(name.as_ref())).collect(), lookup }
    }

    /// Whether an attribute of objects joins late.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|own| **own == *name)
    }

    /// The attribute of an object, if it has one that can be summed.
    pub(crate) fn attribute(&self, object: &str, name: &str) -> Option<Attribute> {
        let attributes = (self.lookup)(object)?;
        let attribute = attributes.get(name)?;
        let usable = match attribute {
            Attribute::Int(_) => true,
            Attribute::Float(value) => value.is_finite(),
            Attribute::Vector(vector) => is_usable(vector),
            _ => false,
        };
        usable.then(|| attribute.clone())
    }
}

impl fmt::Debug for LateJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateJoin").field("names", &self.names).finish_non_exhaustive()
    }
}

/// One attribute that joins late, during one evaluation: each object is looked up once.
#[derive(Debug)]
pub(crate) struct LateCells<'a> {
    join: &'a LateJoin,
    name: &'a str,
    /// The dimension of the first vector that was found in each window; others are left out of it.
    dims: HashMap<usize, usize>,
    seen: HashMap<&'a str, Option<Attribute>>,
}

impl<'a> LateCells<'a> {
    pub(crate) fn new(join: &'a LateJoin, name: &'a str) -> Self {
        Self { join, name, dims: HashMap::new(), seen: HashMap::new() }
    }

    /// The object's attribute, if it has one that can be summed in the window with this number.
    pub(crate) fn get(&mut self, object: &'a str, window: usize) -> Option<Cell<'_>> {
        if !self.seen.contains_key(object) {
            let cell = self.join.attribute(object, self.name);
            self.seen.insert(object, cell);
        }
        let cell = self.seen.get(object).and_then(Option::as_ref).and_then(Cell::of)?;
        match cell {
            Cell::Vector(vector) => {
                let n = vector.len();
                (*self.dims.entry(window).or_insert(n) == n).then_some(cell)
            }
            _ => Some(cell),
        }
    }
}

fn is_usable(vector: &[f32]) -> bool {
    !vector.is_empty() && vector.iter().all(|x| x.is_finite())
}
