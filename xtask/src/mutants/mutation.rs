//! A planted bug: a text that stands exactly once in a file, and what takes its place.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// One file of `tests/mutations`:
///
/// ```text
/// The older end of a sliding window is closed
/// operators/src/feature/window.rs
/// --- find
/// event.t > lower
/// --- replace
/// event.t >= lower
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutation {
    /// The name of its file.
    pub(crate) name: String,
    /// What is broken.
    pub(crate) what: String,
    /// The file it changes, from the workspace's root.
    pub(crate) file: String,
    find: String,
    replace: String,
}

/// The mutations of a directory, by name.
///
/// # Errors
/// When a file cannot be read or is not a mutation.
pub(crate) fn read_all(dir: &Path) -> Result<Vec<Mutation>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut mutations = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "mutation") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            mutations.push(Mutation::parse(&name, &text)?);
        }
    }
    mutations.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutations)
}

impl Mutation {
    fn parse(name: &str, text: &str) -> Result<Self> {
        let parts = text.split_once("\n--- find\n").and_then(|(head, rest)| {
            let (what, file) = head.split_once('\n')?;
            let (find, replace) = rest.split_once("\n--- replace\n")?;
            Some((what, file.trim(), find, replace.trim_end_matches('\n')))
        });
        let (what, file, find, replace) = parts.with_context(|| {
            format!("the mutation {name} is not a line on what it breaks, a file, `--- find` and `--- replace`")
        })?;
        ensure!(find != replace && !find.is_empty(), "the mutation {name} changes nothing");
        let [name, what, file] = [name, what, file].map(str::to_owned);
        Ok(Self { name, what, file, find: find.to_owned(), replace: replace.to_owned() })
    }

    /// The file's text with the mutation planted.
    ///
    /// # Errors
    /// When the text to be replaced does not stand in the file exactly once: the code has moved on, and so must this.
    pub(crate) fn mutated(&self, root: &Path) -> Result<String> {
        let path = root.join(&self.file);
        let text = fs::read_to_string(&path).with_context(|| format!("{}: cannot read {}", self.name, self.file))?;
        let n = text.matches(&self.find).count();
        ensure!(n == 1, "the mutation {} finds its text {n} times in {}, not once; adapt it", self.name, self.file);
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::Suite;
    use super::*;
    use crate::workspace;

    #[test]
    fn a_mutation_has_a_reason_a_file_and_two_texts() {
        let mutation = Mutation::parse("m", "Why\nsrc/x.rs\n--- find\na < b\nc\n--- replace\na <= b\nc\n").unwrap();
        let parts = (&*mutation.what, &*mutation.file, &*mutation.find, &*mutation.replace);
        assert_eq!(parts, ("Why", "src/x.rs", "a < b\nc", "a <= b\nc"));
        assert!(Mutation::parse("m", "Why\nsrc/x.rs\n--- find\na\n").is_err());
        assert!(Mutation::parse("m", "Why\nsrc/x.rs\n--- find\na\n--- replace\na\n").is_err());
    }

    /// Whoever changes a mutated place learns it from the ordinary tests.
    #[test]
    fn every_mutation_still_applies() {
        let root = workspace::root();
        for directory in [Suite::Features, Suite::Simulator].map(Suite::directory) {
            let mutations = read_all(&root.join(directory)).unwrap();
            assert!(!mutations.is_empty(), "{directory}");
            mutations.iter().for_each(|mutation| _ = mutation.mutated(&root).unwrap());
        }
    }
}
