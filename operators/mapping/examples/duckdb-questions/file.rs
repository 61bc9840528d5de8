//! The question files.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Questions about one data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuestionFile {
    /// The mapping, from this file's folder.
    pub(crate) mapping: String,
    /// SQL that makes what the questions select from; `{data}` is the folder of the data.
    pub(crate) views: String,
    #[serde(rename = "question")]
    pub(crate) questions: Vec<Question>,
}

/// One question, in both languages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) id: String,
    /// The store, as the mapping names it.
    pub(crate) store: String,
    pub(crate) actor: String,
    /// RFC 3339.
    pub(crate) as_of: String,
    /// In the grammar of feature files, but for its name.
    pub(crate) feature: Map<String, Value>,
    /// A scalar: what DuckDB is asked.
    pub(crate) sql: String,
}

impl Question {
    /// The instant in milliseconds since the epoch.
    pub(crate) fn as_of_ms(&self) -> i64 {
        let instant: jiff::Timestamp = self.as_of.parse().unwrap_or_else(|error| panic!("{}: {error}", self.as_of));
        instant.as_millisecond()
    }
}
