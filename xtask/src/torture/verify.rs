//! The independent verifier: Java, with Kafka's own clients.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::java::{self, Java};
use crate::server::kafka;
use crate::{packages, workspace};

/// The verifier as it was when the run began.
#[derive(Debug)]
pub(super) struct Verifier(PathBuf);

impl Verifier {
    /// A copy of `tests/torture/Verify.java` in this directory.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub(super) fn copy(to: &Path) -> Result<Self> {
        let copy = to.join("Verify.java");
        fs::copy(workspace::root().join("tests/torture/Verify.java"), &copy).context("cannot copy the verifier")?;
        Ok(Self(copy))
    }

    /// Runs it with these options and gives the JSON object that it prints.
    ///
    /// # Errors
    /// When there is no Java that compiles, or it cannot tell.
    pub(super) fn verify(&self, options: &[(&str, String)]) -> Result<Map<String, Value>> {
        let mut command = kafka::with_jars(&java()?, &kafka::jars()?);
        command.args(["-Xmx3g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]).arg(&self.0);
        command.args(options.iter().flat_map(|(name, value)| [format!("--{name}"), value.clone()]));
        eprintln!("$ java -cp KAFKA tests/torture/Verify.java");
        let output = command.stderr(Stdio::inherit()).output().context("Java did not start")?;
        ensure!(output.status.success(), "the verifier could not tell ({})", output.status);
        let line = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(line.trim()).with_context(|| format!("the verifier printed no JSON object: {line}"))
    }
}

/// A Java that runs a source file: one with its compiler.
fn java() -> Result<Java> {
    let java = java::require(kafka::JAVA, "the verifier")?;
    if compiles(&java) {
        return Ok(java);
    }
    packages::install(&["openjdk-17-jdk-headless"])?;
    let java = java::require(kafka::JAVA, "the verifier")?;
    ensure!(compiles(&java), "{} has no compiler (module jdk.compiler); install a JDK", java.launcher.display());
    Ok(java)
}

fn compiles(java: &Java) -> bool {
    let modules = Command::new(&java.launcher).arg("--list-modules").output();
    modules.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with("jdk.compiler@"))
    })
}
