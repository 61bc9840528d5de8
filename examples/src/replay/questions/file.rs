//! Question files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nowfold::core::time::{Timestamp, millis};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::check::Tolerance;

/// A question file. Fields that are not named here are ignored.
#[derive(Clone, Debug, Deserialize)]
pub struct QuestionFile {
    /// What the questions are about.
    #[serde(default)]
    pub dataset: String,
    /// How far an answer may be from what is expected.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// The questions.
    pub queries: Vec<Question>,
}

/// What one actor did in the window `as_of - window < t <= as_of`, once the first `feed_lines` lines are fed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Question {
    /// Names the question in its answer.
    pub id: String,
    /// Which of a mapping's actions it asks: see `CompiledMapping::action_for`.
    pub actor_field: String,
    /// The actor; a number in the file counts as its JSON text.
    #[serde(deserialize_with = "text_or_number")]
    pub actor: String,
    /// Only actions with this verb; `None`: all.
    #[serde(default)]
    pub verb: Option<String>,
    /// Registered features that it asks for besides.
    #[serde(default)]
    pub features: Vec<String>,
    /// The window's length in milliseconds.
    pub window_ms: u64,
    /// The window's closed end, in milliseconds since the Unix epoch.
    pub as_of_ms: i64,
    /// How many lines have to be fed before; `None`: all.
    #[serde(default)]
    pub feed_lines: Option<u64>,
    /// How far behind the newest event then fed the window begins.
    #[serde(default)]
    retention_needed_ms: Option<u64>,
    /// The expected answer, where the file knows it: see [`differences`](super::differences).
    #[serde(default)]
    pub expect: Option<Value>,
}

/// Why there are no questions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionFileError {
    /// The file cannot be read.
    #[error("the question file {} cannot be read: {source}; name an existing file with --questions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a question file.
    #[error(
        "the question file {} cannot be understood: {source}; see docs/guide/replay.md, \"Questions and answers\"",
        path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
}

impl QuestionFile {
    /// Reads a question file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is not one.
    pub fn load(path: &Path) -> Result<Self, QuestionFileError> {
        let text = std::fs::read(path);
        let text = text.map_err(|source| QuestionFileError::Unreadable { path: path.to_owned(), source })?;
        serde_json::from_slice(&text).map_err(|source| QuestionFileError::Invalid { path: path.to_owned(), source })
    }
}

impl Question {
    /// The window's length.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// The window's closed end.
    pub fn as_of(&self) -> Timestamp {
        Timestamp::from_millis(self.as_of_ms)
    }

    /// How far back from the newest event then fed a store has to keep events; at least the window.
    pub fn retention_needed(&self) -> Duration {
        Duration::from_millis(self.retention_needed_ms.unwrap_or(self.window_ms).max(self.window_ms))
    }

    /// Likewise with features that reach back this far.
    pub fn retention_needed_with(&self, reach: Duration) -> Duration {
        self.retention_needed() + reach.saturating_sub(self.window())
    }

    /// Whether a store that keeps `retention` can answer, when lines go out at most `shuffle_within` later than they stand.
    ///
    /// A store's floor is its newest event less the retention, and events on the floor are gone.
    pub fn fits(&self, retention: Duration, shuffle_within: Duration) -> bool {
        millis(self.retention_needed().saturating_add(shuffle_within)) <= millis(retention)
    }
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Actor {
        Text(String),
        Number(serde_json::Number),
    }
    Ok(match Actor::deserialize(deserializer)? {
        Actor::Text(text) => text,
        Actor::Number(number) => number.to_string(),
    })
}
