//! From an action's attributes to cells, without those that may not enter.

use std::collections::BTreeMap;
use std::sync::Arc;

use nowfold_schemas::action::{Attribute, Attributes};

use super::admission::Faults;
use super::names::{Column, Names, Side, VerbNumber};
use super::pack;
use super::packed::SHARED_PER_EVENT;
use super::row::NewEvent;
use super::vectors::VectorPool;

/// Interns names and holds vectors to their dimension.
#[derive(Debug)]
pub(crate) struct CellBuilder {
    names: Names,
    changed: bool,
    configured: BTreeMap<String, usize>,
    /// The dimension of each column's vectors; 0 until it is known.
    dims: Vec<usize>,
}

enum Fault {
    Vector,
    Number,
}

impl CellBuilder {
    pub(crate) fn new(configured: BTreeMap<String, usize>) -> Self {
        Self { names: Names::default(), changed: false, configured, dims: Vec::new() }
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether names were added since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The number of a verb and its one copy.
    pub(crate) fn verb(&mut self, verb: &Arc<str>) -> (VerbNumber, Arc<str>) {
        if let Some((number, verb)) = self.names.verb_number(verb) {
            return (number, verb.clone());
        }
        let number = self.names.add_verb(verb);
        self.changed |= number.is_some();
        (number.unwrap_or(VerbNumber::NONE), verb.clone())
    }

    /// Adds the cells of an admitted action.
    pub(crate) fn build(
        &mut self,
        sides: [(Side, &Attributes); 3],
        pool: &mut VectorPool,
        event: &mut NewEvent,
    ) -> Faults {
        let mut faults = Faults::default();
        for (side, attributes) in sides {
            for (name, attribute) in attributes.iter() {
                if *attribute == Attribute::Null {
                    continue;
                }
                let Some(column) = self.column(side, name) else {
                    faults.too_many_names += 1;
                    continue;
                };
                match self.cell(column, attribute, pool, event) {
                    Ok(()) => {}
                    Err(Fault::Vector) => faults.bad_vector += 1,
                    Err(Fault::Number) => faults.bad_number += 1,
                }
            }
        }
        faults
    }

    fn column(&mut self, side: Side, name: &Arc<str>) -> Option<Column> {
        if let Some(column) = self.names.column(side, name) {
            return Some(column);
        }
        let column = self.names.add(side, name)?;
        self.changed = true;
        let path = format!("{}.{name}", side.as_str());
        self.dims.push(self.configured.get(&path).copied().unwrap_or(0));
        Some(column)
    }

    fn cell(
        &mut self,
        column: Column,
        attribute: &Attribute,
        pool: &mut VectorPool,
        event: &mut NewEvent,
    ) -> Result<(), Fault> {
        let shared = match attribute {
            Attribute::Vector(vector) => {
                self.check_vector(column, vector)?;
                let may_share = event.vectors.len() < SHARED_PER_EVENT;
                may_share.then(|| pool.share(column.index(), vector)).flatten()
            }
            attribute if is_finite(attribute) => None,
            _ => return Err(Fault::Number),
        };
        event.column(column);
        match shared {
            Some(vector) => {
                event.bytes.push(pack::SHARED);
                event.vectors.push(vector);
            }
            None => pack::put_attribute(&mut event.bytes, attribute),
        }
        Ok(())
    }

    fn check_vector(&mut self, column: Column, vector: &[f32]) -> Result<(), Fault> {
        let dim = self.dims.get_mut(column.index()).ok_or(Fault::Vector)?;
        if vector.is_empty() || (*dim != 0 && *dim != vector.len()) || !vector.iter().all(|x| x.is_finite()) {
            return Err(Fault::Vector);
        }
        *dim = vector.len();
        Ok(())
    }
}

fn is_finite(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Float(value) => value.is_finite(),
        Attribute::Vector(vector) => vector.iter().all(|x| x.is_finite()),
        Attribute::List(items) => items.iter().all(is_finite),
        Attribute::Null | Attribute::Bool(_) | Attribute::Int(_) | Attribute::Text(_) => true,
    }
}
