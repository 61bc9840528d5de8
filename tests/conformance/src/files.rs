//! Case files, named or found.

use std::path::{Path, PathBuf};

use crate::case::{Case, CaseFile};

/// The cases of these files; without any, of the shared folder.
pub(crate) fn read_all(files: &[PathBuf]) -> Result<Vec<Case>, String> {
    let files = if files.is_empty() { shared()? } else { files.to_vec() };
    let cases = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    Ok(cases.into_iter().flatten().collect())
}

fn shared() -> Result<Vec<PathBuf>, String> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let shared = std::env::var_os("NOWFOLD_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("conformance/cases");
    let entries = std::fs::read_dir(&folder).map_err(|error| {
        format!(
            "NO CASES WERE RUN: the folder {} cannot be read ({error}); name case files, or set NOWFOLD_SHARED to the folder that holds `conformance`",
            folder.display()
        )
    })?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<Case>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let parsed: CaseFile = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    if parsed.format != 1 {
        return Err(format!("{}: its format is {}, but only format 1 is known", file.display(), parsed.format));
    }
    Ok(parsed.cases)
}
