//! Declarative mappings: from anybody's JSON records to standard actions. The format: `docs/guide/replay.md`.
//!
//! - [`CompiledMapping`] is a mapping file, read with all of its errors at once. Mapping itself is pure: no I/O, pointers
//!   split and zones looked up beforehand.
//! - [`Lines`] numbers the lines of files, plain or gzip: whoever feeds the same files gives events the same ids.
//! - [`CompiledMapping::schema`] is what its actions hold, for checking features against.
//! - [`Tally`] counts what became of each record.

mod action;
mod attribute;
mod columns;
mod condition;
mod decode;
mod identity;
mod lines;
mod pointer;
mod schema;
mod table;
mod tally;
mod text;
mod time;

use std::path::{Path, PathBuf};

use nowfold_core::time::Timestamp;
use serde_json::Value;

pub use action::{ActionMapping, Mapped, Reject};
pub use attribute::{AttributeMapping, AttributeType};
pub use columns::Columns;
pub use condition::{Condition, Scalar, Test};
pub use lines::{BrokenLine, FeedError, FeedStats, Line, Lines};
pub use pointer::Pointer;
pub use table::{Side, TableMapping};
pub use tally::Tally;
pub use text::{NotText, TextSource};
pub use time::{BadTime, TimeSource};

pub use nowfold_operators::MAX_ACTOR_BYTES;
pub use nowfold_strict::{Report, nearest, parse_duration};

/// A whole mapping file, ready to map records.
#[derive(Clone, Debug)]
pub struct CompiledMapping {
    pub(crate) data_dir: PathBuf,
    pub(crate) feed: FeedMapping,
    pub(crate) actions: Vec<ActionMapping>,
    pub(crate) tables: Vec<TableMapping>,
    pub(crate) questions: QuestionMapping,
}

/// The `[feed]` section: the raw records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedMapping {
    /// The feed's name, part of the event ids that are made of line numbers.
    pub name: String,
    /// The raw topic.
    pub topic: String,
    /// Its files in order, as the mapping has them; see [`CompiledMapping::resolve`].
    pub files: Vec<PathBuf>,
    /// What happens to a line that is not JSON.
    pub on_broken_line: OnBrokenLine,
}

/// What happens to a line that is not JSON. It has a line number and is counted in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBrokenLine {
    /// It is left out.
    #[default]
    Skip,
    /// It goes to the raw topic as it is, where decoding fails and the pipeline's handler decides.
    Feed,
    /// The replay ends with an error.
    Fail,
}

/// The `[questions]` section: what the names in a question file stand for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuestionMapping {
    /// The question file, unless another is named on the command line.
    pub file: Option<PathBuf>,
    /// Which entry of `CompiledMapping::actions` each `actor_field` asks.
    pub actor_fields: Vec<(String, usize)>,
    /// The keys of `sum` and `mean` in an answer, with the verb attribute behind each.
    pub numbers: Vec<(String, String)>,
    /// The object attribute behind `avg_embedding`.
    pub embedding: Option<String>,
}

/// Why there is no mapping.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The file cannot be read.
    #[error("the mapping file {} cannot be read: {source}; name an existing TOML file with --mapping", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file has errors: all of them.
    #[error("{0}")]
    Invalid(Report),
}

impl CompiledMapping {
    /// Reads and compiles a mapping file. Its relative paths count from its own folder, or from its `data_dir`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or with every problem in it.
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| MappingError::Unreadable { path: path.to_owned(), source })?;
        let mut mapping = Self::parse(&path.display().to_string(), &text).map_err(MappingError::Invalid)?;
        mapping.data_dir = path.parent().unwrap_or(Path::new("")).join(&mapping.data_dir);
        Ok(mapping)
    }

    /// Compiles the text of a mapping file; `file` names it in problems.
    ///
    /// # Errors
    ///
    /// Every problem in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Report> {
        nowfold_strict::read(file, text, |root| decode::mapping(file, root))
    }

    /// The same mapping with its files in another folder.
    #[must_use]
    pub fn with_data_dir(mut self, data_dir: impl Into<PathBuf>) -> Self {
        self.data_dir = data_dir.into();
        self
    }

    /// A path of the mapping as one that can be opened.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.data_dir.join(path)
    }

    /// The feed.
    pub fn feed(&self) -> &FeedMapping {
        &self.feed
    }

    /// The `[[actions]]`, in order of the file.
    pub fn actions(&self) -> &[ActionMapping] {
        &self.actions
    }

    /// The `[[tables]]`, in order of the file.
    pub fn tables(&self) -> &[TableMapping] {
        &self.tables
    }

    /// What the names in a question file stand for.
    pub fn questions(&self) -> &QuestionMapping {
        &self.questions
    }

    /// What each of [`Self::actions`] makes of the record at this line, in their order.
    pub fn map<'m>(
        &'m self,
        line: u64,
        record: &'m Value,
    ) -> impl ExactSizeIterator<Item = Result<Mapped, Reject>> + 'm {
        self.actions.iter().map(move |entry| entry.map(line, record))
    }

    /// The record's time: the latest that any of [`Self::actions`] reads from it.
    pub fn event_time(&self, record: &Value) -> Option<Timestamp> {
        self.actions.iter().filter_map(|entry| entry.timestamp().time(record).ok()).max()
    }

    /// The entry of [`Self::actions`] that answers questions about this `actor_field`.
    ///
    /// # Errors
    ///
    /// When the mapping names no such field.
    pub fn action_for(&self, actor_field: &str) -> Result<usize, UnknownActorField> {
        let fields = &self.questions.actor_fields;
        let found = fields.iter().find(|(name, _)| name == actor_field);
        found.map(|(_, index)| *index).ok_or_else(|| UnknownActorField {
            field: actor_field.to_owned(),
            near: nearest(actor_field, fields.iter().map(|(name, _)| name.as_str())).map(str::to_owned),
            known: fields.iter().map(|(name, _)| name.clone()).collect(),
        })
    }
}

/// A question's `actor_field` means nothing to the mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the mapping has no actions for the actor field \"{field}\"{}; known: {}. Add it under [questions.actor_fields]",
    near.as_deref().map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default(), known.join(", ")
)]
pub struct UnknownActorField {
    /// The field in question.
    pub field: String,
    /// The nearest known one.
    pub near: Option<String>,
    /// All known ones.
    pub known: Vec<String>,
}
