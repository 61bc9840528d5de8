//! Programs from outside Cargo: says which one is missing and in which Debian package it is, and installs it
//! where that is possible (root, with apt-get).

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

/// A program that a command needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The name looked up on `PATH`.
    pub(crate) program: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
    /// What it is needed for, completing "needed to ...".
    pub(crate) purpose: &'static str,
}

/// The linker that every Rust build calls, and the C compiler of the Kafka client.
pub(crate) const LINKER: Tool = Tool { program: "cc", package: "build-essential", purpose: "link Rust programs" };

/// The build tool of the Kafka client's C library.
pub(crate) const MAKE: Tool = Tool { program: "make", package: "build-essential", purpose: "build the Kafka client" };

/// How the Kafka client's build finds C libraries.
pub(crate) const PKG_CONFIG: Tool =
    Tool { program: "pkg-config", package: "pkg-config", purpose: "build the Kafka client" };

/// Maven, which fetches the servers' jars.
pub(crate) const MAVEN: Tool =
    Tool { program: "mvn", package: "maven", purpose: "fetch the jars of Kafka and the Schema Registry" };

/// Makes sure that every tool is there.
///
/// # Errors
/// Names the missing programs and their packages when they cannot be installed from here.
pub(crate) fn require(tools: &[Tool]) -> Result<()> {
    let missing: Vec<_> = tools.iter().filter(|tool| find(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        eprintln!("missing `{}` (Debian package {}), needed to {}", tool.program, tool.package, tool.purpose);
    }
    let mut packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    install(&packages)?;
    for tool in missing {
        ensure!(find(tool.program).is_some(), "`{}` is not on PATH after installing {}", tool.program, tool.package);
    }
    Ok(())
}

/// The first file of that name on `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Installs Debian packages with apt-get.
///
/// # Errors
/// When apt-get is absent, the user is not root, or apt-get fails; the message holds the command to run by hand.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get update && apt-get install -y {}", packages.join(" "));
    if find("apt-get").is_none() {
        bail!("there is no apt-get here; install the equivalent of the Debian packages: {}", packages.join(" "));
    }
    if !is_root() {
        bail!("not root, so nothing was installed; run: sudo sh -c '{by_hand}'");
    }
    // Two threads may find something missing, but apt-get runs once at a time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    eprintln!("installing with apt-get: {}", packages.join(" "));
    let started = Instant::now();
    update_once()?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments).with_context(|| format!("cannot install {}; try: {by_hand}", packages.join(" ")))?;
    eprintln!("installed {} in {:.1} s", packages.join(" "), started.elapsed().as_secs_f64());
    Ok(())
}

/// Refreshes the package lists, once in the life of this process.
fn update_once() -> Result<()> {
    static UPDATED: OnceLock<()> = OnceLock::new();
    if UPDATED.get().is_none() {
        apt_get(&["update"])?;
        let _ = UPDATED.set(());
    }
    Ok(())
}

/// Runs apt-get and keeps its hundreds of lines for the error.
fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.arg("-q").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = command.output().context("apt-get did not start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "apt-get {} failed: {}", arguments.join(" "), errors.trim());
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_program_on_the_path_and_not_an_invented_one() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
    }
}
