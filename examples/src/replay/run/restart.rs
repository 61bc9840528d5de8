//! A kill -9 in the middle, on request: the process starts itself, the child kills itself, and a second child goes on.

use std::process::Command;

use anyhow::Context as _;

use super::args::Args;
use super::place::RawTopic;

/// Tells a child which half of the run it is.
const HALF: &str = "NOWFOLD_REPLAY_HALF";

/// Whether this process is a child of [`run_twice`].
pub(super) fn is_child() -> bool {
    std::env::var_os(HALF).is_some()
}

/// Whether answers of a run before are to be kept: in the second half, and when a run on a lasting log is repeated.
pub(super) fn goes_on(args: &Args) -> bool {
    std::env::var(HALF).map_or(args.bootstrap.is_some() || args.data_dir.is_some(), |half| half == "second")
}

/// Runs until the kill, and then to the end.
pub(super) fn run_twice(args: &Args, line: u64) -> anyhow::Result<()> {
    let dir = if args.bootstrap.is_none() && args.data_dir.is_none() { Some(temporary_dir()?) } else { None };
    let first = half("first", dir.as_deref())?;
    anyhow::ensure!(!first.success(), "the feed ended before {line} lines were out; nothing was killed");
    anyhow::ensure!(killed(first), "the first half failed ({first}); its message is above");
    eprintln!("killed at line {line}; starting again");
    let second = half("second", dir.as_deref());
    if let Some(dir) = &dir {
        std::fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    let second = second?;
    anyhow::ensure!(second.success(), "the second half failed ({second}); its message is above");
    Ok(())
}

fn half(which: &str, dir: Option<&std::path::Path>) -> anyhow::Result<std::process::ExitStatus> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).env(HALF, which);
    if let Some(dir) = dir {
        command.arg("--data-dir").arg(dir);
    }
    command.status().context("starting replay again")
}

fn temporary_dir() -> anyhow::Result<std::path::PathBuf> {
    let dir = std::env::temp_dir().join(format!("nowfold-replay-{}", std::process::id()));
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}

#[cfg(unix)]
fn killed(status: std::process::ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(9)
}

#[cfg(not(unix))]
fn killed(status: std::process::ExitStatus) -> bool {
    !status.success()
}

/// In the first half: kills this process when `n` lines are out and handed to the broker. Nothing is flushed, committed
/// or closed.
pub(super) fn die_at(args: &Args, n: u64, raw: &mut RawTopic) -> anyhow::Result<()> {
    if std::env::var(HALF).is_ok_and(|half| half == "first") && args.restart_at_line == Some(n) {
        raw.flush()?;
        Command::new("kill").args(["-9", &std::process::id().to_string()]).status().context("kill -9")?;
        loop {
            std::thread::park();
        }
    }
    Ok(())
}
