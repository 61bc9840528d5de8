//! One cycle after the other.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Setting;
use super::fleet::Fleet;
use super::load::Load;
use super::plan::{Broker, Cycle};

/// The application may stand still this long, as when a broker restarts and a session has to end.
const STUCK: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One cycle being run.
pub(super) struct Run<'a> {
    pub(super) load: &'a mut Load,
    pub(super) fleet: &'a mut Fleet,
    pub(super) setting: &'a Setting<'a>,
    /// Records of this cycle.
    pub(super) n: u64,
}

impl Run<'_> {
    /// Loads, kills in the middle of it, revives, and goes on until about as much was read as the cycle loads.
    pub(super) fn cycle(mut self, cycle: &Cycle) -> Result<Done> {
        let started = Instant::now();
        let before = self.fleet.read()?;
        self.load.order(self.n)?;
        let read = self.await_read(before, self.n * cycle.after_percent / 100)?;
        let until_kill = started.elapsed();
        cycle.victims.iter().try_for_each(|victim| self.fleet.kill(*victim))?;
        let log = self.setting.dir.broker_log();
        match cycle.broker {
            Broker::Left => {}
            Broker::Restarted => self.setting.kafka.restart(false, &log)?,
            Broker::Killed => self.setting.kafka.restart(true, &log)?,
        }
        std::thread::sleep(cycle.down);
        cycle.victims.iter().try_for_each(|victim| self.fleet.revive(*victim))?;
        let revived = started.elapsed();
        self.await_read(before, self.n)?;
        let (cycle, n, after) = (cycle.clone(), self.n, read - before);
        Ok(Done { cycle, n, after, until_kill, dead: revived - until_kill, rest: started.elapsed() - revived })
    }

    /// Waits until `n` more records than `before` are read, and gives how many are.
    fn await_read(&mut self, before: u64, n: u64) -> Result<u64> {
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            let read = self.fleet.read()?;
            if read >= before + n {
                return Ok(read);
            }
            if read != last {
                (last, moved) = (read, Instant::now());
            }
            if moved.elapsed() >= STUCK {
                bail!("nothing is read for {} s, {} of {n} records into a cycle", STUCK.as_secs(), read - before);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// A cycle that is over, and where its time went.
#[derive(Debug)]
pub(super) struct Done {
    cycle: Cycle,
    n: u64,
    /// Records read before the kill.
    after: u64,
    until_kill: Duration,
    /// From the kill to the new life, the restart of the broker included.
    dead: Duration,
    /// Until all was read.
    rest: Duration,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycle, n, after, until_kill, dead, rest } = self;
        let [until_kill, dead, rest] = [until_kill, dead, rest].map(Duration::as_secs_f64);
        write!(
            f,
            "killed {:?} after {after} of {n} records and {until_kill:.1} s, broker {:?}, ",
            cycle.victims, cycle.broker
        )?;
        write!(f, "dead for {dead:.1} s, all read {rest:.1} s later")
    }
}

/// How far a run is.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    done: u32,
    of: u64,
}

impl Progress {
    pub(super) fn new(of: u64) -> Self {
        Self { started: Instant::now(), done: 0, of }
    }

    /// Says what became of the next cycle, and how long the others may take.
    pub(super) fn say(&mut self, cycle: &Done) {
        self.done += 1;
        let each = self.started.elapsed() / self.done;
        let left = each.as_secs_f64() * self.of.saturating_sub(u64::from(self.done)) as f64;
        eprintln!("cycle {}/{}: {cycle}; about {left:.0} s left", self.done, self.of);
    }
}
