//! A real Kafka and a real Schema Registry as processes of this machine, without Docker.
//!
//! `.nowfold/NAME` holds one server: `data/`, `server.log`, `state.json` (pid, port, address) and a lock file that
//! makes two `start`s at once safe.

mod action;
mod home;
pub(crate) mod kafka;
pub(crate) mod lifecycle;
pub(crate) mod ports;
mod registry;
pub(crate) mod wire;

use std::process::Command;

use anyhow::Result;

pub(crate) use action::Action;
pub(crate) use home::Home;
pub(crate) use kafka::Kafka;
pub(crate) use lifecycle::{Started, external, start, stop};
pub(crate) use registry::Registry;

/// What differs between the servers; `lifecycle` holds what does not.
pub(crate) trait Server: Sync {
    /// The name in commands, messages and of the directory.
    fn name(&self) -> &'static str;

    /// The environment variable that names somebody else's server to use instead.
    fn address_variable(&self) -> &'static str;

    /// The first port to try.
    fn default_port(&self) -> u16;

    /// The address that clients are given for a port on loopback.
    fn address(&self, port: u16) -> String;

    /// Fetches and formats whatever a start needs, and gives the Java command that listens on that port.
    ///
    /// # Errors
    /// When Java or a download is missing, or the data directory cannot be prepared.
    fn command(&self, home: &Home, port: u16) -> Result<Command>;

    /// Asks the server at an address for a real answer.
    ///
    /// # Errors
    /// When it does not answer, or not as a working server does.
    fn probe(&self, address: &str) -> Result<()>;

    /// Settings made through the server's own API once it answers.
    ///
    /// # Errors
    /// When the server refuses them.
    fn configure(&self, _address: &str) -> Result<()> {
        Ok(())
    }
}
