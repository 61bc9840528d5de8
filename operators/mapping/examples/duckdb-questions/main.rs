//! Answers the questions of `tests/duckdb/*.toml` over the lines of a data set, and writes the SQL that asks DuckDB the
//! same: `cargo xtask duckdb`.
//!
//! `duckdb-questions QUESTIONS.toml OUT_DIR [DATA_DIR]` writes `answers.jsonl`, one `{"id": .., "value": ..}` a line, and
//! `script.sql`, which yields rows of `id` and `value`, a JSON text, in the same order.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test by another name: it fails by panicking")]

mod ask;
mod feed;
mod file;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use nowfold_mapping::CompiledMapping;

use ask::Asked;
use feed::Stores;
use file::{Question, QuestionFile};

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (questions, out, data) = match arguments.as_slice() {
        [questions, out] => (questions, out, None),
        [questions, out, data] => (questions, out, Some(data)),
        _ => panic!("write QUESTIONS.toml OUT_DIR [DATA_DIR]"),
    };
    let file: QuestionFile = toml::from_str(&fs::read_to_string(questions).unwrap()).unwrap();
    let mapping = CompiledMapping::load(&questions.parent().unwrap().join(&file.mapping)).unwrap();
    let mapping = data.into_iter().fold(mapping, |mapping, data| mapping.with_data_dir(data));
    let stores = Stores::fill(&mapping);
    let (mut answers, mut script) = (String::new(), file.views.replace("{data}", &data_dir(&mapping)));
    for question in &file.questions {
        let asked = Asked::of(question, &file, &stores);
        writeln!(answers, "{}", serde_json::json!({"id": question.id, "value": asked.value()})).unwrap();
        writeln!(script, "{}", sql(question, &asked)).unwrap();
    }
    fs::create_dir_all(out).unwrap();
    fs::write(out.join("answers.jsonl"), answers).unwrap();
    fs::write(out.join("script.sql"), script).unwrap();
    eprintln!("{} questions over {} events", file.questions.len(), stores.n_events());
}

/// The folder of the data's files.
fn data_dir(mapping: &CompiledMapping) -> String {
    let file = mapping.resolve(mapping.feed().files.first().map_or(Path::new(""), PathBuf::as_path));
    file.parent().unwrap().canonicalize().unwrap().display().to_string()
}

/// One statement for sqlline: `{q}` is the instant in milliseconds, `{actor}` the actor.
fn sql(question: &Question, asked: &Asked) -> String {
    let scalar = question.sql.trim().replace("{q}", &asked.as_of_ms().to_string());
    let scalar = scalar.replace("{actor}", &format!("'{}'", question.actor.replace('\'', "''"))).replace('\n', " ");
    format!("select '{}' as id, coalesce(to_json(({scalar}))::varchar, 'null') as value;", question.id)
}
