//! `cargo xtask duckdb`: questions over real data in every kind of window, answered by `replay` and by DuckDB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::cargo::{self, cargo};
use crate::maven::{self, Coordinates};
use crate::{java, workspace};

/// DuckDB needs no more.
const JAVA: u32 = 8;
const VERSION: &str = "1.4.4.0";
/// More than any data set spans.
const RETENTION: &str = "240000h";
/// Sums may be added in another order.
const TOLERANCE: f64 = 1e-9;
/// Vectors are given as f32.
const VECTOR_TOLERANCE: f64 = 1e-6;

/// Options of the check.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DuckDb {
    /// Only data sets whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// How often the two agreed, and how often not.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl DuckDb {
    /// Asks the questions of `tests/duckdb/*.toml` and compares. Data sets that are not part of the repository are asked
    /// where they are: in `$NOWFOLD_SHARED/data` or `../shared/data`.
    ///
    /// # Errors
    /// When an answer differs, or DuckDB or Java is not to be had.
    pub(crate) fn run(&self) -> Result<()> {
        let java = java::require(JAVA, "DuckDB")?;
        let artifacts =
            [Coordinates("org.duckdb", "duckdb_jdbc", VERSION), Coordinates("sqlline", "sqlline", "1.12.0")];
        let jars = maven::jars(&format!("duckdb-{VERSION}"), &artifacts, &format!("duckdb_jdbc-{VERSION}.jar"))?;
        let mut tally = Tally::default();
        for file in question_files()? {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
                continue;
            }
            match data_of(&name) {
                Some(data) => check(&file, &name, data.as_deref(), &java.launcher, &jars, &mut tally)?,
                None => eprintln!("SKIPPED: {name}: its data are not here; set NOWFOLD_SHARED"),
            }
        }
        println!("{} passed, {} failed", tally.passed, tally.failed);
        ensure!(tally.failed == 0 && tally.passed > 0, "replay and DuckDB differ");
        Ok(())
    }
}

fn question_files() -> Result<Vec<PathBuf>> {
    let dir = workspace::root().join("tests/duckdb");
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

/// The folder of a data set: nothing for the bundled one, whose mapping knows it; `None` when it is missing.
fn data_of(name: &str) -> Option<Option<PathBuf>> {
    if workspace::root().join("examples/data").join(name).is_dir() {
        return Some(None);
    }
    let shared = std::env::var_os("NOWFOLD_SHARED").map_or_else(|| workspace::root().join("../shared"), PathBuf::from);
    let data = shared.join("data").join(name);
    data.is_dir().then_some(Some(data))
}

fn check(file: &Path, name: &str, data: Option<&Path>, java: &Path, jars: &Path, tally: &mut Tally) -> Result<()> {
    let out = workspace::own_dir().join("duckdb").join(name);
    let answers = replay(file, &out, data)?;
    let expected = ask(java, jars, &out.join("script.sql"))?;
    ensure!(expected.len() == answers.len(), "DuckDB gave {} answers to {} questions", expected.len(), answers.len());
    for (id, value) in &expected {
        let answer = answers.iter().find(|answer| answer.get("id").and_then(Value::as_str) == Some(id));
        let answer = answer.with_context(|| format!("replay gave no answer to {id}"))?;
        let own = answer.pointer(&format!("/features/{id}")).unwrap_or(&Value::Null);
        if agree(own, value, TOLERANCE) {
            tally.passed += 1;
        } else {
            tally.failed += 1;
            eprintln!("{name}: {id}: replay says {own}, DuckDB {value}");
        }
    }
    Ok(())
}

/// Feeds a data set to `replay`, with the questions' features registered, and asks it all at the end; its answers.
fn replay(file: &Path, out: &Path, data: Option<&Path>) -> Result<Vec<Value>> {
    let mut prepare = cargo(&["run", "-p", "nowfold-mapping", "--example", "duckdb-questions", "--"]);
    prepare.arg(file).arg(out).args(data).stderr(Stdio::inherit());
    let prepared = prepare.output().context("cargo did not start")?;
    ensure!(prepared.status.success(), "the questions of {} could not be prepared", file.display());
    let data_dir = String::from_utf8(prepared.stdout)?;
    let mut command = cargo(&["run", "-p", "nowfold-examples", "--bin", "replay", "--"]);
    for (flag, name) in
        [("--mapping", "mapping.toml"), ("--features", "features.toml"), ("--questions", "questions.json")]
    {
        command.arg(flag).arg(out.join(name));
    }
    let answers = out.join("answers.jsonl");
    command.arg("--answers").arg(&answers).args(["--mapped-dir", data_dir.trim(), "--retention", RETENTION]);
    cargo::run(&mut command)?;
    let answers = fs::read_to_string(answers).context("replay wrote no answers")?;
    answers.lines().map(|line| serde_json::from_str(line).context("replay's answer is not JSON")).collect()
}

/// Runs a script; the ids and values of its rows.
fn ask(java: &Path, jars: &Path, script: &Path) -> Result<Vec<(String, Value)>> {
    let mut command = Command::new(java);
    command.arg("-cp").arg(jars.join("*")).args(["sqlline.SqlLine", "-u", "jdbc:duckdb:", "-n", "", "-p", ""]);
    command.args(["-d", "org.duckdb.DuckDBDriver", "--outputformat=json", "--silent=true", "--maxWidth=100000"]);
    command.arg(format!("--run={}", script.display())).stdin(Stdio::null());
    let output = command.output().context("java did not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("{\"id\":")) {
        let row: Value = serde_json::from_str(line.trim_end_matches(',')).with_context(|| format!("no row: {line}"))?;
        let (id, value) = (row.get("id").and_then(Value::as_str), row.get("value").and_then(Value::as_str));
        let (Some(id), Some(value)) = (id, value) else { bail!("a row without id and value: {line}") };
        rows.push((id.to_owned(), serde_json::from_str(value).with_context(|| format!("{id}: {value} is no JSON"))?));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(!errors.contains("Error:"), "DuckDB refused:\n{errors}");
    Ok(rows)
}

/// Numbers within a tolerance, all else alike.
fn agree(own: &Value, other: &Value, tolerance: f64) -> bool {
    match (own, other) {
        (Value::Array(own), Value::Array(other)) => {
            let tolerance = if own.iter().all(Value::is_f64) { VECTOR_TOLERANCE } else { tolerance };
            own.len() == other.len() && own.iter().zip(other).all(|(own, other)| agree(own, other, tolerance))
        }
        (Value::Object(own), Value::Object(other)) => {
            let same = |(key, own): (&String, &Value)| other.get(key).is_some_and(|other| agree(own, other, tolerance));
            own.len() == other.len() && own.iter().all(same)
        }
        _ => match (own.as_f64(), other.as_f64()) {
            (Some(own), Some(other)) => (own - other).abs() <= tolerance * other.abs().max(1.0),
            _ => own == other,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_agree_up_to_the_order_of_sums() {
        let pairs = [
            (json!(3), json!(3.0), true),
            (json!(3), json!(4), false),
            (json!(1e9), json!(1e9 + 0.1), true),
            (json!(null), json!(0), false),
            (json!([0.1, 0.2]), json!([0.100_000_01, 0.2]), true),
            (json!([1, 2]), json!([1, 2, 3]), false),
            (json!({"a": 1}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"b": 1}), false),
            (json!("a"), json!("a"), true),
        ];
        for (own, other, expected) in pairs {
            assert_eq!(agree(&own, &other, TOLERANCE), expected, "{own} {other}");
        }
    }
}
