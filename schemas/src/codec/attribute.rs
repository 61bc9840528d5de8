//! Reads attributes by their compiled shapes.

use std::sync::Arc;

use nowfold_core::serde::avro::{Cursor, DatumError, Node, NodeId, Plan};

use super::intern::{Interner, Name};
use super::shape::{Shape, join};
use crate::action::{Attribute, Attributes};

/// How many attributes a map may give. Each is put in order as it comes, which hostile bytes could make quadratic.
pub(super) const MAX_ATTRIBUTES: usize = 4_096;

/// Reads a whole set of attributes, which is a field of the datum's record.
pub(super) fn read_set(
    plan: &Plan,
    shape: &Shape,
    cursor: &mut Cursor<'_>,
    interner: &mut Interner,
) -> Result<Attributes, DatumError> {
    let mut set = Set { plan, cursor, interner, attributes: Attributes::new(), seen: 0 };
    set.read(shape, "", &Name::default(), 1)?;
    Ok(set.attributes)
}

struct Set<'p, 'c, 'b> {
    plan: &'p Plan,
    cursor: &'c mut Cursor<'b>,
    interner: &'c mut Interner,
    attributes: Attributes,
    /// One bit for each rank that was read.
    seen: u64,
}

impl Set<'_, '_, '_> {
    /// Reads what `shape` says. `name` is the compiled name of the shape; `prefix` the keys of maps that led to it.
    fn read(&mut self, shape: &Shape, prefix: &str, name: &Name, depth: u32) -> Result<(), DatumError> {
        match shape {
            Shape::Nothing => Ok(()),
            Shape::Skip(id) => self.plan.skip(self.cursor, *id, depth),
            Shape::Value(id, Some(rank)) => self.read_ranked(*id, name, *rank, depth),
            Shape::Value(id, None) => self.read_named(*id, &join(prefix, name.as_str()), depth),
            Shape::Fields(id, fields) => {
                let depth = self.cursor.into_record(self.plan.min_bytes(*id), depth)?;
                self.expect(fields.len());
                fields.iter().try_for_each(|(name, shape)| self.read(shape, prefix, name, depth))
            }
            Shape::Entries(id, item) => self.read_entries(*id, item, &join(prefix, name.as_str()), depth),
            Shape::Branches(branches) => {
                let depth = self.cursor.deeper(depth)?;
                let branch = self.cursor.index(branches.len())?;
                branches.get(branch).map_or(Ok(()), |branch| self.read(branch, prefix, name, depth))
            }
        }
    }

    fn read_named(&mut self, id: NodeId, name: &str, depth: u32) -> Result<(), DatumError> {
        let value = self.value(id, depth).map_err(|error| error.in_field(name))?;
        self.attributes.insert(self.interner.new_name(name), value);
        Ok(())
    }

    /// Reads a value whose place is known: behind those of lower ranks.
    fn read_ranked(&mut self, id: NodeId, name: &Name, rank: u8, depth: u32) -> Result<(), DatumError> {
        let value = self.value(id, depth).map_err(|error| error.in_field(name.as_str()))?;
        let bit = 1 << rank;
        let place = (self.seen & (bit - 1)).count_ones();
        if self.seen & bit == 0 {
            self.seen |= bit;
            self.attributes.insert_at(place as usize, self.interner.name(name), value);
        } else {
            self.attributes.insert(self.interner.name(name), value);
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
            self.expect(count.min(64));
            for _ in 0..count {
                if self.attributes.len() >= MAX_ATTRIBUTES {
                    return Err(self.cursor.error(format_args!("there are more than {MAX_ATTRIBUTES} attributes")));
                }
                match item {
                    Shape::Value(id, None) if path.is_empty() => self.read_entry(*id, depth)?,
                    _ => {
                        let path = join(path, self.cursor.text()?);
                        self.read(item, &path, &Name::default(), depth)?;
                    }
                }
            }
        }
    }

    /// Reads an entry of the map that is the whole set: the usual case, without a copy of the key.
    fn read_entry(&mut self, id: NodeId, depth: u32) -> Result<(), DatumError> {
        let name = self.interner.read_name(self.cursor)?;
        let value = self.value(id, depth).map_err(|error| error.in_field(&name))?;
        self.attributes.insert(name, value);
        Ok(())
    }

    fn expect(&mut self, n: usize) {
        if self.attributes.is_empty() {
            self.attributes = Attributes::with_capacity(n);
        }
    }

    /// Reads one attribute.
    fn value(&mut self, id: NodeId, depth: u32) -> Result<Attribute, DatumError> {
        let cursor = &mut *self.cursor;
        Ok(match self.plan.node(id) {
            Node::Null => Attribute::Null,
            Node::Boolean => Attribute::Bool(cursor.bool()?),
            Node::Int | Node::Long => Attribute::Int(cursor.long()?),
            Node::Float => Attribute::Float(cursor.float()?.into()),
            Node::Double => Attribute::Float(cursor.double()?),
            Node::Text => Attribute::Text(self.interner.read_value(cursor)?),
            Node::Enum(symbols) => {
                let symbol = symbols.get(cursor.index(symbols.len())?);
                Attribute::Text(symbol.map(|symbol| self.interner.value(symbol)).unwrap_or_default())
            }
            Node::Bytes => vector(cursor.bytes()?),
            Node::Fixed { size, .. } => vector(cursor.fixed(*size)?),
            Node::Array(item) => self.array(*item, depth)?,
            Node::Union(branches) => {
                let depth = cursor.deeper(depth)?;
                match branches.get(cursor.index(branches.len())?) {
                    Some(branch) => self.value(*branch, depth)?,
                    None => Attribute::Null,
                }
            }
            Node::Record(record) => {
                let depth = cursor.into_record(self.plan.min_bytes(id), depth)?;
                let mut only = Attribute::Null;
                for (_, field) in &record.fields {
                    only = self.value(*field, depth)?;
                }
                only
            }
            Node::Map(_) => {
                self.plan.skip(cursor, id, depth)?;
                Attribute::Null
            }
        })
    }

    fn array(&mut self, item: NodeId, depth: u32) -> Result<Attribute, DatumError> {
        let depth = self.cursor.deeper(depth)?;
        #[expect(clippy::cast_possible_truncation, reason = "vectors are of f32")]
        match self.plan.node(item) {
            Node::Float => Ok(Attribute::Vector(numbers::<4>(self.cursor, f32::from_le_bytes)?)),
            Node::Double => Ok(Attribute::Vector(numbers::<8>(self.cursor, |bytes| f64::from_le_bytes(bytes) as f32)?)),
            _ => self.list(item, depth),
        }
    }

    fn list(&mut self, item: NodeId, depth: u32) -> Result<Attribute, DatumError> {
        let mut items = Vec::new();
        loop {
            let count = self.cursor.block(self.plan.min_bytes(item))?;
            if count == 0 {
                return Ok(Attribute::List(items.into()));
            }
            items.reserve_exact(count);
            for _ in 0..count {
                items.push(self.value(item, depth)?);
            }
        }
    }
}

/// Little-endian f32. A number cut short becomes a NaN, which admission refuses for this attribute alone.
fn vector(bytes: &[u8]) -> Attribute {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
    Attribute::Vector(if rest.is_empty() { numbers.collect() } else { numbers.chain([f32::NAN]).collect() })
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
