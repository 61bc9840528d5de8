//! A Kafka of a test's own, to be stopped and killed: the jars that `cargo xtask kafka start` has fetched, on free ports.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nowfold::kafka::{Kafka, KafkaConfig};
use tempfile::TempDir;

use super::support::{test_kafka, until};

/// A broker process with a data directory that outlives it.
pub(crate) struct OwnKafka {
    dir: TempDir,
    jars: PathBuf,
    pub(crate) bootstrap: String,
    process: Option<Child>,
}

impl OwnKafka {
    /// Starts one; `None`, said aloud, without the jars or where no Kafka is wanted.
    pub(crate) fn start(test: &str) -> Option<Self> {
        test_kafka(test)?;
        let jars = kafka_jars(test)?;
        let dir = tempfile::tempdir().unwrap();
        let [port, controller] = free_ports();
        let settings = properties(port, controller, &dir.path().join("log"));
        std::fs::write(dir.path().join("server.properties"), settings).unwrap();
        let mut kafka = Self { dir, jars, bootstrap: format!("127.0.0.1:{port}"), process: None };
        let mut format = kafka.java("kafka.tools.StorageTool");
        format.args(["format", "-t", "nowfoldTestsOwnKafka00", "-c"]).arg(kafka.settings());
        assert!(format.status().unwrap().success(), "the data directory is not formatted");
        kafka.revive();
        Some(kafka)
    }

    /// Starts the process again, and waits until it answers.
    pub(crate) fn revive(&mut self) {
        let child = self.java("kafka.Kafka").arg(self.settings()).spawn().unwrap();
        self.process = Some(child);
        let mut config = KafkaConfig::new(&self.bootstrap);
        config.connect_timeout = Duration::from_secs(1);
        until(
            Duration::from_secs(120),
            || "the broker does not answer".into(),
            || Kafka::connect(config.clone()).is_ok(),
        );
    }

    /// Ends the process with a signal: `TERM` in order, `KILL` not.
    pub(crate) fn end(&mut self, signal: &str) {
        let Some(mut process) = self.process.take() else { return };
        Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status().unwrap();
        process.wait().unwrap();
    }

    fn settings(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }

    fn java(&self, class: &str) -> Command {
        let log = File::options().create(true).append(true).open(self.dir.path().join("kafka.log")).unwrap();
        let mut java = Command::new("java");
        java.arg("-Xmx512m").arg("-cp").arg(format!("{}/*", self.jars.display())).arg(class);
        java.stdout(Stdio::null()).stderr(log);
        java
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        self.end("KILL");
    }
}

/// The jars that `cargo xtask kafka start` has fetched; says so when there are none.
pub(crate) fn kafka_jars(test: &str) -> Option<PathBuf> {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.nowfold/cache/kafka-4.3.1");
    if !jars.is_dir() {
        eprintln!("SKIPPED {test}: no jars of Kafka; `cargo xtask kafka start` fetches them");
        return None;
    }
    Some(jars)
}

fn free_ports() -> [u16; 2] {
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A killed broker is let back within seconds: before its coordinator first looks for transactions whose time is over, which
/// it cannot end before (docs/guide/delivery.md).
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
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
",
        log_dir.display()
    )
}
