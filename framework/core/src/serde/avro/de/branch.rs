//! Unions as Rust enums.

use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor};

use super::super::error::DatumError;
use super::Datum;

/// A union read as a Rust enum whose variants stand in the order of the branches.
pub(super) struct Branch<'c, 'de> {
    pub(super) index: u32,
    pub(super) value: Datum<'c, 'de>,
}

impl<'c, 'de> EnumAccess<'de> for Branch<'c, 'de> {
    type Error = DatumError;
    type Variant = Datum<'c, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), DatumError> {
        Ok((seed.deserialize(self.index.into_deserializer())?, self.value))
    }
}

impl<'de> VariantAccess<'de> for Datum<'_, 'de> {
    type Error = DatumError;

    fn unit_variant(self) -> Result<(), DatumError> {
        self.plan.skip(self.cursor, self.node, self.depth)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DatumError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, DatumError> {
        de::Deserializer::deserialize_tuple(self, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        de::Deserializer::deserialize_any(self, visitor)
    }
}
