//! What actions hold, to check features against.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use nowfold_strict::{Node, Section};

/// Attributes of actions by path, with their kinds, and the verbs there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionSchema {
    attributes: BTreeMap<String, AttributeKind>,
    verbs: Option<BTreeSet<String>>,
}

/// What an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeKind {
    /// A number, whole or not.
    Number,
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A vector of f32.
    Vector,
    /// A list.
    List,
    /// Not known.
    Any,
}

impl ActionSchema {
    /// No attributes, and any verb.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an attribute by its path, such as `object.embedding`. Declared twice as different kinds, it is of any kind.
    #[must_use]
    pub fn attribute(mut self, path: impl Into<String>, kind: AttributeKind) -> Self {
        let known = self.attributes.entry(path.into()).or_insert(kind);
        if *known != kind {
            *known = AttributeKind::Any;
        }
        self
    }

    /// Only these verbs.
    #[must_use]
    pub fn verbs<V: Into<String>>(mut self, verbs: impl IntoIterator<Item = V>) -> Self {
        self.verbs.get_or_insert_default().extend(verbs.into_iter().map(Into::into));
        self
    }

    pub(super) fn kind(&self, path: &str) -> Option<AttributeKind> {
        self.attributes.get(path).copied()
    }

    /// Everything that a path may be.
    pub(super) fn paths(&self) -> Vec<&str> {
        self.attributes.keys().map(String::as_str).chain(["object", "verb"]).collect()
    }

    pub(super) fn known_verbs(&self) -> Option<Vec<&str>> {
        self.verbs.as_ref().map(|verbs| verbs.iter().map(String::as_str).collect())
    }
}

impl AttributeKind {
    const NAMES: [(&'static str, Self); 8] = [
        ("any", Self::Any),
        ("bool", Self::Bool),
        ("f64", Self::Number),
        ("i64", Self::Number),
        ("list", Self::List),
        ("number", Self::Number),
        ("text", Self::Text),
        ("vector", Self::Vector),
    ];
}

impl fmt::Display for AttributeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Bool => "true or false",
            Self::Vector => "a vector",
            Self::List => "a list",
            Self::Any => "of any kind",
        })
    }
}

/// The `[schema]` section.
pub(super) fn read(node: &Node<'_>) -> Option<ActionSchema> {
    let mut section = node.section()?;
    let verbs = section.maybe("verbs", |node| node.each(|verb| verb.text().map(str::to_owned)));
    let sides = ["actor", "verb", "object"].map(|side| (side, side_of(&mut section, side)));
    section.finish();
    let mut schema = ActionSchema { verbs: verbs?.map(BTreeSet::from_iter), ..ActionSchema::default() };
    for (side, attributes) in sides {
        for (name, kind) in attributes? {
            schema = schema.attribute(format!("{side}.{name}"), kind);
        }
    }
    Some(schema)
}

fn side_of(section: &mut Section<'_>, side: &'static str) -> Option<Vec<(String, AttributeKind)>> {
    section.or(side, Vec::new(), |node| {
        let entries = node.section()?.entries();
        let read = entries.into_iter().map(|(name, _, kind_node)| Some((name.to_owned(), kind(&kind_node)?)));
        read.collect::<Vec<_>>().into_iter().collect()
    })
}

fn kind(node: &Node<'_>) -> Option<AttributeKind> {
    let text = node.text()?;
    let found = AttributeKind::NAMES.iter().find(|(name, _)| *name == text);
    found.map(|(_, kind)| *kind).or_else(|| node.unknown("kind", text, &AttributeKind::NAMES.map(|(name, _)| name)))
}
