//! From an action's attributes to cells, without those that may not enter.

use std::collections::BTreeMap;
use std::sync::Arc;

use nowfold_schemas::action::{Attribute, Attributes};

use super::admission::Faults;
use super::names::{Column, Names, Side};
use super::row::StoredCell;

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

    /// The cells of an admitted action.
    pub(crate) fn build(&mut self, sides: [(Side, &Attributes); 3]) -> (Box<[(Column, StoredCell)]>, Faults) {
        let mut faults = Faults::default();
        let mut cells = Vec::with_capacity(sides.iter().map(|(_, attributes)| attributes.len()).sum());
        for (side, attributes) in sides {
            for (name, attribute) in attributes.iter() {
                if *attribute == Attribute::Null {
                    continue;
                }
                let Some(column) = self.column(side, name) else {
                    faults.too_many_names += 1;
                    continue;
                };
                match self.cell(column, attribute) {
                    Ok(cell) => cells.push((column, cell)),
                    Err(Fault::Vector) => faults.bad_vector += 1,
                    Err(Fault::Number) => faults.bad_number += 1,
                }
            }
        }
        (cells.into_boxed_slice(), faults)
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

    fn cell(&mut self, column: Column, attribute: &Attribute) -> Result<StoredCell, Fault> {
        match attribute {
            Attribute::Bool(value) => Ok(StoredCell::Bool(*value)),
            Attribute::Int(value) => Ok(StoredCell::Int(*value)),
            Attribute::Float(value) if value.is_finite() => Ok(StoredCell::Float(*value)),
            Attribute::Text(text) => Ok(StoredCell::Text(text.clone())),
            Attribute::Vector(vector) => self.vector(column, vector),
            Attribute::List(items) if items.iter().all(is_finite) => Ok(StoredCell::List(items.clone())),
            Attribute::Null | Attribute::Float(_) | Attribute::List(_) => Err(Fault::Number),
        }
    }

    fn vector(&mut self, column: Column, vector: &Arc<[f32]>) -> Result<StoredCell, Fault> {
        let dim = self.dims.get_mut(column.index()).ok_or(Fault::Vector)?;
        if vector.is_empty() || (*dim != 0 && *dim != vector.len()) || !vector.iter().all(|x| x.is_finite()) {
            return Err(Fault::Vector);
        }
        *dim = vector.len();
        Ok(StoredCell::Vector(vector.clone()))
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
