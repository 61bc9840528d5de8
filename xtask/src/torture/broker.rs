//! The Kafka of a run: its own, so that it can be killed.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Guarantee;
use crate::process;
use crate::server::{Home, Server, Started, kafka, lifecycle, ports, wire};

/// Changelogs are compacted soon, and a killed broker is let back soon: before its coordinator first looks for transactions
/// whose time is over, 10 s after its start. A broker that is its cluster's only one has no leaders before it is let back, and
/// Kafka 4.3.1 then takes the partitions of such a transaction for deleted, writes no marker, and leaves it open for ever
/// (`TransactionMarkerChannelManager`: "likely deleted already and hence can be skipped").
const SETTINGS: &str = "broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.backoff.ms=2000
log.retention.check.interval.ms=10000
log.segment.delete.delay.ms=1000
";

/// A broker that nobody else uses. Each guarantee has its own, so that a run of each may go at one time.
#[derive(Debug)]
pub(super) struct TortureKafka {
    name: &'static str,
    port: u16,
}

impl Server for TortureKafka {
    fn name(&self) -> &'static str {
        self.name
    }

    fn address_variable(&self) -> &'static str {
        "NOWFOLD_TORTURE_KAFKA"
    }

    fn default_port(&self) -> u16 {
        self.port
    }

    fn address(&self, port: u16) -> String {
        format!("127.0.0.1:{port}")
    }

    fn command(&self, home: &Home, port: u16) -> Result<Command> {
        kafka::command(home, port, SETTINGS)
    }

    fn probe(&self, address: &str) -> Result<()> {
        wire::kafka_answers(address)
    }
}

impl TortureKafka {
    /// The broker in `.nowfold/torture-kafka-GUARANTEE`.
    pub(super) fn of(guarantee: Guarantee) -> Self {
        match guarantee {
            Guarantee::ExactlyOnce => Self { name: "torture-kafka-exactly-once", port: 19_292 },
            Guarantee::AtLeastOnce => Self { name: "torture-kafka-at-least-once", port: 19_392 },
        }
    }

    fn home(&self) -> Home {
        Home::of(self.name)
    }

    /// Starts it with no data.
    ///
    /// # Errors
    /// When it does not start, or the environment names one that is not ours.
    pub(super) fn start(&self) -> Result<String> {
        lifecycle::stop(self, true)?;
        match lifecycle::start(self, None)? {
            Started::Now(address) | Started::Already(address) => Ok(address),
            Started::External(address) => {
                bail!("the torture kills its Kafka, so it takes none from outside: {address}")
            }
        }
    }

    /// Ends it, in order or `hard`, and starts it again on the same port. The log of the life that ended goes to `log`.
    ///
    /// # Errors
    /// When it does not run, or does not start again.
    pub(super) fn restart(&self, hard: bool, log: &Path) -> Result<()> {
        let home = self.home();
        let state = home.running().with_context(|| format!("{} does not run", self.name))?;
        if hard {
            process::kill(state.pid, &home.marker())?;
        } else {
            process::end(state.pid, &home.marker())?;
        }
        ports::await_free(state.port, Duration::from_secs(30))?;
        append(&home.log(), log)?;
        lifecycle::start(self, Some(state.port)).map(|_| ())
    }

    /// Ends it, and removes its data.
    ///
    /// # Errors
    /// When the process cannot be ended.
    pub(super) fn stop(&self, log: &Path) -> Result<()> {
        lifecycle::stop(self, false)?;
        append(&self.home().log(), log)?;
        lifecycle::stop(self, true)
    }

    /// Ends it, and moves its data to `to`.
    ///
    /// # Errors
    /// When the process cannot be ended, or the data not moved.
    pub(super) fn keep(&self, log: &Path, to: &Path) -> Result<()> {
        lifecycle::stop(self, false)?;
        append(&self.home().log(), log)?;
        fs::rename(self.home().data(), to).with_context(|| format!("cannot move the data of {} away", self.name))
    }
}

/// Appends a file to another.
fn append(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("cannot append {} to {}", from.display(), to.display());
    let mut to = File::options().create(true).append(true).open(to).with_context(context)?;
    let mut from = File::open(from).with_context(context)?;
    std::io::copy(&mut from, &mut to).map(|_| ()).with_context(context)
}
