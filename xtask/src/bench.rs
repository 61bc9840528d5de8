//! `cargo xtask bench`: the benches, which print one JSON object per line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::cargo::{self, cargo};
use crate::java;
use crate::maven::{self, Coordinates};
use crate::packages;
use crate::server::{self, Kafka, Started};
use crate::workspace;

/// The bench that needs Kafka Streams.
const DSL: &str = "dsl";

/// Options of the benches.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bench {
    /// Start a local Kafka for the benches that need one, and stop it afterwards unless it ran before.
    #[arg(long)]
    kafka: bool,
    /// Arguments of the bench program; `--kafka` comes before them. A first argument `dsl` measures the DSL, beside Kafka
    /// Streams, and takes a local Kafka unless `KAFKA_BOOTSTRAP_SERVERS` names one.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Bench {
    /// Builds and runs the benches. With Kafka its address is in `KAFKA_BOOTSTRAP_SERVERS`.
    ///
    /// # Errors
    /// When the build or a bench fails, or Kafka cannot be started.
    pub(crate) fn run(&self) -> Result<()> {
        packages::require(&[packages::LINKER])?;
        let (is_dsl, arguments) = match self.arguments.split_first() {
            Some((first, rest)) if first == DSL => (true, rest),
            _ => (false, self.arguments.as_slice()),
        };
        let has_kafka = std::env::var_os("KAFKA_BOOTSTRAP_SERVERS").is_some();
        let kafka = (self.kafka || (is_dsl && !has_kafka)).then(|| server::start(&Kafka, None)).transpose()?;
        let mut command = cargo(&["run", "--release", "-p", "nowfold-benches", "--"]);
        if is_dsl {
            let (java, class_path) = peer()?;
            command.args(["--only", DSL]).env("JAVA", java).env("NOWFOLD_BENCH_KAFKA_STREAMS", class_path);
        }
        command.args(arguments);
        if let Some(started) = &kafka {
            command.env("KAFKA_BOOTSTRAP_SERVERS", started.address());
        }
        let result = cargo::run(&mut command);
        let stopped = match kafka {
            Some(Started::Now(_)) => server::stop(&Kafka, false),
            _ => Ok(()),
        };
        result.and(stopped)
    }
}

/// Kafka Streams' jars and the compiled class of `benches/kafka-streams`, as Java's class path; and Java itself.
fn peer() -> Result<(PathBuf, OsString)> {
    const VERSION: &str = "4.3.1";
    let artifacts =
        [Coordinates("org.apache.kafka", "kafka-streams", VERSION), Coordinates("org.slf4j", "slf4j-nop", "1.7.36")];
    let proof = format!("kafka-streams-{VERSION}.jar");
    let jars = maven::jars(&format!("kafka-streams-{VERSION}"), &artifacts, &proof)?;
    let classes = workspace::own_dir().join("cache/kafka-streams-bench");
    std::fs::create_dir_all(&classes).with_context(|| format!("cannot create {}", classes.display()))?;
    let java = java::require(17, "Kafka Streams")?.launcher;
    let (jars, mut class_path) = (jars.join("*"), classes.clone().into_os_string());
    let source = workspace::root().join("benches/kafka-streams/DslPeer.java");
    let mut compile = Command::new(java.with_file_name("javac"));
    compile.args(["-nowarn", "-d"]).arg(&classes).arg("-cp").arg(&jars).arg(source);
    cargo::run(&mut compile).context("a JDK is needed, not only a Java runtime")?;
    class_path.push(":");
    class_path.push(jars);
    Ok((java, class_path))
}
