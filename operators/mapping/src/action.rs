//! One `[[actions]]` entry: from a record to a standard action.

use std::borrow::Cow;
use std::time::Duration;

use nowfold_operators::MAX_ACTOR_BYTES;
use nowfold_schemas::action::Action;
use serde_json::Value;

use crate::attribute::{AttributeMapping, read_all};
use crate::condition::Condition;
use crate::identity::EventId;
use crate::text::{NotText, TextSource};
use crate::time::{BadTime, TimeSource};

/// A compiled `[[actions]]` entry.
#[derive(Clone, Debug)]
pub struct ActionMapping {
    /// The feed's name, which begins ids that are made of line numbers.
    pub(crate) feed: String,
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) store: String,
    pub(crate) retention: Option<Duration>,
    pub(crate) filter: Option<Condition>,
    pub(crate) actor: TextSource,
    pub(crate) verb: VerbSource,
    pub(crate) object: TextSource,
    pub(crate) timestamp: TimeSource,
    pub(crate) event_id: EventId,
    pub(crate) actor_attributes: Vec<AttributeMapping>,
    pub(crate) verb_attributes: Vec<AttributeMapping>,
    pub(crate) object_attributes: Vec<AttributeMapping>,
}

/// The verb: that of the first case whose condition holds, else the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VerbSource {
    pub(crate) cases: Vec<(Condition, TextSource)>,
    pub(crate) otherwise: Option<TextSource>,
}

impl VerbSource {
    /// Every verb that it may give, where the mapping tells them all.
    pub(crate) fn all(&self) -> Option<Vec<String>> {
        let sources = self.cases.iter().map(|(_, then)| then).chain(&self.otherwise);
        sources.map(TextSource::constant).collect()
    }
}

/// What became of a record that could be read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mapped {
    /// An action.
    Action {
        /// The action, with its sequence set to the line number.
        action: Action,
        /// How many of its attributes had a value of the wrong type; they are null.
        n_wrong_attributes: u32,
    },
    /// The entry's `where` does not hold.
    Filtered,
    /// The record has no actor.
    NoActor,
}

/// Why a record that should be an action cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// A text is needed where an array or object stands.
    #[error("line {line} cannot become an action of \"{entry}\": {cause}")]
    NotText {
        /// The entry's name.
        entry: String,
        /// The line's number in the feed.
        line: u64,
        /// What was found.
        cause: NotText,
    },
    /// The actor does not fit into a key.
    #[error(
        "line {line} cannot become an action of \"{entry}\": its actor has {n_bytes} bytes, more than {MAX_ACTOR_BYTES}; \
         map a shorter id"
    )]
    ActorTooLong {
        /// The entry's name.
        entry: String,
        /// The line's number in the feed.
        line: u64,
        /// Bytes of the actor.
        n_bytes: usize,
    },
    /// A part that every action has is missing.
    #[error(
        "line {line} cannot become an action of \"{entry}\": it has no {part}; give \"{part}\" a default in the mapping, or \
         leave such records out with \"where\""
    )]
    Missing {
        /// The entry's name.
        entry: String,
        /// The line's number in the feed.
        line: u64,
        /// `verb` or `object`.
        part: &'static str,
    },
    /// The time is missing or cannot be read.
    #[error("line {line} cannot become an action of \"{entry}\": {cause}")]
    BadTimestamp {
        /// The entry's name.
        entry: String,
        /// The line's number in the feed.
        line: u64,
        /// What is wrong with it.
        cause: BadTime,
    },
}

impl Mapped {
    /// The action, if it is one.
    pub fn into_action(self) -> Option<Action> {
        match self {
            Self::Action { action, .. } => Some(action),
            Self::Filtered | Self::NoActor => None,
        }
    }
}

impl Reject {
    /// A short name for counters: `not_text`, `actor_too_long`, `no_verb`, `no_object` or `bad_timestamp`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotText { .. } => "not_text",
            Self::ActorTooLong { .. } => "actor_too_long",
            Self::Missing { part: "verb", .. } => "no_verb",
            Self::Missing { .. } => "no_object",
            Self::BadTimestamp { .. } => "bad_timestamp",
        }
    }
}

impl ActionMapping {
    /// The entry's name, unique in the mapping.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The actions topic it fills.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The store that holds its actions.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// How long the store keeps actions, where the mapping says so.
    pub fn retention(&self) -> Option<Duration> {
        self.retention
    }

    /// Whether every action gets its identity here, so that a repeated line is a repeat and not a second event.
    pub fn identifies_events(&self) -> bool {
        self.event_id != EventId::Log
    }

    /// Attributes of the actor that stand in the record itself.
    pub fn actor_attributes(&self) -> &[AttributeMapping] {
        &self.actor_attributes
    }

    /// Attributes of the verb.
    pub fn verb_attributes(&self) -> &[AttributeMapping] {
        &self.verb_attributes
    }

    /// Attributes of the object that stand in the record itself.
    pub fn object_attributes(&self) -> &[AttributeMapping] {
        &self.object_attributes
    }

    /// When the record happened.
    pub(crate) fn timestamp(&self) -> &TimeSource {
        &self.timestamp
    }

    /// The record at this line of the feed as an action.
    ///
    /// # Errors
    ///
    /// When a record with an actor lacks a verb, an object or a time, or they cannot be read.
    pub fn map(&self, line: u64, record: &Value) -> Result<Mapped, Reject> {
        if self.filter.as_ref().is_some_and(|filter| !filter.holds(record)) {
            return Ok(Mapped::Filtered);
        }
        let Some(actor) = self.text(&self.actor, line, record)? else { return Ok(Mapped::NoActor) };
        if actor.len() > MAX_ACTOR_BYTES {
            return Err(Reject::ActorTooLong { entry: self.name.clone(), line, n_bytes: actor.len() });
        }
        let verb = self.verb(line, record)?.ok_or_else(|| self.missing(line, "verb"))?;
        let object = self.text(&self.object, line, record)?.ok_or_else(|| self.missing(line, "object"))?;
        let timestamp = self.timestamp.time(record);
        let timestamp = timestamp.map_err(|cause| Reject::BadTimestamp { entry: self.name.clone(), line, cause })?;
        let mut action = Action::new(actor, verb, object).at(timestamp);
        action.event_id =
            self.event_id.of(&self.feed, line, &action, record).map_err(|cause| self.no_text(line, cause))?;
        action.sequence = i64::try_from(line).ok();
        let n_wrong_attributes = self.add_attributes(&mut action, record);
        Ok(Mapped::Action { action, n_wrong_attributes })
    }

    fn add_attributes(&self, action: &mut Action, record: &Value) -> u32 {
        let (actor, wrong_actor) = read_all(&self.actor_attributes, record);
        let (verb, wrong_verb) = read_all(&self.verb_attributes, record);
        let (object, wrong_object) = read_all(&self.object_attributes, record);
        (action.actor_attributes, action.verb_attributes, action.object_attributes) = (actor, verb, object);
        wrong_actor + wrong_verb + wrong_object
    }

    fn verb<'v>(&'v self, line: u64, record: &'v Value) -> Result<Option<Cow<'v, str>>, Reject> {
        let case = self.verb.cases.iter().find(|(condition, _)| condition.holds(record));
        let source = case.map(|(_, then)| then).or(self.verb.otherwise.as_ref());
        source.map_or(Ok(None), |source| self.text(source, line, record))
    }

    fn text<'v>(&self, source: &'v TextSource, line: u64, record: &'v Value) -> Result<Option<Cow<'v, str>>, Reject> {
        source.text(record).map_err(|cause| self.no_text(line, cause))
    }

    fn no_text(&self, line: u64, cause: NotText) -> Reject {
        Reject::NotText { entry: self.name.clone(), line, cause }
    }

    fn missing(&self, line: u64, part: &'static str) -> Reject {
        Reject::Missing { entry: self.name.clone(), line, part }
    }
}
