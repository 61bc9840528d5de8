//! `cargo xtask torture`: an application under load on a real Kafka whose processes are killed again and again, and a
//! verifier in another language that recomputes everything from the input topic.

mod broker;
mod fleet;
mod load;
mod plan;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cargo::{self, Metadata, cargo};
use crate::workspace;
use fleet::Fleet;
use load::Load;
use plan::{Broker, Cycle};

const PARTITIONS: u32 = 6;
/// Event times spread over this long.
const SPAN: Duration = Duration::from_secs(24 * 3_600);
/// The application may stand still this long, as when a broker restarts and a session has to end.
const STUCK: Duration = Duration::from_secs(180);
const READY_WITHIN: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a crash may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

/// A bug on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plant {
    Lost,
    Doubled,
    Feature,
}

/// Options of a run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Torture {
    /// How often processes are killed.
    #[arg(long, default_value_t = 10)]
    cycles: u64,
    #[arg(long, value_enum, default_value = "exactly-once")]
    guarantee: Guarantee,
    /// How often the broker is restarted meanwhile: killed and ended in order by turns.
    #[arg(long, default_value_t = 0)]
    broker_restarts: u64,
    /// Input records in all; without it, 20,000 for each cycle.
    #[arg(long)]
    records: Option<u64>,
    /// Processes of the application.
    #[arg(long, default_value_t = 3)]
    processes: usize,
    /// What is killed when follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Different keys, which are also the actors.
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// One input record of so many is an action, too: actions are read again at every start.
    #[arg(long, default_value_t = 8)]
    actions_every: u64,
    /// Plant a bug, to see the verifier find it.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Run a debug build of the application.
    #[arg(long)]
    debug: bool,
    /// Keep Kafka running with what was written.
    #[arg(long)]
    keep: bool,
}

impl Torture {
    /// What CI runs.
    pub(crate) fn short(guarantee: Guarantee) -> Self {
        let (records, debug, broker_restarts) = (Some(100_000), true, u64::from(guarantee == Guarantee::ExactlyOnce));
        Self {
            cycles: 3,
            guarantee,
            broker_restarts,
            records,
            processes: 3,
            seed: 1,
            keys: 2_000,
            actions_every: 8,
            plant: None,
            debug,
            keep: false,
        }
    }

    /// Runs the cycles, verifies, and prints one line of JSON. Succeeds when nothing was lost, doubled or wrong; under
    /// at-least-once outputs may come twice.
    ///
    /// # Errors
    /// When something does not run, or stands still.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let started = Instant::now();
        ensure!(self.cycles > 0 && self.processes > 1 && self.keys > 0, "it takes a cycle, two processes and a key");
        let program = self.build()?;
        let bootstrap = broker::start()?;
        let outcome = self.torture(&program, &bootstrap);
        let stopped = if self.keep { Ok(()) } else { broker::stop(outcome.is_err()) };
        let mut result = outcome?;
        stopped?;
        result.insert("seconds".to_owned(), json!(started.elapsed().as_secs()));
        println!("{}", Value::Object(result.clone()));
        Ok(if self.is_good(&result) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn is_good(&self, result: &Map<String, Value>) -> bool {
        let must_be_zero: &[_] = match self.guarantee {
            Guarantee::ExactlyOnce => &["lost", "duplicated", "wrong_aggregates", "wrong_features"],
            Guarantee::AtLeastOnce => &["lost", "wrong_aggregates", "wrong_features"],
        };
        must_be_zero.iter().all(|name| result.get(*name).and_then(Value::as_u64) == Some(0))
    }

    fn build(&self) -> Result<PathBuf> {
        let mut command = cargo(&["build", "--package", "nowfold-tests", "--example", "torture"]);
        let profile = if self.debug { "debug" } else { "release" };
        if !self.debug {
            command.arg("--release");
        }
        cargo::run(&mut command)?;
        Metadata::read()?.binary(profile, "examples/torture")
    }

    fn torture(&self, program: &Path, bootstrap: &str) -> Result<Map<String, Value>> {
        let dir = workspace::own_dir().join("torture");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).context("cannot create the directory of the logs")?;
        let from_ms = from_ms()?;
        let mut load = Load::start(self.load(program, bootstrap, from_ms))?;
        let mut fleet = Fleet::start(program.to_owned(), self.arguments(bootstrap), dir, self.processes)?;
        fleet.await_ready(READY_WITHIN)?;
        let cycles = plan::cycles(self.seed, self.cycles, self.processes, self.broker_restarts);
        for (number, cycle) in (0..).zip(&cycles) {
            let n = self.records() * (number + 1) / self.cycles - self.records() * number / self.cycles;
            Run { load: &mut load, fleet: &mut fleet, n, number: number + 1, of: self.cycles }.cycle(cycle)?;
        }
        let written = load.settle()?;
        fleet.await_ready(READY_WITHIN)?;
        eprintln!("{written} records are written; verifying");
        let mut result = verify::verify(&self.options(bootstrap, &fleet, from_ms))?;
        fleet.read()?;
        let n_kills: usize = cycles.iter().map(|cycle| cycle.victims.len()).sum();
        result.extend([
            ("guarantee".to_owned(), json!(name(self.guarantee))),
            ("seed".to_owned(), json!(self.seed)),
            ("cycles".to_owned(), json!(self.cycles)),
            ("kills".to_owned(), json!(n_kills)),
            ("broker_restarts".to_owned(), json!(self.broker_restarts)),
        ]);
        Ok(result)
    }

    fn records(&self) -> u64 {
        self.records.unwrap_or(20_000 * self.cycles)
    }

    fn load(&self, program: &Path, bootstrap: &str, from_ms: u64) -> Command {
        let mut command = Command::new(program);
        command.args(["load", "--bootstrap", bootstrap]).env("RUST_LOG", "error");
        command.args(["--partitions", &PARTITIONS.to_string(), "--keys", &self.keys.to_string()]);
        command.args(["--records", &self.records().to_string(), "--from-ms", &from_ms.to_string()]);
        command.args(["--span-ms", &SPAN.as_millis().to_string()]);
        command
    }

    fn arguments(&self, bootstrap: &str) -> Vec<String> {
        let mut arguments = vec!["--bootstrap".to_owned(), bootstrap.to_owned()];
        arguments.extend(["--actions-every".to_owned(), self.actions_every.to_string()]);
        if self.guarantee == Guarantee::ExactlyOnce {
            arguments.push("--exactly-once".to_owned());
        }
        if let Some(plant) = self.plant {
            arguments.extend(["--plant".to_owned(), name(plant)]);
        }
        arguments
    }

    /// What the verifier gets to know. Features are asked as of two instants.
    fn options(&self, bootstrap: &str, fleet: &Fleet, from_ms: u64) -> Vec<(&'static str, String)> {
        let span = u64::try_from(SPAN.as_millis()).unwrap_or(0);
        let as_of = [from_ms + span, from_ms + span * 2 / 3].map(|instant| instant.to_string());
        vec![
            ("bootstrap", bootstrap.to_owned()),
            ("guarantee", name(self.guarantee)),
            ("endpoints", fleet.addresses().join(",")),
            ("keys", self.keys.to_string()),
            ("actions-every", self.actions_every.to_string()),
            ("as-of", as_of.join(",")),
        ]
    }
}

/// One cycle being run.
struct Run<'a> {
    load: &'a mut Load,
    fleet: &'a mut Fleet,
    /// Records of this cycle.
    n: u64,
    number: u64,
    of: u64,
}

impl Run<'_> {
    /// Loads, kills in the middle of it, revives, and goes on until about as much was read as the cycle loads.
    fn cycle(mut self, cycle: &Cycle) -> Result<()> {
        let started = Instant::now();
        let before = self.fleet.read()?;
        self.load.order(self.n)?;
        let read = self.await_read(before, self.n * cycle.after_percent / 100)?;
        cycle.victims.iter().try_for_each(|victim| self.fleet.kill(*victim))?;
        match cycle.broker {
            Broker::Left => {}
            Broker::Restarted => broker::restart(false)?,
            Broker::Killed => broker::restart(true)?,
        }
        std::thread::sleep(cycle.down);
        cycle.victims.iter().try_for_each(|victim| self.fleet.revive(*victim))?;
        self.await_read(before, self.n)?;
        eprintln!(
            "cycle {}/{}: killed {:?} after {} of {} records, down {} ms, broker {:?}; {:.1} s",
            self.number,
            self.of,
            cycle.victims,
            read - before,
            self.n,
            cycle.down.as_millis(),
            cycle.broker,
            started.elapsed().as_secs_f64()
        );
        Ok(())
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

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Where event times begin: so that the last ones lie a few hours back.
fn from_ms() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let from = now.saturating_sub(SPAN + Duration::from_secs(6 * 3_600));
    Ok(u64::try_from(from.as_millis())?)
}
