//! Kafka and the Schema Registry for the length of a run.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::report::{Outcome, Report};
use crate::server::{self, Kafka, Registry, Server, Started};

/// The servers of a run, starting beside its first steps.
#[derive(Debug)]
pub(crate) struct Servers {
    kafka: Background,
    registry: Background,
}

/// Where tests find the servers.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    kafka: Option<String>,
    registry: Option<String>,
}

impl Addresses {
    /// The variables that the tests read, without a value where there is no server.
    pub(crate) fn variables(&self) -> [(&'static str, Option<&str>); 2] {
        [("NOWFOLD_TEST_KAFKA", self.kafka.as_deref()), ("NOWFOLD_TEST_REGISTRY", self.registry.as_deref())]
    }
}

impl Servers {
    /// Begins to start both, on threads of their own.
    pub(crate) fn start() -> Self {
        Self { kafka: Background::start("kafka", start_kafka), registry: Background::start("registry", start_registry) }
    }

    /// None at all, for the reason given.
    pub(crate) fn none(reason: &str) -> Self {
        Self { kafka: Background::none("kafka", reason), registry: Background::none("registry", reason) }
    }

    /// Waits until both are ready, notes how that went, and gives their addresses.
    pub(crate) fn wait(&mut self, report: &mut Report) -> Addresses {
        Addresses { kafka: self.kafka.wait(report), registry: self.registry.wait(report) }
    }

    /// Stops those that this run started; the ones that ran before stay.
    pub(crate) fn stop(self, report: &mut Report) {
        report.always("stop servers", || {
            let registry = self.registry.stop(&Registry);
            self.kafka.stop(&Kafka).and(registry)?;
            Ok(Outcome::Passed)
        });
    }
}

/// How a start ended, and the server if there is one.
type Start = (Outcome, Option<Started>);

fn start_kafka() -> Start {
    outcome(server::start(&Kafka, None))
}

/// Kafka is a must. A registry needs a newer Java than many systems offer: without one its tests cannot run, and the
/// table says so.
fn start_registry() -> Start {
    match Registry::java() {
        Err(error) if server::external(&Registry).is_none() => {
            (Outcome::Skipped(format!("registry tests cannot run: {error:#}")), None)
        }
        _ => outcome(server::start(&Registry, None)),
    }
}

fn outcome(started: Result<Started>) -> Start {
    match started {
        Ok(started) => (Outcome::Passed, Some(started)),
        Err(error) => (Outcome::Failed(format!("{error:#}")), None),
    }
}

/// One server on its way.
#[derive(Debug)]
struct Background {
    name: &'static str,
    state: Progress,
}

#[derive(Debug)]
enum Progress {
    Starting(JoinHandle<(Start, Duration)>),
    Done(Option<Started>),
    Never(String),
}

impl Background {
    fn start(name: &'static str, start: fn() -> Start) -> Self {
        let begun = Instant::now();
        Self { name, state: Progress::Starting(std::thread::spawn(move || (start(), begun.elapsed()))) }
    }

    fn none(name: &'static str, reason: &str) -> Self {
        Self { name, state: Progress::Never(reason.to_owned()) }
    }

    fn wait(&mut self, report: &mut Report) -> Option<String> {
        match std::mem::replace(&mut self.state, Progress::Done(None)) {
            Progress::Starting(thread) => {
                let panicked = || ((Outcome::Failed("the start panicked".to_owned()), None), Duration::ZERO);
                let ((outcome, started), took) = thread.join().unwrap_or_else(|_| panicked());
                report.note(self.name, outcome, took);
                self.state = Progress::Done(started);
            }
            Progress::Never(reason) => report.note(self.name, Outcome::Skipped(reason), Duration::ZERO),
            done @ Progress::Done(_) => self.state = done,
        }
        match &self.state {
            Progress::Done(Some(started)) => Some(started.address().to_owned()),
            _ => None,
        }
    }

    fn stop(self, server: &dyn Server) -> Result<()> {
        match self.state {
            Progress::Done(Some(Started::Now(_))) => server::stop(server, false),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(Instant::now(), false)
    }

    #[test]
    fn tests_are_told_of_a_server_that_started_and_not_of_one_that_failed() {
        let mut good = Background::start("kafka", || outcome(Ok(Started::Already("127.0.0.1:1".to_owned()))));
        let mut bad = Background::start("registry", || outcome(Err(anyhow::anyhow!("no disk"))));
        let mut report = report();
        let addresses = Addresses { kafka: good.wait(&mut report), registry: bad.wait(&mut report) };
        let expected = [("NOWFOLD_TEST_KAFKA", Some("127.0.0.1:1")), ("NOWFOLD_TEST_REGISTRY", None)];
        assert_eq!(addresses.variables(), expected);
        assert!(report.is_over(), "a server that failed to start fails the run");
    }

    #[test]
    fn a_run_without_servers_fails_nothing() {
        let mut servers = Servers::none("--quick");
        let mut report = report();
        assert_eq!(servers.wait(&mut report).variables().map(|(_, address)| address), [None, None]);
        servers.stop(&mut report);
        assert!(!report.is_over());
    }
}
