//! `cargo xtask torture`: an application under load on a real Kafka whose processes are killed again and again, and a
//! verifier in another language that recomputes everything from the input topic.

mod broker;
mod fleet;
mod load;
mod plan;
mod run;
mod run_dir;
mod verify;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cargo::{self, Metadata, cargo};
use broker::TortureKafka;
use fleet::{Crew, Fleet};
use load::Load;
use run::{Progress, Run};
use run_dir::RunDir;

const PARTITIONS: u32 = 6;
/// Event times spread over this long.
const SPAN: Duration = Duration::from_secs(24 * 3_600);
const READY_WITHIN: Duration = Duration::from_secs(300);

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

/// Which processes keep state in a directory of their own, which survives their deaths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LocalState {
    None,
    /// Two in four: one with a name and one without.
    Half,
    All,
}

impl LocalState {
    /// Whether process `i` does.
    fn is_of(self, i: usize) -> bool {
        match self {
            Self::None => false,
            Self::Half => (i / 2).is_multiple_of(2),
            Self::All => true,
        }
    }
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
    /// Which processes keep local state.
    #[arg(long, value_enum, default_value = "half")]
    local_state: LocalState,
    /// Plant a bug, to see the verifier find it.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Run a debug build of the application.
    #[arg(long)]
    debug: bool,
    /// Keep Kafka running with what was written, and the state of the processes.
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
            local_state: LocalState::Half,
            plant: None,
            debug,
            keep: false,
        }
    }

    /// What CI runs to see that the verifier finds something: records whose outputs come twice.
    pub(crate) fn planted() -> Self {
        let plant = Some(Plant::Doubled);
        Self {
            cycles: 1,
            broker_restarts: 0,
            records: Some(5_000),
            keys: 500,
            plant,
            ..Self::short(Guarantee::ExactlyOnce)
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
        let from_ms = from_ms()?;
        let dir = RunDir::create(&format!("{}-seed{}-{}", name(self.guarantee), self.seed, now_ms()? / 1_000))?;
        let kafka = TortureKafka::of(self.guarantee);
        let bootstrap = kafka.start()?;
        let setting = Setting { kafka: &kafka, bootstrap, dir: &dir, from_ms };
        let outcome = self.torture(&program, &setting);
        let is_good = outcome.as_ref().is_ok_and(|result| self.is_good(result));
        let cleared = self.clear_up(&kafka, &dir, is_good || self.plant.is_some());
        let mut result = outcome?;
        cleared?;
        result.insert("seconds".to_owned(), json!(started.elapsed().as_secs()));
        let line = Value::Object(result).to_string();
        std::fs::write(dir.path().join("result.json"), format!("{line}\n")).context("cannot keep the result")?;
        println!("{line}");
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// A failed run leaves all that there is, another one its logs.
    fn clear_up(&self, kafka: &TortureKafka, dir: &RunDir, is_good: bool) -> Result<()> {
        let at = dir.path().display();
        if self.keep {
            eprintln!("the logs of the processes and their state are in {at}");
            return Ok(());
        }
        if is_good {
            kafka.stop(&dir.broker_log())?;
            return dir.keep_logs();
        }
        eprintln!("the run failed; the logs of all processes, their state and the broker's data are in {at}");
        kafka.keep(&dir.broker_log(), &dir.broker_data())
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

    fn torture(&self, program: &Path, setting: &Setting<'_>) -> Result<Map<String, Value>> {
        let program = setting.dir.program(program)?;
        let verifier = verify::Verifier::copy(setting.dir.path())?;
        let mut load = Load::start(self.load(&program, &setting.bootstrap, setting.from_ms))?;
        let mut fleet = Fleet::start(&self.crew(program, &setting.bootstrap), setting.dir)?;
        fleet.await_ready(READY_WITHIN)?;
        let cycles = plan::cycles(self.seed, self.cycles, self.processes, self.broker_restarts);
        let mut progress = Progress::new(self.cycles);
        for (number, cycle) in (0..).zip(&cycles) {
            let n = self.records() * (number + 1) / self.cycles - self.records() * number / self.cycles;
            progress.say(&Run { load: &mut load, fleet: &mut fleet, setting, n }.cycle(cycle)?);
        }
        let written = load.settle()?;
        fleet.await_ready(READY_WITHIN)?;
        eprintln!("{written} records are written; verifying");
        let mut result = verifier.verify(&self.options(&setting.bootstrap, &fleet, setting.from_ms))?;
        fleet.read()?;
        let n_kills: usize = cycles.iter().map(|cycle| cycle.victims.len()).sum();
        result.extend([
            ("guarantee".to_owned(), json!(name(self.guarantee))),
            ("local_state".to_owned(), json!(name(self.local_state))),
            ("seed".to_owned(), json!(self.seed)),
            ("cycles".to_owned(), json!(self.cycles)),
            ("kills".to_owned(), json!(n_kills)),
            ("broker_restarts".to_owned(), json!(self.broker_restarts)),
        ]);
        Ok(result)
    }

    fn crew(&self, program: PathBuf, bootstrap: &str) -> Crew {
        let first_port = match self.guarantee {
            Guarantee::ExactlyOnce => 17_170,
            Guarantee::AtLeastOnce => 17_270,
        };
        let (n, local_state) = (self.processes, self.local_state);
        Crew { program, arguments: self.arguments(bootstrap), n, local_state, first_port }
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

/// What all parts of a run share.
#[derive(Debug)]
struct Setting<'a> {
    kafka: &'a TortureKafka,
    bootstrap: String,
    dir: &'a RunDir,
    /// Where event times begin.
    from_ms: u64,
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Where event times begin: so that the last ones lie a few hours back.
fn from_ms() -> Result<u64> {
    let since = SPAN + Duration::from_secs(6 * 3_600);
    Ok(now_ms()?.saturating_sub(u64::try_from(since.as_millis())?))
}

fn now_ms() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(u64::try_from(now.as_millis())?)
}
