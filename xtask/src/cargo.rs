//! Cargo, called as a child process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace;

/// The Cargo that runs xtask, in the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace::root());
    command
}

/// Prints a command and runs it to its end on this terminal.
///
/// # Errors
/// When it does not start or ends with a failure.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start {line}"))?;
    ensure!(status.success(), "{line} failed ({status})");
    Ok(())
}

/// The command as one would type it, with the variables that were set for it.
fn line_of(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut words: Vec<String> =
        variables.map(|(name, value)| format!("{}={:?}", name.display(), value.to_string_lossy())).collect();
    let program = Path::new(command.get_program());
    words.push(program.file_name().unwrap_or(command.get_program()).display().to_string());
    words.extend(command.get_args().map(|argument| argument.display().to_string()));
    words.join(" ")
}

/// What Cargo says about the workspace.
#[derive(Debug)]
pub(crate) struct Metadata(Value);

impl Metadata {
    /// Asks Cargo, without resolving dependencies.
    ///
    /// # Errors
    /// When a manifest is broken.
    pub(crate) fn read() -> Result<Self> {
        let mut command = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
        let output = command.stderr(Stdio::inherit()).output().context("cargo metadata did not start")?;
        ensure!(output.status.success(), "cargo metadata failed; is a manifest of the workspace broken?");
        Ok(Self(serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?))
    }

    /// The built binary of that name for a profile's directory (`debug` or `release`).
    ///
    /// # Errors
    /// When Cargo names no target directory.
    pub(crate) fn binary(&self, profile_dir: &str, name: &str) -> Result<PathBuf> {
        let target = self.0.get("target_directory").and_then(Value::as_str).context("no target directory")?;
        Ok(Path::new(target).join(profile_dir).join(name).with_extension(std::env::consts::EXE_EXTENSION))
    }

    /// Whether a package of the workspace builds a binary of that name.
    pub(crate) fn has_binary(&self, package: &str, binary: &str) -> bool {
        let mut packages = list(&self.0, "packages");
        packages.any(|candidate| {
            name(candidate) == Some(package) && list(candidate, "targets").any(|target| is_binary(target, binary))
        })
    }
}

fn is_binary(target: &Value, binary: &str) -> bool {
    name(target) == Some(binary) && list(target, "kind").any(|kind| kind == "bin")
}

fn name(of: &Value) -> Option<&str> {
    of.get("name")?.as_str()
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_binaries_of_the_workspace() {
        let metadata = Metadata::read().unwrap();
        assert!(metadata.has_binary("xtask", "xtask"));
        assert!(!metadata.has_binary("xtask", "job-feed"));
        assert!(!metadata.has_binary("nowfold-core", "xtask"));
        assert!(metadata.binary("debug", "xtask").unwrap().ends_with("debug/xtask"));
    }

    #[test]
    fn shows_a_command_with_its_variables() {
        let mut command = Command::new("/somewhere/cargo");
        command.args(["doc", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings").env_remove("OTHER");
        assert_eq!(line_of(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace");
    }
}
