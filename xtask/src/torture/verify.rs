//! The independent verifier: Java, with Kafka's own clients.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::java::{self, Java};
use crate::server::kafka;
use crate::{packages, workspace};

/// Runs `tests/torture/Verify.java` with these options and gives the JSON object that it prints.
///
/// # Errors
/// When there is no Java that compiles, or it cannot tell.
pub(super) fn verify(options: &[(&str, String)]) -> Result<Map<String, Value>> {
    let mut command = kafka::with_jars(&java()?, &kafka::jars()?);
    command.args(["-Xmx3g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]);
    command.arg(workspace::root().join("tests/torture/Verify.java"));
    command.args(options.iter().flat_map(|(name, value)| [format!("--{name}"), value.clone()]));
    eprintln!("$ java -cp KAFKA tests/torture/Verify.java");
    let output = command.stderr(Stdio::inherit()).output().context("Java did not start")?;
    ensure!(output.status.success(), "the verifier could not tell ({})", output.status);
    let line = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(line.trim()).with_context(|| format!("the verifier printed no JSON object: {line}"))
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
