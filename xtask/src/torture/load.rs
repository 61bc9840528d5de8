//! The process that writes the input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// The load: it writes what it is told, in the background.
#[derive(Debug)]
pub(super) struct Load {
    child: Child,
    orders: ChildStdin,
    lines: Receiver<String>,
    ordered: u64,
}

impl Load {
    /// Starts the process and waits until it has created the topics.
    ///
    /// # Errors
    /// When it does not start, or ends.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the load does not start")?;
        let orders = child.stdin.take().context("the load has no input")?;
        let output = child.stdout.take().context("the load has no output")?;
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        let load = Self { child, orders, lines, ordered: 0 };
        ensure!(load.line(Duration::from_secs(120))? == "ready", "the load is not ready");
        Ok(load)
    }

    /// Has it write `n` more records.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn order(&mut self, n: u64) -> Result<()> {
        writeln!(self.orders, "{n}").context("the load has ended")?;
        self.ordered += n;
        Ok(())
    }

    /// Waits until everything that was ordered is stored, and gives how many records that are.
    ///
    /// # Errors
    /// When it ends, or writes nothing for too long.
    pub(super) fn settle(&self) -> Result<u64> {
        loop {
            let written: u64 = self.line(Duration::from_secs(300))?.parse().context("the load says no number")?;
            if written == self.ordered {
                return Ok(written);
            }
        }
    }

    fn line(&self, bound: Duration) -> Result<String> {
        match self.lines.recv_timeout(bound) {
            Ok(line) => Ok(line),
            Err(error) => bail!("the load says nothing for {} s: {error}", bound.as_secs()),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
