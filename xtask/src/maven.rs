//! Fetches server jars with Maven into `.nowfold/cache`, once per version.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::{packages, workspace};

const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";

/// One `groupId`, `artifactId`, `version` on Maven Central.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coordinates(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static str);

/// A directory with these artifacts and all that they depend on, one jar each, and the pom that asked for them.
/// `proof` is a file that a complete directory holds.
///
/// # Errors
/// When Maven is missing or fails.
pub(crate) fn jars(name: &str, artifacts: &[Coordinates], proof: &str) -> Result<PathBuf> {
    cached(name, proof, |target| {
        fs::write(target.join("pom.xml"), pom_of(artifacts))?;
        run(maven("copy-dependencies", target).arg("-DincludeScope=runtime"))
    })
}

/// A directory with the content of one archive, given as `groupId:artifactId:version:packaging:classifier`.
/// `proof` is a file that a complete directory holds.
///
/// # Errors
/// When Maven is missing or fails.
pub(crate) fn unpacked(name: &str, artifact: &str, proof: &str) -> Result<PathBuf> {
    cached(name, proof, |target| run(maven("unpack", target).arg(format!("-Dartifact={artifact}"))))
}

/// Fills a directory beside its final place and renames it when complete, so an interrupted download leaves nothing
/// that looks finished. One Maven at a time: two would race in its local repository.
fn cached(name: &str, proof: &str, fill: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = workspace::own_dir().join("cache");
    let complete = cache.join(name);
    if complete.is_dir() {
        return Ok(complete);
    }
    packages::require(&[packages::MAVEN])?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = File::create(cache.join("lock")).context("cannot create the cache's lock file")?;
    lock.lock().context("cannot lock the cache")?;
    if complete.is_dir() {
        return Ok(complete);
    }
    let started = Instant::now();
    eprintln!("{name}: fetching with Maven into {}", complete.display());
    let partial = cache.join(format!("partial-{name}"));
    let attempt = || {
        empty(&partial)?;
        fill(&partial)?;
        ensure!(partial.join(proof).exists(), "Maven succeeded, but {proof} is not among what it wrote");
        Ok(())
    };
    attempt().or_else(|error| retry(&error, attempt)).with_context(|| format!("cannot fetch {name}"))?;
    fs::rename(&partial, &complete).with_context(|| format!("cannot rename {}", partial.display()))?;
    eprintln!("{name}: fetched in {:.1} s", started.elapsed().as_secs_f64());
    Ok(complete)
}

/// A second attempt, because a repository's hiccup should not cost a whole CI run.
fn retry(error: &anyhow::Error, attempt: impl Fn() -> Result<()>) -> Result<()> {
    eprintln!("{error:#}\ntrying once more");
    attempt()
}

fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir(dir).with_context(|| format!("cannot create {}", dir.display()))
}

/// Maven run inside the target, whose pom.xml it takes, or an empty project of its own where there is none.
fn maven(goal: &str, target: &Path) -> Command {
    let mut output = OsString::from("-DoutputDirectory=");
    output.push(target);
    let mut command = Command::new("mvn");
    command.args(["-q", "-B", &format!("{PLUGIN}:{goal}")]).arg(output).current_dir(target).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("mvn did not start")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("mvn failed ({}):\n{}", output.status, String::from_utf8_lossy(&said));
    }
    Ok(())
}

fn pom_of(artifacts: &[Coordinates]) -> String {
    let dependency = |Coordinates(group, artifact, version): &Coordinates| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        )
    };
    let dependencies: String = artifacts.iter().map(dependency).collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>nowfold.local</groupId><artifactId>jars</artifactId><version>1</version>\
         <dependencies>{dependencies}</dependencies></project>"
    )
}
