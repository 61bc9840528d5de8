//! `cargo xtask fuzz`: invented bytes into everything that is read from outside, under libFuzzer.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cargo::{self, cargo};
use crate::workspace;

/// Options of the fuzzing.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fuzz {
    /// Targets to run; all of `fuzz/run/fuzz_targets` when none is named.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

impl Fuzz {
    /// Runs each target for its time, from the seeds and from what earlier runs found worth keeping.
    ///
    /// # Errors
    /// When a target finds a case that panics (the case's file is named), or there is no nightly compiler.
    pub(crate) fn run(&self) -> Result<()> {
        let known = known()?;
        if let Some(unknown) = self.targets.iter().find(|name| !known.contains(name)) {
            bail!("there is no target {unknown:?}; known: {}", known.join(", "));
        }
        ensure_tool()?;
        let targets = if self.targets.is_empty() { &known } else { &self.targets };
        for (number, target) in (1..).zip(targets) {
            eprintln!("fuzz: {target} ({number} of {}), {} s", targets.len(), self.seconds);
            self.run_one(target)?;
        }
        println!("{} targets, {} s each: nothing found", targets.len(), self.seconds);
        Ok(())
    }

    fn run_one(&self, target: &str) -> Result<()> {
        let dir = workspace::root().join("fuzz");
        let corpus = workspace::own_dir().join("fuzz").join(target);
        fs::create_dir_all(&corpus).with_context(|| format!("cannot create {}", corpus.display()))?;
        let mut command = rustup_cargo(&["fuzz", "run", "--fuzz-dir"]);
        command.arg(dir.join("run")).arg(target).arg(corpus).arg(dir.join("seeds").join(target));
        command.args(["--", &format!("-max_total_time={}", self.seconds), "-timeout=20", "-rss_limit_mb=4096"]);
        cargo::run(&mut command).with_context(|| {
            format!("copy the case that is named above into fuzz/found/{target}, where the tests run it from then on")
        })
    }
}

fn known() -> Result<Vec<String>> {
    let dir = workspace::root().join("fuzz/run/fuzz_targets");
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let mut names: Vec<String> =
        paths.iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// Installs cargo-fuzz where it is missing, and sees that there is a nightly compiler.
fn ensure_tool() -> Result<()> {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let nightly = quiet(&mut rustup_cargo(&["--version"])).is_ok_and(|status| status.success());
    ensure!(nightly, "fuzzing needs a nightly compiler: rustup toolchain install nightly --profile minimal");
    if !quiet(&mut rustup_cargo(&["fuzz", "--version"])).is_ok_and(|status| status.success()) {
        cargo::run(&mut cargo(&["install", "cargo-fuzz", "--locked"]))?;
    }
    Ok(())
}

/// Cargo of the nightly toolchain: `+nightly` is read by rustup's own `cargo` only, not by the one that runs xtask.
fn rustup_cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.arg("+nightly").args(arguments).current_dir(workspace::root());
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    command
}
