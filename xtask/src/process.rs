//! Long-lived server processes: started so that they outlive xtask, and ended only when they are certainly ours.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take to end by itself after SIGTERM.
const TERMINATE_WITHIN: Duration = Duration::from_secs(20);
/// How long the kernel may take to end it after SIGKILL.
const KILL_WITHIN: Duration = Duration::from_secs(10);

/// Starts a command in a process group of its own, so that neither Ctrl-C nor the end of xtask reaches it, with its
/// output in a log file. The previous log is kept beside it as `*.previous`.
///
/// # Errors
/// When the log cannot be opened or the program does not start.
pub(crate) fn spawn_detached(command: &mut Command, log: &Path) -> Result<Child> {
    if log.exists() {
        fs::rename(log, log.with_extension("log.previous"))?;
    }
    let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let errors = output.try_clone()?;
    let program = command.get_program().to_owned();
    command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}

/// Whether a process of that id is alive and has `marker` as one whole argument of its command line.
///
/// A pid alone proves nothing: after a crash the system may have given it to somebody else.
pub(crate) fn is_ours(pid: u32, marker: &str) -> bool {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) => line.split(|byte| *byte == 0).any(|argument| argument == marker.as_bytes()),
        Err(_) if Path::new("/proc/self").exists() => false,
        Err(_) => listed_by_ps(pid, marker),
    }
}

/// The same question where there is no `/proc` (macOS).
fn listed_by_ps(pid: u32, marker: &str) -> bool {
    let output = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).split(' ').any(|argument| argument == marker))
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, after SIGTERM.
    Terminated,
    /// It did not react in time and was killed.
    Killed,
}

/// Ends our process: SIGTERM, then SIGKILL when it is still there after a bound.
///
/// # Errors
/// When a signal cannot be sent or the process survives SIGKILL.
pub(crate) fn end(pid: u32, marker: &str) -> Result<Ended> {
    signal(pid, marker, "TERM")?;
    if gone_within(pid, marker, TERMINATE_WITHIN) {
        return Ok(Ended::Terminated);
    }
    signal(pid, marker, "KILL")?;
    if gone_within(pid, marker, KILL_WITHIN) {
        return Ok(Ended::Killed);
    }
    bail!("process {pid} is still there {} s after SIGKILL", KILL_WITHIN.as_secs())
}

/// Ends our process at once, without a chance to put anything in order.
///
/// # Errors
/// When the signal cannot be sent or the process survives it.
pub(crate) fn kill(pid: u32, marker: &str) -> Result<()> {
    signal(pid, marker, "KILL")?;
    ensure!(
        gone_within(pid, marker, KILL_WITHIN),
        "process {pid} is still there {} s after SIGKILL",
        KILL_WITHIN.as_secs()
    );
    Ok(())
}

/// std sends no signals; the shell's built-in `kill` is everywhere, a `kill` program is not.
fn signal(pid: u32, marker: &str, name: &str) -> Result<()> {
    if !is_ours(pid, marker) {
        return Ok(());
    }
    let script = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &script]).status().context("sh did not start")?;
    ensure!(status.success() || !is_ours(pid, marker), "cannot send SIG{name} to process {pid}");
    Ok(())
}

fn gone_within(pid: u32, marker: &str, bound: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < bound {
        if !is_ours(pid, marker) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    !is_ours(pid, marker)
}

/// The last `n_lines` lines of a file, lossily decoded; empty when it cannot be read.
pub(crate) fn tail(file: &Path, n_lines: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(n_lines)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// A running process with `marker` among its arguments that lives until it is told to end.
    fn sleeper(marker: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "echo up; read line", marker]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Its command line is complete only once it runs, which is a moment after the spawn.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
        child
    }

    #[test]
    fn knows_its_own_process_by_the_whole_marker_only() {
        let mut child = sleeper("-Dmark=/a/kafka");
        assert!(is_ours(child.id(), "-Dmark=/a/kafka"));
        assert!(!is_ours(child.id(), "-Dmark=/a"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_ours(child.id(), "-Dmark=/a/kafka"));
    }

    #[test]
    fn never_signals_a_process_without_the_marker() {
        let mut foreign = sleeper("-Dmark=/b");
        assert_eq!(end(foreign.id(), "-Dmark=/c").unwrap(), Ended::Terminated);
        assert!(foreign.try_wait().unwrap().is_none(), "the foreign process was ended");
        foreign.kill().unwrap();
        foreign.wait().unwrap();
    }

    #[test]
    fn ends_its_own_process_with_sigterm() {
        let mut child = sleeper("-Dmark=/d");
        assert_eq!(end(child.id(), "-Dmark=/d").unwrap(), Ended::Terminated);
        child.wait().unwrap();
    }

    #[test]
    fn tail_gives_the_last_lines() {
        let file = std::env::temp_dir().join(format!("xtask-tail-{}", std::process::id()));
        fs::write(&file, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&file, 2), "two\nthree");
        assert_eq!(tail(&file, 9), "one\ntwo\nthree");
        fs::remove_file(&file).unwrap();
        assert_eq!(tail(&file, 2), "");
    }
}
