//! Start and stop, the same for every server.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::home::State;
use super::{Home, Server, ports};
use crate::process::{self, Ended};

/// A start takes 5 to 15 s on an idle machine; a busy one with two cores may need a multiple.
const READY_WITHIN: Duration = Duration::from_secs(180);
const ASK_EVERY: Duration = Duration::from_millis(100);
const REPORT_EVERY: Duration = Duration::from_secs(3);
const N_LOG_LINES: usize = 30;

/// The server that a start found or made, by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Started {
    /// Somebody else's, named by the environment.
    External(String),
    /// Ours, which was running already.
    Already(String),
    /// Ours, started now.
    Now(String),
}

impl Started {
    /// The address for clients.
    pub(crate) fn address(&self) -> &str {
        match self {
            Self::External(address) | Self::Already(address) | Self::Now(address) => address,
        }
    }
}

/// The address in the server's environment variable, if it names one.
pub(crate) fn external(server: &dyn Server) -> Option<String> {
    std::env::var(server.address_variable()).ok().filter(|address| !address.trim().is_empty())
}

/// Makes sure that a server is there and answers.
///
/// # Errors
/// When it cannot be started or is not ready in time; the message ends with the log's last lines.
pub(crate) fn start(server: &dyn Server, port: Option<u16>) -> Result<Started> {
    if let Some(address) = external(server) {
        let (name, variable) = (server.name(), server.address_variable());
        eprintln!("{name}: using {variable}={address}; nothing is started");
        if let Err(error) = server.probe(&address) {
            eprintln!("{name}: warning: no plain answer from there: {error:#}");
        }
        return Ok(Started::External(address));
    }
    let home = Home::of(server.name());
    let _lock = home.lock()?;
    match home.running() {
        Some(state) => adopt(server, &home, port, state),
        None => launch(server, &home, port),
    }
}

/// Uses the process that is there already, once it answers.
fn adopt(server: &dyn Server, home: &Home, port: Option<u16>, state: State) -> Result<Started> {
    let name = server.name();
    let other_port = port.filter(|port| *port != state.port);
    ensure!(other_port.is_none(), "{name} runs on port {} already; stop it first to change the port", state.port);
    wait_ready(server, home, &state, None).with_context(|| {
        format!("{name} runs (pid {}) but does not answer; try: cargo xtask {name} stop", state.pid)
    })?;
    remember_ready(home, &state)?;
    eprintln!("{name}: running already (pid {})", state.pid);
    Ok(Started::Already(state.address))
}

fn launch(server: &dyn Server, home: &Home, port: Option<u16>) -> Result<Started> {
    let name = server.name();
    let port = ports::choose(name, port, server.default_port())?;
    let mut command = server.command(home, port)?;
    let started = Instant::now();
    let mut child = process::spawn_detached(&mut command, &home.log())?;
    let state = State { pid: child.id(), port, address: server.address(port), ready: false };
    home.remember(&state)?;
    eprintln!("{name}: started (pid {}), log {}", state.pid, home.log().display());
    if let Err(error) = wait_ready(server, home, &state, Some(&mut child)) {
        let _ = process::end(state.pid, &home.marker());
        let _ = child.wait();
        home.forget()?;
        return Err(error);
    }
    remember_ready(home, &state)?;
    eprintln!("{name}: ready after {:.1} s", started.elapsed().as_secs_f64());
    Ok(Started::Now(state.address))
}

fn remember_ready(home: &Home, state: &State) -> Result<()> {
    if state.ready { Ok(()) } else { home.remember(&State { ready: true, ..state.clone() }) }
}

/// Asks the server, and sets up a new one. A server that has just begun to listen may still drop either request.
fn make_ready(server: &dyn Server, state: &State) -> Result<()> {
    server.probe(&state.address)?;
    if state.ready { Ok(()) } else { server.configure(&state.address) }
}

/// Tries until the server is ready. A child that ended is noticed at once.
fn wait_ready(server: &dyn Server, home: &Home, state: &State, mut child: Option<&mut Child>) -> Result<()> {
    let (name, started) = (server.name(), Instant::now());
    let mut reported = started;
    loop {
        let Err(error) = make_ready(server, state) else { return Ok(()) };
        if let Some(status) = child.as_mut().map(|child| child.try_wait()).transpose()?.flatten() {
            bail!("{name} ended ({status}) before it was ready; {}", log_tail(home));
        }
        if started.elapsed() >= READY_WITHIN {
            bail!("{name} is not ready after {} s ({error:#}); {}", READY_WITHIN.as_secs(), log_tail(home));
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            eprintln!("{name}: waiting, {:.0} s: {error:#}", started.elapsed().as_secs_f64());
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// The end of the server's log, for an error message.
pub(crate) fn log_tail(home: &Home) -> String {
    format!("the end of {}:\n{}", home.log().display(), process::tail(&home.log(), N_LOG_LINES))
}

/// Ends our server, if it runs, and keeps its data unless told to wipe it.
///
/// # Errors
/// When the process cannot be ended or a file cannot be removed.
pub(crate) fn stop(server: &dyn Server, wipe: bool) -> Result<()> {
    let (name, home) = (server.name(), Home::of(server.name()));
    let _lock = home.lock()?;
    match home.running() {
        None => eprintln!("{name}: not running"),
        Some(state) => {
            let started = Instant::now();
            let how = match process::end(state.pid, &home.marker())? {
                Ended::Terminated => "ended",
                Ended::Killed => "killed, for it did not end by itself",
            };
            eprintln!("{name}: {how} after {:.1} s (pid {})", started.elapsed().as_secs_f64(), state.pid);
        }
    }
    home.forget()?;
    if wipe {
        home.wipe()?;
        eprintln!("{name}: data and logs removed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Answers at once, but drops the first attempts to set it up.
    #[derive(Debug, Default)]
    struct Sleepy(AtomicU32);

    impl Server for Sleepy {
        fn name(&self) -> &'static str {
            "sleepy"
        }

        fn address_variable(&self) -> &'static str {
            "SLEEPY"
        }

        fn default_port(&self) -> u16 {
            1
        }

        fn address(&self, port: u16) -> String {
            port.to_string()
        }

        fn command(&self, _: &Home, _: u16) -> Result<std::process::Command> {
            bail!("it is not started in this test")
        }

        fn probe(&self, _: &str) -> Result<()> {
            Ok(())
        }

        fn configure(&self, _: &str) -> Result<()> {
            ensure!(self.0.fetch_add(1, Ordering::SeqCst) >= 2, "the connection was dropped");
            Ok(())
        }
    }

    #[test]
    fn a_server_that_drops_its_first_settings_is_asked_again() {
        let (server, home) = (Sleepy::default(), Home::of("sleepy"));
        let state = State { pid: std::process::id(), port: 1, address: "1".to_owned(), ready: false };
        wait_ready(&server, &home, &state, None).unwrap();
        assert_eq!(server.0.load(Ordering::SeqCst), 3);
    }
}
