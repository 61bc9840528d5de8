//! Attributes of an event as a reader sees them.

use std::sync::Arc;

use nowfold_schemas::action::Attribute;

use super::pack::{self, FALSE, FLOAT, INT, LIST, Reader, TEXT, TRUE, VECTOR};

/// An attribute that is present. Numbers and vectors are finite.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Vector(VectorRef<'a>),
    List(ListRef<'a>),
}

/// An embedding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VectorRef<'a>(Floats<'a>);

#[derive(Clone, Copy, Debug)]
enum Floats<'a> {
    Shared(&'a [f32]),
    Packed(&'a [[u8; 4]]),
}

/// A list of attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListRef<'a>(Items<'a>);

#[derive(Clone, Copy, Debug)]
enum Items<'a> {
    Given(&'a [Attribute]),
    Packed(Reader<'a>),
}

impl<'a> Cell<'a> {
    /// An attribute as a cell; `None` for null.
    pub(crate) fn of(attribute: &'a Attribute) -> Option<Self> {
        Some(match attribute {
            Attribute::Null => return None,
            Attribute::Bool(value) => Self::Bool(*value),
            Attribute::Int(value) => Self::Int(*value),
            Attribute::Float(value) => Self::Float(*value),
            Attribute::Text(text) => Self::Text(text),
            Attribute::Vector(vector) => Self::vector(vector),
            Attribute::List(items) => Self::List(ListRef(Items::Given(items))),
        })
    }

    pub(crate) fn vector(values: &'a [f32]) -> Self {
        Self::Vector(VectorRef(Floats::Shared(values)))
    }

    /// The value that was written under a tag; `None` for null.
    pub(crate) fn unpack(tag: u8, value: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        Some(match tag {
            FALSE | TRUE => Self::Bool(tag == TRUE),
            INT => Self::Int(reader.i64()),
            FLOAT => Self::Float(f64::from_le_bytes(reader.array())),
            TEXT => Self::Text(pack::text(value)),
            VECTOR => Self::Vector(VectorRef(Floats::Packed(value.as_chunks().0))),
            LIST => Self::List(ListRef(Items::Packed(reader))),
            _ => return None,
        })
    }

    pub(crate) fn to_attribute(self) -> Attribute {
        match self {
            Self::Bool(value) => Attribute::Bool(value),
            Self::Int(value) => Attribute::Int(value),
            Self::Float(value) => Attribute::Float(value),
            Self::Text(text) => Attribute::Text(text.into()),
            Self::Vector(vector) => Attribute::Vector(vector.to_arc()),
            Self::List(items) => Attribute::List(items.iter().collect()),
        }
    }
}

impl<'a> VectorRef<'a> {
    /// Its dimension.
    pub(crate) fn len(self) -> usize {
        match self.0 {
            Floats::Shared(values) => values.len(),
            Floats::Packed(values) => values.len(),
        }
    }

    /// Adds its elements to sums, one by one.
    pub(crate) fn add_to(self, sums: &mut [f64]) {
        match self.0 {
            Floats::Shared(values) => sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += f64::from(*x)),
            Floats::Packed(values) => {
                sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += f64::from(f32::from_le_bytes(*x)));
            }
        }
    }

    /// The smallest and the largest of its elements that are not 0, without their signs, in the bits of f32, which
    /// order them; the smallest is above the largest when all are 0.
    pub(crate) fn extent(self) -> (u32, u32) {
        let take_in = |(smallest, largest): (u32, u32), x: u32| {
            let x = x & (u32::MAX >> 1);
            // A 0 wraps around to the largest number.
            (smallest.min(x.wrapping_sub(1)), largest.max(x))
        };
        let nothing = (u32::MAX, 0);
        let (below, largest) = match self.0 {
            Floats::Shared(values) => values.iter().map(|x| x.to_bits()).fold(nothing, take_in),
            Floats::Packed(values) => values.iter().map(|x| u32::from_le_bytes(*x)).fold(nothing, take_in),
        };
        (below.saturating_add(1), largest)
    }

    pub(crate) fn to_arc(self) -> Arc<[f32]> {
        match self.0 {
            Floats::Shared(values) => values.into(),
            Floats::Packed(values) => values.iter().map(|x| f32::from_le_bytes(*x)).collect(),
        }
    }
}

impl<'a> ListRef<'a> {
    /// Its items.
    pub(crate) fn iter(self) -> impl Iterator<Item = Attribute> + 'a {
        let (given, mut reader) = match self.0 {
            Items::Given(items) => (items, Reader::default()),
            Items::Packed(reader) => (&[] as &[Attribute], reader),
        };
        let packed = std::iter::from_fn(move || {
            (!reader.is_at_end()).then(|| {
                let tag = reader.byte();
                Cell::unpack(tag, reader.value(tag)).map_or(Attribute::Null, Cell::to_attribute)
            })
        });
        given.iter().cloned().chain(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_from_their_bytes() {
        let vector = Attribute::Vector([1.5_f32, -0.0].into());
        let list = Attribute::List([Attribute::Null, Attribute::from("ü"), vector.clone()].into());
        let nested = Attribute::List([list.clone(), Attribute::Int(-7), Attribute::Float(0.1)].into());
        for attribute in [Attribute::Bool(true), Attribute::Int(i64::MIN), Attribute::from(""), vector, list, nested] {
            let mut bytes = Vec::new();
            pack::put_attribute(&mut bytes, &attribute);
            let mut reader = Reader::new(&bytes);
            let tag = reader.byte();
            let cell = Cell::unpack(tag, reader.value(tag)).unwrap();
            assert_eq!(cell.to_attribute(), attribute);
            assert_eq!(Cell::of(&attribute).unwrap().to_attribute(), attribute);
            assert!(reader.is_at_end());
        }
    }
}
