//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How many ports above the base are tried.
const N_TRIED: u16 = 100;

/// The port asked for, or the first free one from the base upwards.
///
/// # Errors
/// When the port asked for is taken, or all that are tried.
pub(crate) fn choose(server: &str, asked: Option<u16>, base: u16) -> Result<u16> {
    if let Some(port) = asked {
        ensure!(is_free(port), "port {port} is taken by another process; leave out --port to get a free one");
        return Ok(port);
    }
    let port = first_free(base)?;
    if port != base {
        eprintln!("{server}: port {base} is taken by another process, using {port}");
    }
    Ok(port)
}

/// The first free port at or above the base.
///
/// # Errors
/// When all that are tried are taken.
pub(crate) fn first_free(base: u16) -> Result<u16> {
    let mut tried = base..base.saturating_add(N_TRIED);
    tried.find(|port| is_free(*port)).with_context(|| format!("no free port among {N_TRIED} from {base} upwards"))
}

/// Waits until a port is free: a process that was killed loses its memory first and its sockets a little later.
///
/// # Errors
/// When it is not free within the bound.
pub(crate) fn await_free(port: u16, bound: Duration) -> Result<()> {
    let started = Instant::now();
    while !is_free(port) {
        ensure!(started.elapsed() < bound, "port {port} is still taken after {} s", bound.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_a_port_that_a_foreign_process_holds_and_refuses_it_when_asked_for() {
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = foreign.local_addr().unwrap().port();
        assert!(choose("test", None, taken).unwrap() > taken);
        let refused = choose("test", Some(taken), taken).unwrap_err().to_string();
        assert!(refused.contains(&taken.to_string()), "{refused}");
    }

    #[test]
    fn waits_until_a_port_is_free() {
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = foreign.local_addr().unwrap().port();
        assert!(await_free(port, Duration::ZERO).is_err());
        let waiting = std::thread::spawn(move || await_free(port, Duration::from_secs(30)));
        drop(foreign);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn skips_a_port_held_on_all_addresses() {
        let foreign = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        assert!(!is_free(foreign.local_addr().unwrap().port()));
    }
}
