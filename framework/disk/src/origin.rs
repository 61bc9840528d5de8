//! The file `origin` of a part of the directory: what its content was made from. Content of another origin is not used.

use std::fmt::Write;
use std::path::Path;

use nowfold_core::state::StoreKind;
use nowfold_runtime::local::{Durability, LocalError, LogOrigin, StorePlan, StoresPlan};

use crate::files;

/// The first line of every `origin`, up to the format.
const FIRST: &str = "nowfold state, format ";

/// The format in which stores are kept, and the newest that is read.
const STORES: u32 = 1;

/// The format in which event logs are copied, and the newest that is read; 1 differs in the headers of segments.
pub(crate) const LOG: u32 = 2;

/// What a part of the directory is made from, and the format of the files beside its `origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    format: u32,
    /// Lines; the format is not among them.
    made_from: String,
}

impl Origin {
    /// The whole file.
    fn text(&self) -> String {
        format!("{FIRST}{}\n{}", self.format, self.made_from)
    }

    /// By which a file is known to be of this origin (CRC-32C).
    pub(crate) fn checksum(&self) -> u32 {
        crc32c::crc32c(self.made_from.as_bytes())
    }
}

/// Whether the content beside an `origin` may be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is of this origin.
    Same,
    /// It is of this origin, in an older format that is read.
    Older(u32),
    /// There is none.
    Absent,
    /// It is of another origin, for this cause.
    Other(String),
}

/// That of stores.
pub(crate) fn of_stores(plan: &StoresPlan, engine: &str) -> Origin {
    let mut made_from = format!("stores of task {}\nengine {engine}\nlog {}\n", plan.task, plan.log_id);
    plan.sources.iter().for_each(|topic| _ = writeln!(made_from, "source {topic}"));
    for StorePlan { name, kind, topic } in &plan.stores {
        _ = writeln!(made_from, "store {name}: {} from {topic}", form(*kind));
    }
    Origin { format: STORES, made_from }
}

/// That of a copied log.
pub(crate) fn of_log(origin: &LogOrigin) -> Origin {
    Origin { format: LOG, made_from: format!("copy of {}\nlog {}\n", origin.partition, origin.log_id) }
}

/// What of a kind decides how its bytes are stored. Retentions may change.
fn form(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::KeyValue { timestamped: false } => "key-value",
        StoreKind::KeyValue { timestamped: true } => "timestamped key-value",
        StoreKind::Window(options) => match (options.duplicates, options.timestamped) {
            (false, false) => "window",
            (false, true) => "timestamped window",
            (true, false) => "window with duplicates",
            (true, true) => "timestamped window with duplicates",
        },
        StoreKind::Session(_) => "session",
        StoreKind::Versioned(_) => "versioned",
        StoreKind::Custom => "custom",
    }
}

/// Compares what a directory was made from with `wanted`.
pub(crate) fn check(dir: &Path, wanted: &Origin) -> Result<Fit, LocalError> {
    let path = dir.join("origin");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let is_empty = files::names(dir)?.iter().all(|name| name == "origin.tmp");
            return Ok(if is_empty { Fit::Absent } else { Fit::Other("it has no file \"origin\"".to_owned()) });
        }
        Err(error) => return Err(LocalError::io("read", &path)(error)),
    };
    let found = String::from_utf8_lossy(&bytes);
    let parts = found.strip_prefix(FIRST).and_then(|rest| rest.split_once('\n'));
    let Some((Ok(format), made_from)) = parts.map(|(format, rest)| (format.parse::<u32>(), rest)) else {
        return Ok(Fit::Other(difference(&found, &wanted.text())));
    };
    match format {
        _ if format > wanted.format => Err(LocalError::NewerFormat { path, found: format, supported: wanted.format }),
        _ if made_from != wanted.made_from => Ok(Fit::Other(difference(made_from, &wanted.made_from))),
        _ if format == wanted.format => Ok(Fit::Same),
        // Every format from 1 on is read.
        1.. => Ok(Fit::Older(format)),
        0 => Ok(Fit::Other("there is no format 0".to_owned())),
    }
}

/// The first line in which two origins differ.
fn difference(found: &str, wanted: &str) -> String {
    let (mut found, mut wanted) = (found.lines(), wanted.lines());
    loop {
        match (found.next(), wanted.next()) {
            (Some(found), Some(wanted)) if found == wanted => {}
            (None, None) => return "its origin ends in another way".to_owned(),
            (found, wanted) => {
                let [found, wanted] = [found, wanted].map(|line| line.unwrap_or("nothing"));
                return format!("it was written for {found:?} where {wanted:?} is wanted");
            }
        }
    }
}

/// Writes the `origin` of a directory that is empty, or goes on in this format.
pub(crate) fn write(dir: &Path, origin: &Origin, durability: Durability) -> Result<(), LocalError> {
    files::replace(&dir.join("origin"), &origin.text(), durability)
}
