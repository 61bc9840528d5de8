//! The processes of the application.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::server::{ports, wire};

/// The first port that is tried for queries.
const FIRST_PORT: u16 = 17_170;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const N_LOG_LINES: usize = 15;

/// All processes. What is still running when this is dropped is killed.
#[derive(Debug)]
pub(super) struct Fleet {
    members: Vec<Member>,
}

/// One process of the application, through its lives.
#[derive(Debug)]
struct Member {
    /// The program and its arguments, without those of the member.
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    /// Every other member has a name that survives its death.
    name: Option<String>,
    log: PathBuf,
    child: Option<Child>,
    /// Input records that this life has read, and all before it, as last seen.
    read: u64,
    read_before: u64,
}

impl Fleet {
    /// Starts `n` processes.
    ///
    /// # Errors
    /// When one does not start.
    pub(super) fn start(program: PathBuf, arguments: Vec<String>, dir: PathBuf, n: usize) -> Result<Self> {
        let mut fleet = Self { members: Vec::new() };
        let mut port = FIRST_PORT;
        for i in 0..n {
            port = ports::first_free(port)?;
            let name = i.is_multiple_of(2).then(|| format!("torture-{i}"));
            let log = dir.join(format!("app-{i}.log"));
            let (program, arguments) = (program.clone(), arguments.clone());
            let mut member = Member { program, arguments, port, name, log, child: None, read: 0, read_before: 0 };
            member.start()?;
            fleet.members.push(member);
            port += 1;
        }
        Ok(fleet)
    }

    /// Where they answer queries.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.members.iter().map(Member::address).collect()
    }

    /// Input records that all processes have read so far, those read again included.
    ///
    /// # Errors
    /// When a process has ended by itself: none may.
    pub(super) fn read(&mut self) -> Result<u64> {
        self.members.iter_mut().try_for_each(Member::check)?;
        Ok(self.members.iter_mut().map(Member::look).sum())
    }

    /// Kills a process, `kill -9`.
    ///
    /// # Errors
    /// When it has ended before, by itself.
    pub(super) fn kill(&mut self, i: usize) -> Result<()> {
        self.members.get_mut(i).context("there is no such process")?.kill()
    }

    /// Starts a process that was killed.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn revive(&mut self, i: usize) -> Result<()> {
        self.members.get_mut(i).context("there is no such process")?.start()
    }

    /// Waits until all of them say that they are ready.
    ///
    /// # Errors
    /// When one ends, or is not ready in time.
    pub(super) fn await_ready(&mut self, bound: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            self.members.iter_mut().try_for_each(Member::check)?;
            let Some(waiting) = self.members.iter().find_map(|member| Some((member, member.ready().err()?))) else {
                return Ok(());
            };
            if started.elapsed() >= bound {
                let (member, error) = waiting;
                bail!("not ready after {} s ({error:#}); {}", bound.as_secs(), member.log_tail());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Member {
    fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the process at port {} runs already", self.port);
        let log = File::options().create(true).append(true).open(&self.log).context("cannot open a log")?;
        let mut command = Command::new(&self.program);
        command.arg("app").args(&self.arguments).args(["--http", &format!("127.0.0.1:{}", self.port)]);
        command.args(self.name.iter().flat_map(|name| ["--name", name]));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("the application does not start")?);
        self.read = 0;
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.check()?;
        self.look();
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        self.read_before += std::mem::take(&mut self.read);
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        let status = self.child.as_mut().map(|child| child.try_wait()).transpose()?.flatten();
        match status {
            Some(status) => bail!("a process has ended by itself ({status}); {}", self.log_tail()),
            None => Ok(()),
        }
    }

    /// Input records read in all lives. A process that does not answer has read what it had when it last did.
    fn look(&mut self) -> u64 {
        if self.child.is_some()
            && let Ok(metrics) = wire::http("GET", &format!("http://{}/metrics", self.address()), "")
        {
            self.read = records_in(&metrics).max(self.read);
        }
        self.read_before + self.read
    }

    fn ready(&self) -> Result<()> {
        wire::http("GET", &format!("http://{}/readyz", self.address()), "").map(|_| ())
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn log_tail(&self) -> String {
        format!("the end of {}:\n{}", self.log.display(), process::tail(&self.log, N_LOG_LINES))
    }
}

/// The records read from the input topic, as `/metrics` has them.
fn records_in(metrics: &str) -> u64 {
    let ours = metrics
        .lines()
        .filter(|line| line.starts_with("nowfold_records_in_total{") && line.contains("topic=\"torture-in\""));
    ours.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_records_of_the_input_topic_only() {
        let metrics = "# TYPE nowfold_records_in_total counter
nowfold_records_in_total{topic=\"torture-in\",partition=\"0\"} 12
nowfold_records_in_total{topic=\"torture-actions\",partition=\"0\"} 100
nowfold_records_in_total{topic=\"torture-in\",partition=\"1\"} 30
nowfold_records_out_total{topic=\"torture-in\"} 1000
";
        assert_eq!(records_in(metrics), 42);
    }
}
