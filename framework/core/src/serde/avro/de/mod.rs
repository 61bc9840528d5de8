//! Reads any serde type from an Avro datum, as its writer laid it out.
//!
//! The visitor of the Rust type decides what it accepts, so an int reads as `i64` or `f64`, a float as `f64`, a value that
//! is never null as `Option`, and fields in any order. References, depth and lengths are bounded by [`Plan`] and [`Cursor`].

mod branch;
mod parts;

use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::cursor::Cursor;
use super::error::DatumError;
use super::plan::{Node, NodeId, Plan, RecordNode};
use branch::Branch;
use parts::{Blocks, Fields, One};

/// Reads the datum at `cursor`, which ends with it.
pub(super) fn read<T: DeserializeOwned>(plan: &Plan, cursor: Cursor<'_>) -> Result<T, DatumError> {
    read_with(plan, cursor)
}

/// Reads with one lifetime for both, so that defaults of the plan can stand in for parts of the datum.
fn read_with<'de, T: DeserializeOwned>(plan: &'de Plan, mut cursor: Cursor<'de>) -> Result<T, DatumError> {
    let root = Datum { plan, node: plan.root(), cursor: &mut cursor, depth: 0 };
    let value = T::deserialize(root).map_err(|error| error.or_at(cursor.position()))?;
    cursor.finish()?;
    Ok(value)
}

/// One value of a datum that is to be read.
struct Datum<'c, 'de> {
    plan: &'de Plan,
    node: NodeId,
    cursor: &'c mut Cursor<'de>,
    depth: u32,
}

impl<'c, 'de> Datum<'c, 'de> {
    fn at(self, node: NodeId, depth: u32) -> Self {
        Self { node, depth, ..self }
    }

    fn node(&self) -> &'de Node {
        self.plan.node(self.node)
    }

    /// Reads a union's branch; any other node stays as it is.
    fn branch(self) -> Result<Self, DatumError> {
        let Node::Union(branches) = self.node() else { return Ok(self) };
        let (_, branch, depth) = self.cursor.branch(branches, self.depth)?;
        Ok(self.at(branch, depth))
    }

    fn int(self) -> Result<i32, DatumError> {
        let long = self.cursor.long()?;
        i32::try_from(long).map_err(|_| self.cursor.error(format_args!("the int {long} is longer than 32 bits")))
    }

    fn text(self) -> Result<&'de str, DatumError> {
        self.cursor.text()
    }

    fn visit_fixed<V: Visitor<'de>>(self, name: &str, bytes: &'de [u8], visitor: V) -> Result<V::Value, DatumError> {
        match (name, bytes.len()) {
            ("org.apache.avro.rust.u64", 8) => {
                visitor.visit_u64(u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
            }
            ("org.apache.avro.rust.u128", 16) => {
                visitor.visit_u128(u128::from_le_bytes(bytes.try_into().unwrap_or_default()))
            }
            ("org.apache.avro.rust.i128", 16) => {
                visitor.visit_i128(i128::from_le_bytes(bytes.try_into().unwrap_or_default()))
            }
            _ => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn blocks(self, item: NodeId, key_bytes: usize) -> Result<Blocks<'c, 'de>, DatumError> {
        let depth = self.cursor.deeper(self.depth)?;
        let min_bytes = self.plan.min_bytes(item) + key_bytes;
        Ok(Blocks { plan: self.plan, item, min_bytes, cursor: self.cursor, depth, left: 0, ended: false })
    }

    fn visit_array<V: Visitor<'de>>(self, item: NodeId, visitor: V) -> Result<V::Value, DatumError> {
        let mut blocks = self.blocks(item, 0)?;
        let value = visitor.visit_seq(&mut blocks)?;
        blocks.end()?;
        Ok(value)
    }

    fn visit_entries<V: Visitor<'de>>(self, item: NodeId, visitor: V) -> Result<V::Value, DatumError> {
        let mut blocks = self.blocks(item, 1)?;
        let value = visitor.visit_map(&mut blocks)?;
        blocks.end()?;
        Ok(value)
    }

    fn fields(self, record: &'de RecordNode) -> Result<Fields<'c, 'de>, DatumError> {
        let depth = self.cursor.into_record(self.plan.min_bytes(self.node), self.depth)?;
        Ok(Fields { plan: self.plan, record, next: 0, cursor: self.cursor, depth })
    }
}

impl<'de> Cursor<'de> {
    fn branch(&mut self, branches: &[NodeId], depth: u32) -> Result<(u32, NodeId, u32), DatumError> {
        let index = self.index(branches.len())?;
        let depth = self.deeper(depth)?;
        match (u32::try_from(index), branches.get(index)) {
            (Ok(index), Some(&node)) => Ok((index, node, depth)),
            _ => Err(self.error("a union has no such branch")),
        }
    }
}

impl<'de> de::Deserializer<'de> for Datum<'_, 'de> {
    type Error = DatumError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        match self.node() {
            Node::Null => visitor.visit_unit(),
            Node::Boolean => visitor.visit_bool(self.cursor.bool()?),
            Node::Int => visitor.visit_i32(self.int()?),
            Node::Long => visitor.visit_i64(self.cursor.long()?),
            Node::Float => visitor.visit_f32(self.cursor.float()?),
            Node::Double => visitor.visit_f64(self.cursor.double()?),
            Node::Bytes => visitor.visit_borrowed_bytes(self.cursor.bytes()?),
            Node::Text => visitor.visit_borrowed_str(self.text()?),
            Node::Fixed { name, size } => {
                let bytes = self.cursor.fixed(*size)?;
                self.visit_fixed(name, bytes, visitor)
            }
            Node::Enum(symbols) => {
                let index = self.cursor.index(symbols.len())?;
                visitor.visit_str(symbols.get(index).map_or("", |symbol| symbol))
            }
            Node::Array(item) => self.visit_array(*item, visitor),
            Node::Map(item) => self.visit_entries(*item, visitor),
            Node::Union(_) => self.branch()?.deserialize_any(visitor),
            Node::Record(record) => visitor.visit_map(self.fields(record)?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        let value = self.branch()?;
        match value.node() {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(value),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        let value = self.branch()?;
        match value.node() {
            Node::Bytes => visitor.visit_borrowed_str(value.text()?),
            _ => value.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        let value = self.branch()?;
        match value.node() {
            Node::Text => visitor.visit_borrowed_bytes(value.cursor.bytes()?),
            _ => value.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        let value = self.branch()?;
        match value.node() {
            Node::Bytes => visitor.visit_seq(SeqDeserializer::new(value.cursor.bytes()?.iter().copied())),
            Node::Fixed { size, .. } => {
                visitor.visit_seq(SeqDeserializer::new(value.cursor.fixed(*size)?.iter().copied()))
            }
            Node::Record(record) => visitor.visit_seq(value.fields(record)?),
            _ => value.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, DatumError> {
        let value = self.branch()?;
        match value.node() {
            Node::Array(_) | Node::Record(_) | Node::Bytes | Node::Fixed { .. } => value.deserialize_seq(visitor),
            _ if len == 1 => visitor.visit_seq(One(Some(value))),
            _ => value.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DatumError> {
        self.plan.skip(self.cursor, self.node, self.depth)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        match self.node() {
            Node::Record(record) if &*record.name == name && record.fields.len() == 1 => {
                let depth = self.cursor.deeper(self.depth)?;
                let field = record.fields.first().map_or(self.node, |(_, field)| *field);
                visitor.visit_newtype_struct(self.at(field, depth))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        match self.node() {
            Node::Enum(symbols) => {
                let index = self.cursor.index(symbols.len())?;
                visitor.visit_enum(symbols.get(index).map_or("", |symbol| symbol).into_deserializer())
            }
            Node::Text => visitor.visit_enum(self.text()?.into_deserializer()),
            Node::Union(branches) => {
                let (index, node, depth) = self.cursor.branch(branches, self.depth)?;
                let value = self.at(node, depth);
                match value.node() {
                    Node::Enum(_) => value.deserialize_enum(_name, _variants, visitor),
                    _ => visitor.visit_enum(Branch { index, value }),
                }
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        self.plan.skip(self.cursor, self.node, self.depth)?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char unit map struct identifier
    }
}
