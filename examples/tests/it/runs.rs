//! The `replay` binary itself: real data through the whole pipeline, on the embedded log and on Kafka, in order, shuffled,
//! repeated, and killed in the middle. No answer may be wrong.
//!
//! Kafka is found in `NOWFOLD_TEST_KAFKA` (and a registry in `NOWFOLD_TEST_REGISTRY`).

use std::path::{Path, PathBuf};
use std::process::Command;

use nowfold_examples::replay::mapping::CompiledMapping;
use nowfold_examples::replay::questions::{Answer, QuestionFile, differences};
use serde_json::Value;

use crate::real_sets::shared_dir;
use crate::workspace;

/// How a run differs from the plain one.
const SHUFFLED: &[&str] = &["--shuffle-within", "1h"];
const REPEATED: &[&str] = &["--duplicate", "0.05"];
const KILLED: &[&str] = &["--restart-at-line", "9000"];

struct Set {
    mapping: PathBuf,
    data: Option<PathBuf>,
    retention: &'static str,
}

fn bundled() -> Set {
    let mapping = workspace().join("examples/data/nycflights13/mapping.toml");
    Set { mapping, data: None, retention: "121h" }
}

/// A set of `shared/`, when it is there.
fn shared(name: &str) -> Option<Set> {
    let mapping = workspace().join("tests/replay").join(name).with_extension("toml");
    let data = shared_dir(name)?;
    Some(Set { mapping, data: Some(data), retention: "169h" })
}

/// Runs the binary over a set and compares every answer. Gives the number of questions.
#[track_caller]
fn check(set: &Set, options: &[&[&str]]) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let answers = dir.path().join("answers.jsonl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.arg("--mapping").arg(&set.mapping).args(["--retention", set.retention]).arg("--answers").arg(&answers);
    if let Some(data) = &set.data {
        command.arg("--mapped-dir").arg(data);
    }
    command.args(options.concat());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = questions(set);
    compare(&QuestionFile::load(&file).unwrap(), &answers)
}

/// The mapping's question file.
fn questions(set: &Set) -> PathBuf {
    let mapping = CompiledMapping::load(&set.mapping).unwrap();
    let mapping = set.data.iter().fold(mapping, |mapping, data| mapping.with_data_dir(data));
    mapping.resolve(mapping.questions().file.as_ref().unwrap())
}

#[track_caller]
fn compare(questions: &QuestionFile, answers: &Path) -> usize {
    let text = std::fs::read_to_string(answers).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), questions.queries.len(), "one answer for each question");
    let wrong = questions.queries.iter().flat_map(|question| {
        let line = lines.iter().find(|line| line["id"] == question.id.as_str()).unwrap();
        let answer: Answer = serde_json::from_value(line.clone()).unwrap();
        differences(question.expect.as_ref().unwrap(), &answer, questions.tolerance)
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
    lines.len()
}

/// Options for Kafka under names of their own, when there is one.
fn kafka(test: &str) -> Option<Vec<String>> {
    let Ok(bootstrap) = std::env::var("NOWFOLD_TEST_KAFKA") else {
        eprintln!("SKIPPED {test}: no NOWFOLD_TEST_KAFKA; `cargo xtask kafka start` gives one");
        return None;
    };
    let prefix = format!("{test}-{}", std::process::id());
    let mut options = vec!["--bootstrap".to_owned(), bootstrap, "--prefix".to_owned(), prefix];
    if let Ok(registry) = std::env::var("NOWFOLD_TEST_REGISTRY") {
        options.extend(["--registry".to_owned(), registry]);
    }
    Some(options)
}

#[test]
fn the_bundled_set_is_answered_on_the_embedded_log() {
    assert_eq!(check(&bundled(), &[]), 42);
}

#[test]
fn a_feature_file_is_answered_in_windows_of_every_kind() {
    let data = workspace().join("examples/data/nycflights13");
    let (features, questions) = (data.join("features.toml"), data.join("feature-questions.json"));
    let dir = tempfile::tempdir().unwrap();
    let answers = dir.path().join("answers.jsonl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command
        .arg("--mapping")
        .arg(data.join("mapping.toml"))
        .args(["--retention", "5000h"])
        .args(SHUFFLED)
        .args(REPEATED);
    command.arg("--features").arg(&features).arg("--questions").arg(&questions).arg("--answers").arg(&answers);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(compare(&QuestionFile::load(&questions).unwrap(), &answers), 48);
}

#[test]
fn mistakes_in_a_feature_file_are_told_before_anything_is_fed() {
    let dir = tempfile::tempdir().unwrap();
    let features = dir.path().join("features.toml");
    let text = "[[features]]\nname = \"f\"\naggregate = \"sum\"\nof = \"verb.dep_dely\"\nwithin = \"24h\"\n";
    std::fs::write(&features, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    let output = command.arg("--mapping").arg(bundled().mapping).arg("--features").arg(&features).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("did you mean \"verb.dep_delay\"?"), "{error}");
}

#[test]
fn the_bundled_set_is_answered_shuffled_repeated_and_killed() {
    assert_eq!(check(&bundled(), &[SHUFFLED, REPEATED, KILLED]), 42);
}

#[test]
fn online_retail_is_answered_on_the_embedded_log() {
    let Some(set) = shared("online-retail") else { return };
    assert_eq!(check(&set, &[]), 40);
    assert_eq!(check(&set, &[SHUFFLED, REPEATED, KILLED]), 40);
}

#[test]
fn wikipedia_edits_are_answered_on_the_embedded_log() {
    let Some(set) = shared("wikipedia-edits") else { return };
    assert_eq!(check(&set, &[]), 50);
    assert_eq!(check(&set, &[SHUFFLED, REPEATED, KILLED]), 50);
}

#[test]
fn the_bundled_set_is_answered_on_kafka_and_through_a_kill() {
    let Some(options) = kafka("flights") else { return };
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    assert_eq!(check(&bundled(), &[&options, SHUFFLED, REPEATED, KILLED]), 42);
}

#[test]
fn online_retail_is_answered_on_kafka() {
    let (Some(set), Some(options)) = (shared("online-retail"), kafka("retail")) else { return };
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    assert_eq!(check(&set, &[&options]), 40);
}

#[test]
fn wikipedia_edits_are_answered_on_kafka_and_through_a_kill() {
    let (Some(set), Some(options)) = (shared("wikipedia-edits"), kafka("edits")) else { return };
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    assert_eq!(check(&set, &[&options, SHUFFLED, REPEATED, KILLED]), 50);
}
