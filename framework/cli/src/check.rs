//! `nowfold check`.

use std::path::{Path, PathBuf};

use nowfold_mapping::{CompiledMapping, MappingError};

use crate::Failure;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Mapping files (docs/guide/replay.md).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks every file; those that are right are named on standard output.
///
/// # Errors
/// All mistakes of all files.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut mistakes = Vec::new();
    for file in &args.files {
        match check(file) {
            Ok(what) => println!("{}: {what}", file.display()),
            Err(error) => mistakes.push(error.to_string()),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::wrong(anyhow::anyhow!(mistakes.join("\n\n")))) }
}

fn check(file: &Path) -> Result<String, MappingError> {
    let mapping = CompiledMapping::load(file)?;
    let entries: Vec<_> =
        mapping.actions().iter().map(|entry| format!("{} -> {}", entry.name(), entry.topic())).collect();
    Ok(format!("a mapping of {} (topics: {})", mapping.feed().name, entries.join(", ")))
}
