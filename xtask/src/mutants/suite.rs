//! The suites that have to notice: the tests of the feature store through its public interface, the random ones with fewer
//! cases; and the simulator of whole applications.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::tree::Tree;

/// Cases of each random law; the run against the oracle does a hundred operations for each.
const CASES: &str = "100";
/// Random operations that come first: most bugs are noticed by them.
const OPERATIONS: &str = "20000";
/// The tests that come then: those of single rules.
const TESTS: [&str; 5] = ["admission", "caps", "envelope", "golden", "versions"];
/// A mutation may make a loop endless. The suite takes seconds.
const RUN_WITHIN: Duration = Duration::from_secs(600);

/// Seeds of the simulator.
const SEEDS: &str = "500";

/// Who has to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// The tests of the feature store.
    Features,
    /// The simulator, for what runs applications.
    Simulator,
}

impl Suite {
    /// Where its mutations are, from the workspace's root.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Features => "tests/mutations",
            Self::Simulator => "tests/mutations/simulator",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Features => "nowfold-operators",
            Self::Simulator => "nowfold-simulate",
        }
    }

    /// Builds and runs the suite.
    ///
    /// # Errors
    /// When Cargo does not start.
    pub(crate) fn run(self, tree: &Tree) -> Result<(Verdict, Duration)> {
        let started = Instant::now();
        let verdict = match self {
            Self::Features => features(tree)?,
            Self::Simulator => {
                let (verdict, seeds) = part(tree, self, "run", &[], &["--seeds", SEEDS, "--stop-after", "5"])?;
                named(verdict, || simulated(&seeds))
            }
        };
        Ok((verdict, started.elapsed()))
    }
}

/// A verdict with a word on who noticed, where no test is named.
fn named(mut verdict: Verdict, who: impl FnOnce() -> String) -> Verdict {
    if let Verdict::Caught(tests) = &mut verdict
        && tests.is_empty()
    {
        tests.push(who());
    }
    verdict
}

/// Which seeds noticed, by the closing line: each shows the same again with `cargo xtask simulate --seeds 1 --from SEED`.
fn simulated(output: &str) -> String {
    let line = output.lines().last().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let seeds = line.and_then(|line| line.get("failed_seeds")?.as_array().cloned());
    let Some(seeds) = seeds else { return "the simulator, which did not end".to_owned() };
    let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    format!("seeds {}, where the run stopped", seeds.join(", "))
}

/// What the suite said to a mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// These noticed it.
    Caught(Vec<String>),
    /// The suite did not end.
    Endless,
    /// Nothing noticed.
    Survived,
    /// It is no bug but nonsense.
    DoesNotCompile(String),
}

impl Verdict {
    pub(crate) fn is_caught(&self) -> bool {
        matches!(self, Self::Caught(_) | Self::Endless)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(tests) => match tests.as_slice() {
                [] => f.write_str("caught"),
                [only] => write!(f, "caught by {only}"),
                [first, others @ ..] => write!(f, "caught by {first} and {} other tests", others.len()),
            },
            Self::Endless => write!(f, "caught: the suite did not end within {} s", RUN_WITHIN.as_secs()),
            Self::Survived => f.write_str("SURVIVED"),
            Self::DoesNotCompile(error) => write!(f, "DOES NOT COMPILE: {error}"),
        }
    }
}

/// Builds and runs the random operations, and where they notice nothing all tests.
fn features(tree: &Tree) -> Result<Verdict> {
    let suite = Suite::Features;
    let operations = ["--ops", OPERATIONS, "--seed", "1", "--no-shrink"];
    let (mut verdict, _) = part(tree, suite, "run", &["--example", "differential"], &operations)?;
    if verdict == Verdict::Survived {
        (verdict, _) = part(tree, suite, "test", &["--test", "it"], &TESTS)?;
    }
    Ok(named(verdict, || "the random operations".to_owned()))
}

/// Builds one target and runs it; also gives what it printed.
fn part(tree: &Tree, suite: Suite, command: &str, target: &[&str], arguments: &[&str]) -> Result<(Verdict, String)> {
    let build = if command == "run" { vec!["build"] } else { vec!["test", "--no-run"] };
    let built = cargo(tree, suite, &build).args(target).output().context("cargo did not start")?;
    if !built.status.success() {
        let text = String::from_utf8_lossy(&built.stderr);
        let error = text.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
        return Ok((Verdict::DoesNotCompile(error.to_owned()), String::new()));
    }
    let mut command = cargo(tree, suite, &[command]);
    command.args(target).arg("--").args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("cargo did not start")?;
    let output = read_beside(&mut child)?;
    let Some(status) = wait(&mut child)? else { return Ok((Verdict::Endless, String::new())) };
    let text = output.join().unwrap_or_default();
    let verdict = if status.success() { Verdict::Survived } else { Verdict::Caught(failed(&text)) };
    Ok((verdict, text))
}

fn cargo(tree: &Tree, suite: Suite, words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).args(["-q", "-p", suite.package()]);
    command.current_dir(&tree.root).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", tree.root.join("target")).env("CARGO_INCREMENTAL", "1");
    command.env("NOWFOLD_CASES", CASES).env("RUST_BACKTRACE", "0").env("RUSTFLAGS", "-A warnings");
    // What is compiled for every mutation and run for seconds need not be fast.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    // Of its own group, so that the tests end with it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// Reads all that a child prints while it runs, so that it never waits for a reader.
fn read_beside(child: &mut Child) -> Result<std::thread::JoinHandle<String>> {
    let mut stdout = child.stdout.take().context("the child has no output")?;
    Ok(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }))
}

/// Waits for a child; ends its group and returns nothing when it takes too long.
fn wait(child: &mut Child) -> Result<Option<std::process::ExitStatus>> {
    let started = Instant::now();
    while started.elapsed() < RUN_WITHIN {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // std ends one process only; the shell's built-in `kill` takes a group.
    Command::new("sh").args(["-c", &format!("kill -KILL -{}", child.id())]).status().context("sh did not start")?;
    child.wait()?;
    Ok(None)
}

/// Names of the failed tests, as the test harness lists them at its end.
fn failed(output: &str) -> Vec<String> {
    let mut tests: Vec<String> = Vec::new();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----")) {
            tests.push(name.to_owned());
        }
    }
    tests.sort();
    tests.dedup();
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_tests_that_failed() {
        let output =
            "running 2 tests\n.F\nfailures:\n\n---- laws::law_1 stdout ----\nbad\n\nfailures:\n    laws::law_1\n";
        assert_eq!(failed(output), ["laws::law_1"]);
        assert_eq!(Verdict::Caught(failed(output)).to_string(), "caught by laws::law_1");
    }

    #[test]
    fn names_the_seeds_that_failed() {
        assert_eq!(simulated("a line\n{\"failed_seeds\":[3,14]}\n"), "seeds 3, 14, where the run stopped");
        assert_eq!(simulated(""), "the simulator, which did not end");
    }

    #[test]
    fn a_survivor_and_nonsense_are_not_caught() {
        assert!(!Verdict::Survived.is_caught());
        assert!(!Verdict::DoesNotCompile("error".to_owned()).is_caught());
        assert!(Verdict::Endless.is_caught());
    }
}
