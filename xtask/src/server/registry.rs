//! Apicurio Registry, which speaks the API of Confluent's Schema Registry.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Home, Server, wire};
use crate::java::{self, Java};
use crate::maven;

const VERSION: &str = "3.3.3";
const JAVA: u32 = 21;
/// The compatibility that Confluent's registry begins with; Apicurio begins with none at all.
const COMPATIBILITY: &str = "BACKWARD";

/// One Schema Registry.
#[derive(Debug)]
pub(crate) struct Registry;

impl Registry {
    /// The Java that runs it.
    ///
    /// # Errors
    /// When there is none new enough; its users can do without the registry then.
    pub(crate) fn java() -> Result<Java> {
        java::require(JAVA, "the Schema Registry")
    }
}

impl Server for Registry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn address_variable(&self) -> &'static str {
        "SCHEMA_REGISTRY_URL"
    }

    fn default_port(&self) -> u16 {
        18_081
    }

    fn address(&self, port: u16) -> String {
        format!("http://127.0.0.1:{port}/apis/ccompat/v7")
    }

    fn command(&self, home: &Home, port: u16) -> Result<Command> {
        let java = Self::java()?;
        let artifact = format!("io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all");
        let server = maven::unpacked(&format!("registry-{VERSION}"), &artifact, "quarkus-run.jar")?;
        let mut command = Command::new(&java.launcher);
        command.args(["-Xmx512m", &home.marker(), "-jar"]).arg(server.join("quarkus-run.jar"));
        command.env("QUARKUS_HTTP_HOST", "127.0.0.1").env("QUARKUS_HTTP_PORT", port.to_string());
        // Its second listener, for health and metrics, would take port 9000 on every address of the machine.
        command.env("QUARKUS_MANAGEMENT_HOST", "127.0.0.1").env("QUARKUS_MANAGEMENT_PORT", "0");
        command.env("QUARKUS_LOG_LEVEL", "WARN").current_dir(home.dir());
        // In memory by default, but ids must outlive a restart as long as Kafka's records that carry them.
        command.env("APICURIO_DATASOURCE_URL", format!("jdbc:h2:file:{}", home.data().join("registry").display()));
        Ok(command)
    }

    fn probe(&self, address: &str) -> Result<()> {
        wire::http("GET", &format!("{address}/subjects"), "").map(|_| ())
    }

    fn configure(&self, address: &str) -> Result<()> {
        let config = format!("{address}/config");
        wire::http("PUT", &config, &format!("{{\"compatibility\":\"{COMPATIBILITY}\"}}"))?;
        let answer: Value = serde_json::from_str(&wire::http("GET", &config, "")?)?;
        let level = answer.get("compatibilityLevel").and_then(Value::as_str);
        ensure!(level == Some(COMPATIBILITY), "the registry's global compatibility is {level:?}, not {COMPATIBILITY}");
        Ok(())
    }
}
