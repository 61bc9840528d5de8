//! What the oracle keeps of an action.

use nowfold_schemas::action::{Action, Attribute};

use super::hash::xxh64;

/// An admitted event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) actor: String,
    pub(crate) verb: String,
    pub(crate) object: String,
    pub(crate) id: String,
    pub(crate) t: i64,
    pub(crate) sequence: i64,
    /// Attributes by path, such as `object.price`, without those that were refused.
    attributes: Vec<(String, Attribute)>,
    /// Where the canonical rule cuts after this event.
    pub(crate) cut: Cut,
}

/// What ends with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    Block,
    SuperBlock,
}

impl Event {
    /// The event of an action at `t`, with the attributes that `keep` lets pass.
    pub(crate) fn new(action: &Action, t: i64, mut keep: impl FnMut(&str, &Attribute) -> bool) -> Self {
        let sides = [
            ("actor", &action.actor_attributes),
            ("verb", &action.verb_attributes),
            ("object", &action.object_attributes),
        ];
        let all = sides.iter().flat_map(|(side, attributes)| {
            attributes.iter().map(move |(name, value)| (format!("{side}.{name}"), value.clone()))
        });
        let attributes = all.filter(|(path, value)| keep(path, value)).collect();
        let hash = xxh64(action.event_id.as_bytes());
        let cut = match (hash % 64, hash % 4_096) {
            (_, 0) => Cut::SuperBlock,
            (0, _) => Cut::Block,
            _ => Cut::Nothing,
        };
        Self {
            actor: action.actor.to_string(),
            verb: action.verb.to_string(),
            object: action.object.to_string(),
            id: action.event_id.to_string(),
            t,
            sequence: action.sequence.unwrap_or(0),
            attributes,
            cut,
        }
    }

    /// Its place among the events of its actor.
    pub(crate) fn order(&self) -> (i64, i64, &[u8]) {
        (self.t, self.sequence, self.id.as_bytes())
    }

    /// What a path leads to; null counts as nothing.
    pub(crate) fn get(&self, path: &str) -> Option<Attribute> {
        match path {
            "actor" => Some(Attribute::Text(self.actor.as_str().into())),
            "verb" => Some(Attribute::Text(self.verb.as_str().into())),
            "object" => Some(Attribute::Text(self.object.as_str().into())),
            _ => self.attribute(path).cloned(),
        }
    }

    /// An attribute, unless it is null.
    pub(crate) fn attribute(&self, path: &str) -> Option<&Attribute> {
        let found = self.attributes.iter().find(|(of, _)| of == path).map(|(_, value)| value);
        found.filter(|value| **value != Attribute::Null)
    }
}
