//! The processes of the application.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::LocalState;
use super::run_dir::RunDir;
use crate::process;
use crate::server::{ports, wire};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The log itself stays; this is what an error shows of it.
const N_LOG_LINES: usize = 60;

/// All processes. What is still running when this is dropped is killed.
#[derive(Debug)]
pub(super) struct Fleet {
    members: Vec<Member>,
}

/// What the processes are.
#[derive(Debug)]
pub(super) struct Crew {
    /// The program and its arguments, without those of a member.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// How many processes.
    pub(super) n: usize,
    /// Which of them keep state on the disk.
    pub(super) local_state: LocalState,
    /// The first port that is tried for queries.
    pub(super) first_port: u16,
}

/// One process of the application, through its lives.
#[derive(Debug)]
struct Member {
    program: PathBuf,
    /// All that stays the same from life to life.
    arguments: Vec<String>,
    port: u16,
    log: PathBuf,
    child: Option<Child>,
    n_lives: u64,
    /// Input records that this life has read, and all before it, as last seen.
    read: u64,
    read_before: u64,
}

impl Fleet {
    /// Starts the processes. Every other one has a name that survives its death.
    ///
    /// # Errors
    /// When one does not start.
    pub(super) fn start(crew: &Crew, dir: &RunDir) -> Result<Self> {
        let mut fleet = Self { members: Vec::new() };
        let mut port = crew.first_port;
        for i in 0..crew.n {
            port = ports::first_free(port)?;
            let mut member = Member::new(crew, dir, i, port);
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
    fn new(crew: &Crew, dir: &RunDir, i: usize, port: u16) -> Self {
        let mut arguments = vec!["app".to_owned()];
        arguments.extend(crew.arguments.iter().cloned());
        arguments.extend(["--http".to_owned(), format!("127.0.0.1:{port}")]);
        if i.is_multiple_of(2) {
            arguments.extend(["--name".to_owned(), format!("torture-{i}")]);
        }
        if crew.local_state.is_of(i) {
            arguments.extend(["--state-dir".to_owned(), dir.state(i).display().to_string()]);
        }
        let (program, log) = (crew.program.clone(), dir.log(i));
        Self { program, arguments, port, log, child: None, n_lives: 0, read: 0, read_before: 0 }
    }

    fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the process at port {} runs already", self.port);
        let mut log = File::options().create(true).append(true).open(&self.log).context("cannot open a log")?;
        self.n_lives += 1;
        writeln!(log, "---- life {}: {}", self.n_lives, self.arguments.join(" "))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
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
