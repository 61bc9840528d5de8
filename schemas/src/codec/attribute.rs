//! Reads attributes by their compiled shapes.

use std::sync::Arc;

use nowfold_core::serde::avro::{Cursor, DatumError, Node, NodeId, Plan};

use super::intern;
use super::shape::{Shape, join};
use crate::action::{Attribute, Attributes};

/// Reads a whole set of attributes, which is a field of the datum's record.
pub(super) fn read_set(plan: &Plan, shape: &Shape, cursor: &mut Cursor<'_>) -> Result<Attributes, DatumError> {
    let mut set = Set { plan, cursor, attributes: Attributes::new() };
    set.read(shape, "", "", 1)?;
    Ok(set.attributes)
}

struct Set<'p, 'c, 'b> {
    plan: &'p Plan,
    cursor: &'c mut Cursor<'b>,
    attributes: Attributes,
}

impl Set<'_, '_, '_> {
    /// Reads what `shape` says. `name` is the compiled name of the shape; `prefix` the keys of maps that led to it.
    fn read(&mut self, shape: &Shape, prefix: &str, name: &str, depth: u32) -> Result<(), DatumError> {
        match shape {
            Shape::Nothing => Ok(()),
            Shape::Skip(id) => self.plan.skip(self.cursor, *id, depth),
            Shape::Value(id) => self.read_value(*id, prefix, name, depth),
            Shape::Fields(id, fields) => {
                let depth = self.cursor.into_record(self.plan.min_bytes(*id), depth)?;
                self.expect(fields.len());
                fields.iter().try_for_each(|(name, shape)| self.read(shape, prefix, name, depth))
            }
            Shape::Entries(id, item) if prefix.is_empty() => self.read_entries(*id, item, name, depth),
            Shape::Entries(id, item) => self.read_entries(*id, item, &join(prefix, name), depth),
            Shape::Branches(branches) => {
                let depth = self.cursor.deeper(depth)?;
                let branch = self.cursor.index(branches.len())?;
                branches.get(branch).map_or(Ok(()), |branch| self.read(branch, prefix, name, depth))
            }
        }
    }

    fn read_value(&mut self, id: NodeId, prefix: &str, name: &str, depth: u32) -> Result<(), DatumError> {
        let value = value(self.plan, id, self.cursor, depth);
        match (prefix, name) {
            ("", name) | (name, "") => {
                self.attributes.insert(intern::name(name), value.map_err(|error| error.in_field(name))?);
            }
            (prefix, name) => {
                let name = join(prefix, name);
                self.attributes.insert(intern::name(&name), value.map_err(|error| error.in_field(&name))?);
            }
        }
        Ok(())
    }

    fn read_entries(&mut self, id: NodeId, item: &Shape, path: &str, depth: u32) -> Result<(), DatumError> {
        let depth = self.cursor.deeper(depth)?;
        let min_bytes = match self.plan.node(id) {
            Node::Map(item) => self.plan.min_bytes(*item) + 1,
            _ => 1,
        };
        loop {
            let count = self.cursor.block(min_bytes)?;
            if count == 0 {
                return Ok(());
            }
            self.expect(count);
            for _ in 0..count {
                let key = self.cursor.text()?;
                if path.is_empty() {
                    self.read(item, key, "", depth)?;
                } else {
                    self.read(item, &join(path, key), "", depth)?;
                }
            }
        }
    }

    fn expect(&mut self, n: usize) {
        if self.attributes.is_empty() {
            self.attributes = Attributes::with_capacity(n);
        }
    }
}

/// Reads one attribute.
fn value(plan: &Plan, id: NodeId, cursor: &mut Cursor<'_>, depth: u32) -> Result<Attribute, DatumError> {
    Ok(match plan.node(id) {
        Node::Null => Attribute::Null,
        Node::Boolean => Attribute::Bool(cursor.bool()?),
        Node::Int | Node::Long => Attribute::Int(cursor.long()?),
        Node::Float => Attribute::Float(cursor.float()?.into()),
        Node::Double => Attribute::Float(cursor.double()?),
        Node::Text => Attribute::Text(intern::value(cursor.text()?)),
        Node::Enum(symbols) => {
            let index = cursor.index(symbols.len())?;
            Attribute::Text(symbols.get(index).map(|symbol| intern::value(symbol)).unwrap_or_default())
        }
        Node::Bytes => vector(cursor.bytes()?),
        Node::Fixed { size, .. } => vector(cursor.fixed(*size)?),
        Node::Array(item) => array(plan, *item, cursor, cursor.deeper(depth)?)?,
        Node::Union(branches) => {
            let depth = cursor.deeper(depth)?;
            match branches.get(cursor.index(branches.len())?) {
                Some(branch) => value(plan, *branch, cursor, depth)?,
                None => Attribute::Null,
            }
        }
        Node::Record(record) => {
            let depth = cursor.into_record(plan.min_bytes(id), depth)?;
            let mut only = Attribute::Null;
            for (_, field) in &record.fields {
                only = value(plan, *field, cursor, depth)?;
            }
            only
        }
        Node::Map(_) => {
            plan.skip(cursor, id, depth)?;
            Attribute::Null
        }
    })
}

/// Little-endian f32. A number cut short becomes a NaN, which admission refuses for this attribute alone.
fn vector(bytes: &[u8]) -> Attribute {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
    Attribute::Vector(if rest.is_empty() { numbers.collect() } else { numbers.chain([f32::NAN]).collect() })
}

fn array(plan: &Plan, item: NodeId, cursor: &mut Cursor<'_>, depth: u32) -> Result<Attribute, DatumError> {
    #[expect(clippy::cast_possible_truncation, reason = "vectors are of f32")]
    match plan.node(item) {
        Node::Float => Ok(Attribute::Vector(numbers::<4>(cursor, f32::from_le_bytes)?)),
        Node::Double => Ok(Attribute::Vector(numbers::<8>(cursor, |bytes| f64::from_le_bytes(bytes) as f32)?)),
        _ => list(plan, item, cursor, depth),
    }
}

fn numbers<const N: usize>(cursor: &mut Cursor<'_>, number: impl Fn([u8; N]) -> f32) -> Result<Arc<[f32]>, DatumError> {
    let mut numbers = Vec::new();
    loop {
        let count = cursor.block(N)?;
        if count == 0 {
            return Ok(numbers.into());
        }
        let (bytes, _) = cursor.fixed(count.saturating_mul(N))?.as_chunks::<N>();
        numbers.extend(bytes.iter().map(|bytes| number(*bytes)));
    }
}

fn list(plan: &Plan, item: NodeId, cursor: &mut Cursor<'_>, depth: u32) -> Result<Attribute, DatumError> {
    let mut items = Vec::new();
    loop {
        let count = cursor.block(plan.min_bytes(item))?;
        if count == 0 {
            return Ok(Attribute::List(items.into()));
        }
        items.reserve_exact(count);
        for _ in 0..count {
            items.push(value(plan, item, cursor, depth)?);
        }
    }
}
