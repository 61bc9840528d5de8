//! What stands in arrays, maps and records.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess};

use super::super::cursor::Cursor;
use super::super::error::DatumError;
use super::super::plan::{DefaultField, NodeId, Plan, RecordNode};
use super::Datum;

/// The items of an array or the entries of a map.
pub(super) struct Blocks<'c, 'de> {
    pub(super) plan: &'de Plan,
    pub(super) item: NodeId,
    /// The fewest bytes of an item, or of an entry with its key.
    pub(super) min_bytes: usize,
    pub(super) cursor: &'c mut Cursor<'de>,
    pub(super) depth: u32,
    /// Items left in the present block.
    pub(super) left: usize,
    pub(super) ended: bool,
}

impl<'de> Blocks<'_, 'de> {
    /// Whether there is a next item; reads the next block's head where needed.
    fn has_next(&mut self) -> Result<bool, DatumError> {
        if self.left == 0 && !self.ended {
            self.left = self.cursor.block(self.min_bytes)?;
            self.ended = self.left == 0;
        }
        Ok(!self.ended)
    }

    fn item(&mut self) -> Datum<'_, 'de> {
        self.left = self.left.saturating_sub(1);
        Datum { plan: self.plan, node: self.item, cursor: self.cursor, depth: self.depth }
    }

    /// Checks that every item was read.
    pub(super) fn end(mut self) -> Result<(), DatumError> {
        if self.has_next()? { Err(self.cursor.error("a list has more items than the type takes")) } else { Ok(()) }
    }
}

impl<'de> SeqAccess<'de> for &mut Blocks<'_, 'de> {
    type Error = DatumError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DatumError> {
        if self.has_next()? { seed.deserialize(self.item()).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for &mut Blocks<'_, 'de> {
    type Error = DatumError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DatumError> {
        if !self.has_next()? {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(self.cursor.text()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DatumError> {
        seed.deserialize(self.item())
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The fields of a record, then those that only a default gives.
pub(super) struct Fields<'c, 'de> {
    pub(super) plan: &'de Plan,
    pub(super) record: &'de RecordNode,
    pub(super) next: usize,
    pub(super) cursor: &'c mut Cursor<'de>,
    pub(super) depth: u32,
}

impl<'de> Fields<'_, 'de> {
    fn default_field(&self) -> Option<&'de DefaultField> {
        self.record.defaults.get(self.next.checked_sub(self.record.fields.len())?)
    }

    fn value<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DatumError> {
        let default = self.default_field();
        let present = self.record.fields.get(self.next);
        self.next += 1;
        match (present, default) {
            (Some((name, node)), _) => {
                let field = Datum { plan: self.plan, node: *node, cursor: self.cursor, depth: self.depth };
                let value = seed.deserialize(field);
                value.map_err(|error| error.or_at(self.cursor.position()).in_field(name))
            }
            (None, Some(field)) => {
                let mut cursor = Cursor::new(&field.datum, 0);
                let default = Datum { plan: self.plan, node: field.node, cursor: &mut cursor, depth: self.depth };
                seed.deserialize(default).map_err(|error| error.in_field(&field.name))
            }
            (None, None) => Err(self.cursor.error("a record has no more fields")),
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = DatumError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DatumError> {
        let present = self.record.fields.get(self.next).map(|(name, _)| name);
        let name = present.or_else(|| self.default_field().map(|field| &field.name));
        name.map(|name| seed.deserialize((**name).into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DatumError> {
        self.value(seed)
    }
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = DatumError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DatumError> {
        let more = self.next < self.record.fields.len() + self.record.defaults.len();
        if more { self.value(seed).map(Some) } else { Ok(None) }
    }
}

/// A single value read as a tuple of one.
pub(super) struct One<'c, 'de>(pub(super) Option<Datum<'c, 'de>>);

impl<'de> SeqAccess<'de> for One<'_, 'de> {
    type Error = DatumError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DatumError> {
        self.0.take().map(|value| seed.deserialize(value)).transpose()
    }
}
