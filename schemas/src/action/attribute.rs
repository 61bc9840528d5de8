//! Typed attributes and sets of them by name.

use std::sync::Arc;

/// A typed attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Attribute {
    /// Known to be absent.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// An embedding: little-endian f32 on the wire.
    Vector(Arc<[f32]>),
    /// Several attributes in order.
    List(Arc<[Attribute]>),
}

/// Attributes by name, sorted by name; at most one of each name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(Arc<str>, Attribute)>);

impl Attribute {
    /// The numbers of a vector.
    pub fn as_vector(&self) -> Option<&[f32]> {
        match self {
            Self::Vector(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// The text of a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Attributes {
    /// No attributes.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No attributes yet, with room for `n`.
    pub fn with_capacity(n: usize) -> Self {
        Self(Vec::with_capacity(n))
    }

    /// The attribute of this name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.binary_search_by(|(key, _)| (**key).cmp(name)).ok().and_then(|i| self.0.get(i)).map(|(_, value)| value)
    }

    /// Sets an attribute, replacing one of the same name. Cheapest in order of names.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: impl Into<Attribute>) {
        let (name, value) = (name.into(), value.into());
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            return self.0.push((name, value));
        }
        match self.0.binary_search_by(|(key, _)| key.cmp(&name)) {
            Ok(i) => {
                if let Some(slot) = self.0.get_mut(i) {
                    slot.1 = value;
                }
            }
            Err(i) => self.0.insert(i, (name, value)),
        }
    }

    /// Puts an attribute where the caller knows that it belongs in order.
    pub(crate) fn insert_at(&mut self, place: usize, name: Arc<str>, value: Attribute) {
        self.0.insert(place.min(self.0.len()), (name, value));
    }

    /// Attributes in order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Attribute)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `others`, which win over attributes of the same name.
    pub fn extend(&mut self, others: Attributes) {
        for (name, value) in others.0 {
            self.insert(name, value);
        }
    }
}

impl<N: Into<Arc<str>>, V: Into<Attribute>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        let mut attributes = Self::new();
        for (name, value) in items {
            attributes.insert(name, value);
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_sorted_and_the_last_of_a_name_wins() {
        let attributes: Attributes = [("b", 1), ("a", 2), ("c", 3), ("a", 4)].into_iter().collect();
        let names: Vec<&str> = attributes.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(attributes.get("a"), Some(&Attribute::Int(4)));
        assert_eq!(attributes.get("d"), None);
    }

    #[test]
    fn added_attributes_win() {
        let mut attributes: Attributes = [("a", 1), ("b", 2)].into_iter().collect();
        attributes.extend([("b", 3), ("c", 4)].into_iter().collect());
        assert_eq!(attributes, [("a", 1), ("b", 3), ("c", 4)].into_iter().collect());
    }
}
