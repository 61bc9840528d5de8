//! The Kafka of a run: its own, so that it can be killed.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

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

/// A broker that nobody else uses, in `.nowfold/torture-kafka`.
#[derive(Debug)]
pub(super) struct TortureKafka;

impl Server for TortureKafka {
    fn name(&self) -> &'static str {
        "torture-kafka"
    }

    fn address_variable(&self) -> &'static str {
        "NOWFOLD_TORTURE_KAFKA"
    }

    fn default_port(&self) -> u16 {
        19_292
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

/// Starts it with no data.
///
/// # Errors
/// When it does not start, or the environment names one that is not ours.
pub(super) fn start() -> Result<String> {
    lifecycle::stop(&TortureKafka, true)?;
    match lifecycle::start(&TortureKafka, None)? {
        Started::Now(address) | Started::Already(address) => Ok(address),
        Started::External(address) => bail!("the torture kills its Kafka, so it takes none from outside: {address}"),
    }
}

/// Ends it, in order or `hard`, and starts it again on the same port.
///
/// # Errors
/// When it does not run, or does not start again.
pub(super) fn restart(hard: bool) -> Result<()> {
    let home = Home::of(TortureKafka.name());
    let state = home.running().context("the Kafka of the torture does not run")?;
    if hard {
        process::kill(state.pid, &home.marker())?;
    } else {
        process::end(state.pid, &home.marker())?;
    }
    ports::await_free(state.port, Duration::from_secs(30))?;
    lifecycle::start(&TortureKafka, Some(state.port)).map(|_| ())
}

/// Ends it; its data goes unless it is wanted.
///
/// # Errors
/// When the process cannot be ended.
pub(super) fn stop(keep: bool) -> Result<()> {
    lifecycle::stop(&TortureKafka, !keep)
}
