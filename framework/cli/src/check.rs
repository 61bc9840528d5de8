//! `nowfold check`.

use std::path::{Path, PathBuf};

use nowfold::operators::feature::{ActionSchema, Feature, FeatureFile};
use nowfold_mapping::{CompiledMapping, MappingError};

use crate::Failure;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Mapping files (docs/guide/replay.md) and feature files (docs/guide/feature-files.md), told apart by their content.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Hold the feature files against what the actions of this mapping have: every attribute, its kind, and the verbs where the
    /// mapping tells them all. A feature file with a [schema] of its own is held against that.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
}

/// Checks every file; those that are right are named on standard output.
///
/// # Errors
/// All mistakes of all files.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut mistakes = Vec::new();
    let mapping = args.mapping.as_deref().map(CompiledMapping::load);
    let schema = match mapping {
        Some(Ok(mapping)) => Some(mapping.schema()),
        Some(Err(error)) => {
            mistakes.push(error.to_string());
            None
        }
        None => None,
    };
    for file in &args.files {
        match check(file, schema.as_ref()) {
            Ok(what) => println!("{}: {what}", file.display()),
            Err(error) => mistakes.push(error.to_string()),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::wrong(anyhow::anyhow!(mistakes.join("\n\n")))) }
}

fn check(file: &Path, schema: Option<&ActionSchema>) -> Result<String, MappingError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let of_features = |mut root: nowfold_strict::Section<'_>| {
        Some(root.get("features").is_some() && root.get("actions").is_none() && root.get("feed").is_none())
    };
    if nowfold_strict::read(&name, &text, of_features).is_ok_and(|of_features| of_features) {
        let file = FeatureFile::parse_for(&name, &text, schema).map_err(MappingError::Invalid)?;
        let names: Vec<_> = file.features().iter().map(Feature::name).collect();
        return Ok(format!("{} features ({})", names.len(), names.join(", ")));
    }
    let mapping = CompiledMapping::load(file)?;
    let entries: Vec<_> =
        mapping.actions().iter().map(|entry| format!("{} -> {}", entry.name(), entry.topic())).collect();
    Ok(format!("a mapping of {} (topics: {})", mapping.feed().name, entries.join(", ")))
}
