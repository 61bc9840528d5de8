//! The file `origin` of a part of the directory: what its content was made from. Content of another origin is not used.

use std::fmt::Write;
use std::path::Path;

use nowfold_core::state::StoreKind;
use nowfold_runtime::local::{Durability, LocalError, LogOrigin, StorePlan, StoresPlan};

use crate::files;

/// The format of the files beside an `origin`, and the newest that is read.
pub(crate) const FORMAT: u32 = 1;

/// The first line of every `origin`, up to the format.
const FIRST: &str = "nowfold state, format ";

/// Whether the content beside an `origin` may be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is of this origin.
    Same,
    /// There is none.
    Absent,
    /// It is of another origin, for this cause.
    Other(String),
}

/// The text of stores.
pub(crate) fn of_stores(plan: &StoresPlan, engine: &str) -> String {
    let mut text = format!("{FIRST}{FORMAT}\nstores of task {}\nengine {engine}\nlog {}\n", plan.task, plan.log_id);
    plan.sources.iter().for_each(|topic| _ = writeln!(text, "source {topic}"));
    for StorePlan { name, kind, topic } in &plan.stores {
        _ = writeln!(text, "store {name}: {} from {topic}", form(*kind));
    }
    text
}

/// The text of a copied log.
pub(crate) fn of_log(origin: &LogOrigin) -> String {
    format!("{FIRST}{FORMAT}\ncopy of {}\nlog {}\n", origin.partition, origin.log_id)
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

/// Compares what a directory was made from with `text`.
pub(crate) fn check(dir: &Path, text: &str) -> Result<Fit, LocalError> {
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
    let format = found.strip_prefix(FIRST).and_then(|rest| rest.lines().next()?.parse::<u32>().ok());
    match format {
        Some(format) if format > FORMAT => Err(LocalError::NewerFormat { path, found: format, supported: FORMAT }),
        _ if found == text => Ok(Fit::Same),
        _ => Ok(Fit::Other(difference(&found, text))),
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

/// Writes the `origin` of an empty directory.
pub(crate) fn write(dir: &Path, text: &str, durability: Durability) -> Result<(), LocalError> {
    files::replace(&dir.join("origin"), text, durability)
}
