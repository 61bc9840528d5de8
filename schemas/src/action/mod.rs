//! The standard action: who did what to which object, when.
//!
//! The schema follows LinkedIn's "Near real-time features for near real-time personalization" (2022): actor, verb and
//! object with attributes each, and a timestamp; nowfold adds identity, order and undo (`event_id`, `sequence`, `op`).

mod attribute;
mod convert;
mod json;

use std::fmt;
use std::sync::Arc;

use nowfold_core::time::Timestamp;

pub use attribute::{Attribute, Attributes};
pub use convert::ToAttribute;

/// What a record of the actions topic asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Op {
    /// The action happened.
    #[default]
    Act,
    /// The action with this `event_id` of this actor is undone, wherever it stands in the log.
    Retract,
    /// Every action of this actor with an event time at or before `timestamp` is dropped.
    Erase,
}

impl Op {
    /// All of them, in the order of their numbers in Avro.
    pub const ALL: [Self; 3] = [Self::Act, Self::Retract, Self::Erase];

    /// Its name in Avro and JSON: `ACT`, `RETRACT` or `ERASE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Act => "ACT",
            Self::Retract => "RETRACT",
            Self::Erase => "ERASE",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == name)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One action of one actor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Action {
    /// Who acted; the key of the actions topic. At most 1,024 bytes of UTF-8, not empty.
    pub actor: Arc<str>,
    /// Attributes of the actor.
    pub actor_attributes: Attributes,
    /// What was done, such as `apply`.
    pub verb: Arc<str>,
    /// Attributes of the act itself.
    pub verb_attributes: Attributes,
    /// What it was done to, an opaque id.
    pub object: Arc<str>,
    /// Attributes of the object.
    pub object_attributes: Attributes,
    /// When it happened: event time. `None`: the mapping gave none (the record's timestamp is used only if configured).
    pub timestamp: Option<Timestamp>,
    /// Identity within the actor; empty until the mapping or the stamping on the way to the actions topic fills it.
    pub event_id: Arc<str>,
    /// Order among actions of the same time; `None` until filled in (default: the offset of the root raw record).
    pub sequence: Option<i64>,
    /// Act, retract or erase.
    pub op: Op,
}

impl Action {
    /// An action without attributes, time or identity.
    pub fn new(actor: impl Into<Arc<str>>, verb: impl Into<Arc<str>>, object: impl Into<Arc<str>>) -> Self {
        Self { actor: actor.into(), verb: verb.into(), object: object.into(), ..Self::default() }
    }

    /// When it happened, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn at_ms(self, ms: i64) -> Self {
        self.at(Timestamp::from_millis(ms))
    }

    /// When it happened.
    #[must_use]
    pub fn at(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Its identity within the actor: the same id again is a repeat and counts once.
    #[must_use]
    pub fn id(mut self, event_id: impl Into<Arc<str>>) -> Self {
        self.event_id = event_id.into();
        self
    }

    /// Its place among actions of the same time.
    #[must_use]
    pub fn sequence(mut self, sequence: i64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Sets an attribute of the actor.
    #[must_use]
    pub fn actor_attribute(mut self, name: impl Into<Arc<str>>, value: impl Into<Attribute>) -> Self {
        self.actor_attributes.insert(name, value);
        self
    }

    /// Sets an attribute of the act.
    #[must_use]
    pub fn verb_attribute(mut self, name: impl Into<Arc<str>>, value: impl Into<Attribute>) -> Self {
        self.verb_attributes.insert(name, value);
        self
    }

    /// Sets an attribute of the object.
    #[must_use]
    pub fn object_attribute(mut self, name: impl Into<Arc<str>>, value: impl Into<Attribute>) -> Self {
        self.object_attributes.insert(name, value);
        self
    }

    /// Turns it into the undoing of the action with this id.
    #[must_use]
    pub fn retract(mut self) -> Self {
        self.op = Op::Retract;
        self
    }
}
