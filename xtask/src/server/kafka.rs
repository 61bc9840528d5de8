//! Apache Kafka in KRaft mode: one process that is broker and controller.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Home, Server, ports, wire};
use crate::java::{self, Java};
use crate::maven::{self, Coordinates};

const VERSION: &str = "4.3.1";
/// The oldest Java that runs it.
pub(crate) const JAVA: u32 = 17;

/// One Apache Kafka broker.
#[derive(Debug)]
pub(crate) struct Kafka;

impl Server for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn address_variable(&self) -> &'static str {
        "KAFKA_BOOTSTRAP_SERVERS"
    }

    fn default_port(&self) -> u16 {
        19_092
    }

    fn address(&self, port: u16) -> String {
        format!("127.0.0.1:{port}")
    }

    fn command(&self, home: &Home, port: u16) -> Result<Command> {
        command(home, port, "")
    }

    fn probe(&self, address: &str) -> Result<()> {
        wire::kafka_answers(address.split(',').next().unwrap_or(address))
    }
}

/// The command of a broker with further settings, one a line.
///
/// # Errors
/// When Java or the jars are missing, or the data directory cannot be prepared.
pub(crate) fn command(home: &Home, port: u16, further: &str) -> Result<Command> {
    let java = java::require(JAVA, "Apache Kafka")?;
    let jars = jars()?;
    let settings = home.dir().join("server.properties");
    let controller = ports::first_free(port.saturating_add(1))?;
    let properties = properties(port, controller, &home.data().join("log")) + further;
    fs::write(&settings, properties).with_context(|| format!("cannot write {}", settings.display()))?;
    if !home.data().join("log/meta.properties").exists() {
        format(&java, &jars, &settings)?;
    }
    let mut command = with_jars(&java, &jars);
    command.args(["-Xmx1g", "-Dorg.slf4j.simpleLogger.showDateTime=true", &home.marker()]);
    command.arg("-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS");
    command.arg("kafka.Kafka").arg(settings).current_dir(home.dir());
    Ok(command)
}

/// Kafka with all that it depends on, its Java clients among them.
///
/// # Errors
/// When they are not there and cannot be fetched.
pub(crate) fn jars() -> Result<PathBuf> {
    let artifacts = [
        Coordinates("org.apache.kafka", "kafka_2.13", VERSION),
        Coordinates("org.apache.kafka", "kafka-tools", VERSION),
        // The newest backend of the slf4j release that Kafka brings; it writes to standard error.
        Coordinates("org.slf4j", "slf4j-simple", "1.7.36"),
    ];
    maven::jars(&format!("kafka-{VERSION}"), &artifacts, &format!("kafka_2.13-{VERSION}.jar"))
}

/// Java with Kafka's jars on its class path; options, the main class and its arguments follow.
pub(crate) fn with_jars(java: &Java, jars: &Path) -> Command {
    let mut class_path = OsString::from(jars);
    class_path.push("/*");
    let mut command = Command::new(&java.launcher);
    command.arg("-cp").arg(class_path);
    command
}

/// Gives a new data directory its cluster id.
fn format(java: &Java, jars: &Path, settings: &Path) -> Result<()> {
    let tool = |arguments: &[&str]| -> Result<String> {
        let mut command = with_jars(java, jars);
        command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "kafka.tools.StorageTool"]).args(arguments);
        let output = command.output().context("Kafka's storage tool did not start")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "Kafka's storage tool failed ({}): {errors}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cluster = tool(&["random-uuid"])?;
    eprintln!("kafka: formatting a new data directory for cluster {cluster}");
    let settings = settings.to_str().context("the workspace's path is not UTF-8")?;
    // The equals sign: a random id may begin with a dash.
    tool(&["format", &format!("--cluster-id={cluster}"), "-c", settings]).map(|_| ())
}

/// A broker for tests: internal topics have few partitions and one replica, and groups form without a delay.
fn properties(port: u16, controller: u16, log_dir: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
",
        log_dir.display()
    )
}
