//! What a feature's value can be. `value_json` has its JSON.

use std::fmt;
use std::sync::Arc;

use nowfold_core::time::Timestamp;
use nowfold_schemas::action::Attribute;

use super::path::Found;
use crate::chain::Cell;

/// The value of a feature in one window.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum FeatureValue {
    /// There is none: a mean of nothing, an attribute that is missing.
    #[default]
    None,
    /// True or false.
    Bool(bool),
    /// A count.
    Count(u64),
    /// A whole number.
    Int(i64),
    /// A number; never NaN or infinite.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A vector. Means are computed in f64 and given as f32.
    Vector(Arc<[f32]>),
    /// Values in order.
    List(Vec<FeatureValue>),
    /// Counts by value.
    Map(CountMap),
    /// Values with their counts, the most frequent first.
    Ranked(Vec<(MapKey, u64)>),
    /// One value for each value of another attribute.
    Groups(GroupMap),
    /// Actions, newest first.
    Actions(Vec<ActionRow>),
}

/// One value for each value of another attribute, in order of the latter: null first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupMap(pub(crate) Vec<(MapKey, FeatureValue)>);

/// Counts by value, in order of the values: null first, `other` last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CountMap(pub(crate) Vec<(MapKey, u64)>);

/// A value that was counted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MapKey {
    /// Actions without a value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// All values beyond the cap together.
    Other,
}

/// One action as a query shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionRow {
    /// Event time.
    pub timestamp: Timestamp,
    /// What was done.
    pub verb: Arc<str>,
    /// What it was done to.
    pub object: Arc<str>,
    /// Its identity within the actor.
    pub event_id: Arc<str>,
    /// Its place among actions of the same time.
    pub sequence: i64,
    /// What was selected, by path; [`FeatureValue::None`] where the action lacks it.
    pub selected: Vec<(Arc<str>, FeatureValue)>,
}

impl CountMap {
    /// The count of a text value; 0 when it did not occur.
    pub fn get(&self, value: &str) -> u64 {
        self.iter().find(|(key, _)| matches!(key, MapKey::Text(text) if **text == *value)).map_or(0, |(_, n)| n)
    }

    /// Values and counts.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&MapKey, u64)> {
        self.0.iter().map(|(key, n)| (key, *n))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl GroupMap {
    /// The value of a group that is named by a text.
    pub fn get(&self, group: &str) -> Option<&FeatureValue> {
        self.iter().find(|(key, _)| matches!(key, MapKey::Text(text) if **text == *group)).map(|(_, value)| value)
    }

    /// Groups and their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&MapKey, &FeatureValue)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut FeatureValue> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FeatureValue {
    pub(crate) fn of_found(found: Found<'_>) -> Self {
        match found {
            Found::Missing => Self::None,
            Found::Text(text) => Self::Text(Arc::from(text)),
            Found::Cell(cell) => Self::of_cell(cell),
        }
    }

    /// The default, if there is no value.
    pub(crate) fn or_default(self, default: Option<&Self>) -> Self {
        match (self, default) {
            (Self::None, Some(default)) => default.clone(),
            (value, _) => value,
        }
    }

    pub(crate) fn of_cell(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Bool(value) => Self::Bool(value),
            Cell::Int(value) => Self::Int(value),
            Cell::Float(value) => Self::Float(value),
            Cell::Text(text) => Self::Text(text.into()),
            Cell::Vector(vector) => Self::Vector(vector.to_arc()),
            Cell::List(items) => Self::List(items.iter().map(|item| Self::from(&item)).collect()),
        }
    }
}

macro_rules! values {
    ($($type:ty => $variant:ident),+) => {$(
        impl From<$type> for FeatureValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

values!(bool => Bool, i32 => Int, i64 => Int, u64 => Count, f64 => Float, &str => Text, String => Text, Vec<f32> => Vector);

impl From<&Attribute> for FeatureValue {
    fn from(attribute: &Attribute) -> Self {
        match attribute {
            Attribute::Null => Self::None,
            Attribute::Bool(value) => Self::Bool(*value),
            Attribute::Int(value) => Self::Int(*value),
            Attribute::Float(value) => Self::Float(*value),
            Attribute::Text(text) => Self::Text(text.clone()),
            Attribute::Vector(vector) => Self::Vector(vector.clone()),
            Attribute::List(items) => Self::List(items.iter().map(Self::from).collect()),
        }
    }
}

impl fmt::Display for MapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
            Self::Other => f.write_str("other"),
        }
    }
}
