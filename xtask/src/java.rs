//! Finds an installed Java that is new enough: the default one may be too old while a newer one is installed beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::packages;

/// A Java launcher that was asked for its version.
#[derive(Debug, Clone)]
pub(crate) struct Java {
    /// The launcher, `.../bin/java`.
    pub(crate) launcher: PathBuf,
    /// The feature release, such as 17.
    pub(crate) release: u32,
}

/// The first Java of at least that release: in `JAVA_HOME`, on `PATH`, in the usual directories, or from apt.
///
/// # Errors
/// When none is installed and none can be; the message says what was found and what to install.
pub(crate) fn require(at_least: u32, server: &str) -> Result<Java> {
    if let Some(java) = find(at_least) {
        return Ok(java);
    }
    eprintln!("missing Java {at_least} or newer, needed to run {server}");
    for package in packages_with(at_least) {
        match packages::install(&[package]) {
            Ok(()) => {}
            Err(error) => eprintln!("{package}: {error:#}"),
        }
        if let Some(java) = find(at_least) {
            return Ok(java);
        }
    }
    bail!("{}", not_found(at_least, server))
}

/// The first installed Java of at least that release.
pub(crate) fn find(at_least: u32) -> Option<Java> {
    installed().find(|java| java.release >= at_least)
}

fn packages_with(at_least: u32) -> &'static [&'static str] {
    if at_least <= 17 {
        &["openjdk-17-jre-headless", "openjdk-21-jre-headless"]
    } else {
        &["openjdk-21-jre-headless", "openjdk-25-jre-headless"]
    }
}

fn not_found(at_least: u32, server: &str) -> String {
    let found: Vec<_> = installed().map(|java| format!("{} ({})", java.launcher.display(), java.release)).collect();
    let found = if found.is_empty() { "no Java at all".to_owned() } else { found.join(", ") };
    format!(
        "{server} needs Java {at_least} or newer; found {found}. Install one (any vendor) and set JAVA_HOME, \
         or unpack it under /opt or /usr/lib/jvm"
    )
}

fn installed() -> impl Iterator<Item = Java> {
    let mut seen = BTreeSet::new();
    candidates().into_iter().filter_map(move |launcher| {
        let launcher = launcher.canonicalize().ok()?;
        if !seen.insert(launcher.clone()) {
            return None;
        }
        ask(&launcher).map(|release| Java { launcher, release })
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    homes.extend(packages::find("java").and_then(|java| Some(java.parent()?.parent()?.to_path_buf())));
    for parent in ["/usr/lib/jvm", "/opt", "/Library/Java/JavaVirtualMachines"] {
        homes.extend(children(Path::new(parent)));
    }
    homes.into_iter().flat_map(|home| [home.join("bin/java"), home.join("Contents/Home/bin/java")]).collect()
}

/// The entries of a directory in the order of their names; none when it cannot be read.
fn children(dir: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn ask(launcher: &Path) -> Option<u32> {
    let output = Command::new(launcher).arg("-version").output().ok()?;
    parse_release(&String::from_utf8_lossy(&output.stderr))
}

/// The feature release in what `java -version` prints: 17 of `"17.0.15"`, 8 of `"1.8.0_402"`.
fn parse_release(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    match numbers.next()? {
        1 => numbers.next(),
        release => Some(release),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_feature_release_of_every_vendors_version_line() {
        let cases = [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("openjdk version \"25\" 2025-09-16 LTS", Some(25)),
            ("openjdk version \"22-ea\" 2024-03-19", Some(22)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("The operation couldn't be completed.", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_release(text), expected, "{text}");
        }
    }
}
