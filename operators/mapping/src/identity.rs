//! What identifies an event within its actor.

use std::fmt::Write as _;
use std::sync::Arc;

use nowfold_operators::natural_key;
use nowfold_schemas::action::Action;
use serde_json::Value;

use crate::text::{NotText, TextSource};

/// Where an action's identity comes from. See `docs/guide/replay.md`, "Identity".
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum EventId {
    /// `{feed}:{line}`: feeding the same feed again changes nothing.
    #[default]
    Line,
    /// Left empty, to be stamped from the raw record's place in the log: each raw record is an event of its own.
    Log,
    /// From the record; where the record has none, as for `Line`.
    Record(TextSource),
    /// What the action says: its time, verb and object.
    Natural,
    /// These parts of the record together; where the record has none of them, as for `Line`.
    Parts(Vec<TextSource>),
}

impl EventId {
    /// The id of an action that has its verb, object and time.
    pub(crate) fn of(&self, feed: &str, line: u64, action: &Action, record: &Value) -> Result<Arc<str>, NotText> {
        let given = match self {
            Self::Log => return Ok("".into()),
            Self::Line => None,
            Self::Record(source) => source.text(record)?.map(Arc::from),
            Self::Natural => action.timestamp.map(|time| natural_key(time, &action.verb, &action.object).into()),
            Self::Parts(parts) => key(parts, record)?,
        };
        Ok(given.unwrap_or_else(|| format!("{feed}:{line}").into()))
    }
}

/// `{bytes}:{text}` of each part, joined with `/`, and `-` for a missing one: two keys are equal when all of their parts are.
fn key(parts: &[TextSource], record: &Value) -> Result<Option<Arc<str>>, NotText> {
    let (mut key, mut any) = (String::new(), false);
    for (place, part) in parts.iter().enumerate() {
        let separator = if place == 0 { "" } else { "/" };
        let text = part.text(record)?;
        any |= text.is_some();
        // Writing to a string cannot fail.
        let _ = match text {
            Some(text) => write!(key, "{separator}{}:{text}", text.len()),
            None => write!(key, "{separator}-"),
        };
    }
    Ok(any.then(|| key.into()))
}
