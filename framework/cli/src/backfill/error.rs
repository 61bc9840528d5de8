//! What can be wrong with a backfill.

use std::path::PathBuf;

use nowfold_mapping::nearest;

/// Why a backfill does not begin, or stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
    /// The mapping reads fields that no record has.
    #[error("NF140 {}", unknown(.columns))]
    UnknownColumns {
        /// All of them.
        columns: Vec<UnknownColumn>,
    },
    /// The progress file belongs to another backfill.
    #[error(
        "NF141 the progress file {} is of another backfill: {cause}. Name another with --progress, or begin anew with \
         --restart: nothing counts twice", path.display()
    )]
    OtherProgress {
        /// The file.
        path: PathBuf,
        /// What differs.
        cause: String,
    },
    /// The mapping leaves ids to the raw topic, which a backfill does not have.
    #[error(
        "NF142 the mapping's entry \"{entry}\" takes event ids from the raw topic's log (event_id = \"log\"), and a \
         backfill has none: a second run would double every action. Set event_id = \"line\", \"natural\", or to a field of the record"
    )]
    IdsFromLog {
        /// The entry.
        entry: String,
    },
    /// A file cannot be read.
    #[error("NF143 the file {} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        cause: String,
    },
    /// There is nothing to read.
    #[error("NF144 there are no files: name them after `backfill`, or under \"files\" in [feed] of the mapping")]
    NoFiles,
    /// `--topic` goes with one entry.
    #[error(
        "NF145 --topic names one topic, but the mapping has several entries ({}): choose one with --only NAME, or leave \
         out --topic", known.join(", ")
    )]
    OneTopicForSeveral {
        /// The entries.
        known: Vec<String>,
    },
    /// `--only` names nothing.
    #[error("NF146 the mapping has no entry \"{name}\"{}; its entries are {}", hint(.name, .known), known.join(", "))]
    UnknownEntry {
        /// The name.
        name: String,
        /// The entries there are.
        known: Vec<String>,
    },
    /// The progress cannot be written, so that a later run would begin anew.
    #[error("NF147 the progress file {} cannot be written: {cause}. Name another place with --progress", path.display())]
    ProgressUnwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
}

/// A field of the mapping that no record has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColumn {
    /// The field.
    pub name: String,
    /// Which parts of the mapping read it.
    pub parts: Vec<String>,
    /// The nearest field that there is.
    pub near: Option<String>,
}

impl UnknownColumn {
    pub(super) fn new<'k>(name: &str, parts: &[String], known: impl IntoIterator<Item = &'k str>) -> Self {
        let near = nearest(name, known).map(str::to_owned);
        Self { name: name.to_owned(), parts: parts.to_vec(), near }
    }
}

fn unknown(columns: &[UnknownColumn]) -> String {
    let show = |column: &UnknownColumn| {
        let near = column.near.as_ref().map(|near| format!("; did you mean \"/{near}\"?")).unwrap_or_default();
        format!("\n  \"/{}\", read by {}{near}", column.name, column.parts.join(", "))
    };
    let shown: String = columns.iter().map(show).collect();
    format!(
        "the mapping reads fields that no record has:{shown}\nCorrect the mapping, or allow it with --allow-unknown-columns"
    )
}

fn hint(name: &str, known: &[String]) -> String {
    let near = nearest(name, known.iter().map(String::as_str));
    near.map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default()
}
