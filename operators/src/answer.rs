//! Answers: values and the envelope that says what they rest on (`docs/semantics.md`, section 4).

use std::fmt;
use std::sync::Arc;

use nowfold_core::names::StoreName;
use nowfold_core::query::QueryError;
use nowfold_core::time::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::feature::{ActionRow, CountMap, FeatureResult, FeatureValue, WindowResult, unknown_feature};
use crate::features::{Scores, WindowScores};
use crate::position::Position;
use crate::rfc3339::rfc3339;

/// What every answer says about itself, with the same names in Rust and JSON.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Envelope {
    /// The instant at which windows end.
    pub as_of: Timestamp,
    /// Whether the actor has any event up to then.
    pub found: bool,
    /// Whether the store's history reaches back to the beginning of every window.
    pub complete: bool,
    /// Whether events that belong to the answer were left out: more rows than the limit, or events that went since their
    /// actor had more than it may.
    pub truncated: bool,
    /// Whether the lag is unknown or was last known more than two seconds ago, the store is still restoring, or a standby
    /// answered.
    pub stale: bool,
    /// Milliseconds between now and the append time of the first record that is not applied; 0 when all are.
    pub lag_ms: Option<i64>,
    /// Of a standby's answer: records of the actor's partition that it has not applied, as far as it has heard.
    pub lag_records: Option<u64>,
    /// The largest lag of the tasks that feed the actions topic, in milliseconds.
    pub source_lag_ms: Option<i64>,
    /// The process that answered, if it has an address.
    pub owner: Option<Arc<str>>,
    /// The last applied offset of the actor's partition.
    pub position: Position,
    /// Microseconds that the answer took, filled in by whoever holds a clock for it.
    pub took_us: Option<u64>,
}

/// An actor's features.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The store that answered.
    pub store: StoreName,
    /// The actor.
    pub actor: Arc<str>,
    /// One result per feature asked for, in the order asked.
    pub features: Vec<FeatureResult>,
    /// Scores of candidates, in the order asked.
    pub scores: Vec<Scores>,
    /// What the answer rests on.
    pub envelope: Envelope,
}

/// An actor's actions: the paper's own query.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ActionsAnswer {
    /// The store that answered.
    pub store: StoreName,
    /// The actor.
    pub actor: Arc<str>,
    /// The actions, newest first.
    pub actions: Vec<ActionRow>,
    /// Actions in the window, with those beyond the limit.
    pub matched: u64,
    /// Actions that were passed over; none are, whatever they lack.
    pub missing: u64,
    /// What the answer rests on.
    pub envelope: Envelope,
}

/// A lag as text: `4 ms`, or `an unknown time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagTime(pub Option<i64>);

impl Answer {
    /// The result of a feature.
    ///
    /// # Errors
    /// [`QueryError::UnknownFeature`].
    pub fn feature(&self, name: &str) -> Result<&FeatureResult, QueryError> {
        let found = self.features.iter().find(|feature| &*feature.name == name);
        found.ok_or_else(|| unknown_feature(&self.store, name, self.features.iter().map(|feature| &*feature.name)))
    }

    /// The result of a feature in one of its windows, such as `24h`.
    ///
    /// # Errors
    /// [`QueryError::UnknownFeature`], or [`QueryError::Invalid`] when the feature has no such window.
    pub fn window(&self, name: &str, label: &str) -> Result<&WindowResult, QueryError> {
        let feature = self.feature(name)?;
        let labels = || feature.windows.iter().map(|window| &*window.label);
        feature.window(label).ok_or_else(|| no_window(name, label, labels()))
    }

    /// The value of a feature with one window.
    ///
    /// # Errors
    /// [`QueryError::UnknownFeature`], or [`QueryError::Invalid`] when it has several windows.
    pub fn value(&self, name: &str) -> Result<&FeatureValue, QueryError> {
        match self.feature(name)?.windows.as_slice() {
            [only] => Ok(&only.value),
            _ => Err(QueryError::Invalid { cause: format!("feature {name:?} has several windows; name one of them") }),
        }
    }

    /// A vector of as many elements as the attribute has; none when no action in the window has it.
    ///
    /// # Errors
    /// Those of [`Self::value`], or [`QueryError::Invalid`] when the value is no vector.
    pub fn vector(&self, name: &str) -> Result<Option<&[f32]>, QueryError> {
        match self.value(name)? {
            FeatureValue::Vector(vector) => Ok(Some(vector)),
            FeatureValue::None => Ok(None),
            _ => Err(wrong_kind(name, "a vector")),
        }
    }

    /// A number; none when there is nothing to compute it from.
    ///
    /// # Errors
    /// Those of [`Self::value`], or [`QueryError::Invalid`] when the value is no number.
    pub fn number(&self, name: &str) -> Result<Option<f64>, QueryError> {
        match self.value(name)? {
            FeatureValue::Float(value) => Ok(Some(*value)),
            FeatureValue::Int(value) => Ok(Some(*value as f64)),
            FeatureValue::Count(n) => Ok(Some(*n as f64)),
            FeatureValue::None => Ok(None),
            _ => Err(wrong_kind(name, "a number")),
        }
    }

    /// A count.
    ///
    /// # Errors
    /// Those of [`Self::value`], or [`QueryError::Invalid`] when the value is no count.
    pub fn count(&self, name: &str) -> Result<u64, QueryError> {
        match self.value(name)? {
            FeatureValue::Count(n) => Ok(*n),
            _ => Err(wrong_kind(name, "a count")),
        }
    }

    /// Counts by value in one window.
    ///
    /// # Errors
    /// Those of [`Self::window`], or [`QueryError::Invalid`] when the value is no map.
    pub fn map(&self, name: &str, label: &str) -> Result<&CountMap, QueryError> {
        match &self.window(name, label)?.value {
            FeatureValue::Map(map) => Ok(map),
            _ => Err(wrong_kind(name, "a map of counts")),
        }
    }

    /// The scores of the candidates for a feature, in their order; in its last window, where it has several. For the others
    /// see [`scores_in`](Self::scores_in).
    ///
    /// # Errors
    /// [`QueryError::Invalid`] when no candidates were given for it.
    pub fn scores(&self, name: &str) -> Result<&[Option<f64>], QueryError> {
        let (_, scores) = self.scored(name)?.last().ok_or_else(|| no_candidates(name))?;
        Ok(scores)
    }

    /// The scores of the candidates for a feature in one of its windows, such as `24h`; in the candidates' order.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] when no candidates were given for it, or it has no such window.
    pub fn scores_in(&self, name: &str, label: &str) -> Result<&[Option<f64>], QueryError> {
        let windows = self.scored(name)?;
        let found = windows.iter().find(|(window, _)| &**window == label);
        found.map(|(_, scores)| scores.as_slice()).ok_or_else(|| no_window(name, label, windows.iter().map(|w| &*w.0)))
    }

    fn scored(&self, name: &str) -> Result<&[WindowScores], QueryError> {
        let found = self.scores.iter().find(|scores| &*scores.feature == name);
        found.map(|scores| scores.windows.as_slice()).ok_or_else(|| no_candidates(name))
    }

    /// How many actions a feature used, in its widest window.
    ///
    /// # Errors
    /// [`QueryError::UnknownFeature`].
    pub fn used(&self, name: &str) -> Result<u64, QueryError> {
        Ok(self.feature(name)?.widest().map_or(0, |window| window.used))
    }

    /// How far the answer is behind the topic.
    pub fn lag(&self) -> LagTime {
        LagTime(self.envelope.lag_ms)
    }
}

impl ActionsAnswer {
    /// How many actions are listed.
    pub fn used(&self) -> u64 {
        self.actions.len() as u64
    }

    /// Time of the oldest action listed.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.actions.last().map(|action| action.timestamp)
    }

    /// Time of the newest action listed.
    pub fn newest(&self) -> Option<Timestamp> {
        self.actions.first().map(|action| action.timestamp)
    }
}

fn no_window<'a>(name: &str, label: &str, there: impl Iterator<Item = &'a str>) -> QueryError {
    let labels: Vec<_> = there.collect();
    QueryError::Invalid { cause: format!("feature {name:?} has no window {label:?}; it has {}", labels.join(", ")) }
}

fn no_candidates(name: &str) -> QueryError {
    QueryError::Invalid {
        cause: format!("no candidates were given for feature {name:?}; add .score({name:?}, metric, candidates)"),
    }
}

fn wrong_kind(name: &str, wanted: &str) -> QueryError {
    QueryError::Invalid { cause: format!("feature {name:?} is not {wanted}; read it with value() or window()") }
}

impl fmt::Display for LagTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ms) => write!(f, "{ms} ms"),
            None => f.write_str("an unknown time"),
        }
    }
}

impl Envelope {
    pub(crate) fn serialize_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("as_of", &rfc3339(self.as_of))?;
        map.serialize_entry("found", &self.found)?;
        map.serialize_entry("complete", &self.complete)?;
        map.serialize_entry("truncated", &self.truncated)?;
        map.serialize_entry("stale", &self.stale)?;
        map.serialize_entry("lag_ms", &self.lag_ms)?;
        if let Some(records) = self.lag_records {
            map.serialize_entry("lag_records", &records)?;
        }
        map.serialize_entry("source_lag_ms", &self.source_lag_ms)?;
        map.serialize_entry("owner", &self.owner.as_deref())?;
        map.serialize_entry("position", &self.position)?;
        map.serialize_entry("took_us", &self.took_us)
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("actor", &*self.actor)?;
        map.serialize_entry("features", &Features(&self.features))?;
        if !self.scores.is_empty() {
            map.serialize_entry("scores", &AllScores(&self.scores))?;
        }
        self.envelope.serialize_into(&mut map)?;
        map.end()
    }
}

impl Serialize for ActionsAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("actor", &*self.actor)?;
        map.serialize_entry("actions", &self.actions)?;
        map.serialize_entry("matched", &self.matched)?;
        map.serialize_entry("used", &self.used())?;
        map.serialize_entry("missing", &self.missing)?;
        map.serialize_entry("oldest", &self.oldest().map(rfc3339))?;
        map.serialize_entry("newest", &self.newest().map(rfc3339))?;
        self.envelope.serialize_into(&mut map)?;
        map.end()
    }
}

struct Features<'a>(&'a [FeatureResult]);

impl Serialize for Features<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|feature| (&*feature.name, feature)))
    }
}

/// By feature: a list of scores, or one for each window where there are several.
struct AllScores<'a>(&'a [Scores]);

impl Serialize for AllScores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|scores| (&*scores.feature, ScoresOf(&scores.windows))))
    }
}

struct ScoresOf<'a>(&'a [WindowScores]);

impl Serialize for ScoresOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [(_, only)] => only.serialize(serializer),
            windows => serializer.collect_map(windows.iter().map(|(label, scores)| (&**label, scores))),
        }
    }
}
