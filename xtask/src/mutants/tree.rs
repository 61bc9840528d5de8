//! A copy of the workspace to plant bugs in, with a target directory of its own that is kept between runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::mutation::Mutation;
use crate::workspace;

/// The copy.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
}

impl Tree {
    /// Brings the copy up to date: files that did not change keep their time, so that Cargo builds little.
    ///
    /// # Errors
    /// When git does not list the files, or one cannot be copied.
    pub(crate) fn copy() -> Result<Self> {
        let root = workspace::own_dir().join("mutants");
        let files = files()?;
        for file in &files {
            let (from, to) = (workspace::root().join(file), root.join(file));
            let content = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
            write_changed(&to, &content)?;
        }
        remove_others(&root, &root, &files)?;
        Ok(Self { root })
    }

    /// Plants a mutation and returns the file's content before.
    pub(crate) fn plant(&self, mutation: &Mutation) -> Result<String> {
        let path = self.root.join(&mutation.file);
        let original = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        write_changed(&path, mutation.mutated(&self.root)?.as_bytes())?;
        Ok(original)
    }

    /// Takes a mutation out again.
    pub(crate) fn restore(&self, mutation: &Mutation, original: &str) -> Result<()> {
        write_changed(&self.root.join(&mutation.file), original.as_bytes())
    }
}

/// Every file that is or could be committed and exists.
fn files() -> Result<BTreeSet<PathBuf>> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace::root());
    let output = command.output().context("git did not start")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    let files = text.split('\0').filter(|file| !file.is_empty()).map(PathBuf::from);
    Ok(files.filter(|file| workspace::root().join(file).is_file()).collect())
}

fn write_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes what the workspace no longer has.
fn remove_others(root: &Path, dir: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() && path != root.join("target") {
            remove_others(root, &path, files)?;
        } else if path.is_file() && path.strip_prefix(root).is_ok_and(|file| !files.contains(file)) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
