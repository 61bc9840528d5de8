//! Keys of groups: the values that `count_by` and `distinct_count` tell apart.

use std::sync::Arc;

use super::path::Found;
use super::value::MapKey;
use crate::chain::{Cell, xxh64};

/// A value as a key, borrowed from an event. Null is a key as well; vectors and lists count as null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum GroupKey<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A float by [`ordered`], so that it can be compared and hashed.
    Float(i64),
    Text(&'a str),
}

impl<'a> GroupKey<'a> {
    pub(crate) fn of(found: Found<'a>) -> Self {
        match found {
            Found::Text(text) => Self::Text(text),
            Found::Cell(Cell::Text(text)) => Self::Text(text),
            Found::Cell(Cell::Bool(value)) => Self::Bool(value),
            Found::Cell(Cell::Int(value)) => Self::Int(value),
            // Adding zero makes -0.0 and 0.0 one key.
            Found::Cell(Cell::Float(value)) => Self::Float(ordered((value + 0.0).to_bits().cast_signed())),
            Found::Cell(Cell::Vector(_) | Cell::List(_)) | Found::Missing => Self::Null,
        }
    }

    pub(crate) fn to_owned(self) -> MapKey {
        match self {
            Self::Null => MapKey::Null,
            Self::Bool(value) => MapKey::Bool(value),
            Self::Int(value) => MapKey::Int(value),
            Self::Float(bits) => MapKey::Float(f64::from_bits(ordered(bits).cast_unsigned())),
            Self::Text(text) => MapKey::Text(Arc::from(text)),
        }
    }

    /// A fixed 64-bit hash, equal on every machine.
    pub(crate) fn hash(self) -> u64 {
        let tagged = |tag: u8, value: [u8; 8]| {
            let mut bytes = [tag; 9];
            bytes.iter_mut().skip(1).zip(value).for_each(|(byte, value)| *byte = value);
            xxh64(&bytes)
        };
        match self {
            Self::Null => tagged(0, [0; 8]),
            Self::Bool(value) => tagged(1, u64::from(value).to_be_bytes()),
            Self::Int(value) => tagged(2, value.to_be_bytes()),
            Self::Float(bits) => tagged(3, bits.to_be_bytes()),
            Self::Text(text) => xxh64(text.as_bytes()),
        }
    }
}

/// Maps the bits of a float to an integer of the same order, and back.
fn ordered(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: f64) -> GroupKey<'static> {
        GroupKey::of(Found::Cell(Cell::Float(value)))
    }

    #[test]
    fn floats_are_ordered_and_come_back() {
        let values = [f64::MIN, -1.5, -f64::MIN_POSITIVE, 0.0, 1.0, f64::MAX];
        let keys: Vec<_> = values.iter().map(|value| key(*value)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
        for (key, value) in keys.into_iter().zip(values) {
            assert_eq!(key.to_owned(), MapKey::Float(value));
        }
        assert_eq!(key(-0.0), key(0.0));
    }
}
