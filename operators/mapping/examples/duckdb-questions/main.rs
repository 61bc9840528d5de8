//! Makes of the questions in `tests/duckdb/*.toml` what `replay` and DuckDB are asked: `cargo xtask duckdb`.
//!
//! `duckdb-questions QUESTIONS.toml OUT_DIR [DATA_DIR]` writes `mapping.toml`, `features.toml` and `questions.json` for
//! `replay`, and `script.sql`, which yields rows of `id` and `value`, a JSON text. The folder of the data is printed.

#![expect(clippy::unwrap_used, reason = "a test by another name: it fails by panicking")]

mod file;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use nowfold_mapping::CompiledMapping;
use serde_json::{Value, json};

use file::{Question, QuestionFile};

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (questions, out, data) = match arguments.as_slice() {
        [questions, out] => (questions, out, None),
        [questions, out, data] => (questions, out, Some(data)),
        _ => panic!("write QUESTIONS.toml OUT_DIR [DATA_DIR]"),
    };
    let file: QuestionFile = toml::from_str(&fs::read_to_string(questions).unwrap()).unwrap();
    let mapping_file = questions.parent().unwrap().join(&file.mapping);
    let mapping = CompiledMapping::load(&mapping_file).unwrap();
    let mapping = data.into_iter().fold(mapping, |mapping, data| mapping.with_data_dir(data));
    let data_dir = data_dir(&mapping);
    fs::create_dir_all(out).unwrap();
    fs::write(out.join("mapping.toml"), without_retention(&fs::read_to_string(mapping_file).unwrap())).unwrap();
    fs::write(out.join("features.toml"), features(&file)).unwrap();
    fs::write(out.join("questions.json"), for_replay(&file, &mapping)).unwrap();
    fs::write(out.join("script.sql"), script(&file, &data_dir)).unwrap();
    println!("{data_dir}");
}

/// The folder of the data's files.
fn data_dir(mapping: &CompiledMapping) -> String {
    let file = mapping.resolve(mapping.feed().files.first().map_or(Path::new(""), PathBuf::as_path));
    file.parent().unwrap().canonicalize().unwrap().display().to_string()
}

/// The mapping with stores that keep what the command line says: everything.
fn without_retention(mapping: &str) -> String {
    mapping.lines().filter(|line| !line.starts_with("retention")).fold(String::new(), |text, line| text + line + "\n")
}

/// One feature for each question, under its id.
fn features(file: &QuestionFile) -> String {
    let named = |question: &Question| {
        let mut feature = question.feature.clone();
        feature.insert("name".to_owned(), json!(question.id));
        Value::Object(feature)
    };
    toml::to_string(&json!({"features": file.questions.iter().map(named).collect::<Vec<_>>()})).unwrap()
}

fn for_replay(file: &QuestionFile, mapping: &CompiledMapping) -> String {
    let query = |question: &Question| {
        json!({
            "id": question.id,
            "actor_field": actor_field(mapping, &question.store),
            "actor": question.actor,
            "window_ms": 1,
            "as_of_ms": question.as_of_ms(),
            "features": [question.id],
        })
    };
    json!({"queries": file.questions.iter().map(query).collect::<Vec<_>>()}).to_string()
}

/// What the mapping's questions call the actors of a store.
fn actor_field<'a>(mapping: &'a CompiledMapping, store: &str) -> &'a str {
    let number = mapping.actions().iter().position(|entry| entry.store() == store);
    let number = number.unwrap_or_else(|| panic!("there is no store {store}"));
    let fields = &mapping.questions().actor_fields;
    fields.iter().find(|(_, index)| *index == number).map(|(field, _)| field).unwrap()
}

/// One statement a question for sqlline: `{q}` is the instant in milliseconds, `{actor}` the actor.
fn script(file: &QuestionFile, data_dir: &str) -> String {
    let mut script = file.views.replace("{data}", data_dir);
    for question in &file.questions {
        let scalar = question.sql.trim().replace("{q}", &question.as_of_ms().to_string());
        let scalar = scalar.replace("{actor}", &format!("'{}'", question.actor.replace('\'', "''"))).replace('\n', " ");
        let id = &question.id;
        writeln!(script, "select '{id}' as id, coalesce(to_json(({scalar}))::varchar, 'null') as value;").unwrap();
    }
    script
}
