//! Question files and when their questions are asked.

use nowfold::core::time::hours;
use nowfold_examples::replay::questions::{Question, QuestionFile, Schedule, Tolerance};

const FILE: &str = r#"{"dataset": "d", "semantics": ["..."], "tolerance": {"relative": 1e-3}, "queries": [
    {"id": "q1", "actor_field": "u", "actor": "ann", "verb": "buy", "window_ms": 3600000, "as_of_ms": 5, "feed_lines": 2,
     "retention_needed_ms": 7200000, "as_of": "1970-01-01T00:00:00.005Z", "expect": {"count": 0}},
    {"id": "q2", "actor_field": "u", "actor": 17850, "verb": null, "window_ms": 3600000, "as_of_ms": 5, "feed_lines": 0},
    {"id": "q3", "actor_field": "u", "actor": "bob", "window_ms": 3600000, "as_of_ms": 5}
]}"#;

fn load(text: &str) -> Result<QuestionFile, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.json");
    std::fs::write(&path, text).unwrap();
    QuestionFile::load(&path).map_err(|error| error.to_string())
}

#[test]
fn reads_questions_and_ignores_what_it_does_not_know() {
    let file = load(FILE).unwrap();
    assert_eq!((file.dataset.as_str(), file.tolerance), ("d", Tolerance { relative: 1e-3, absolute: 1e-6 }));
    let [first, second, third] = file.queries.as_slice() else { panic!() };
    assert_eq!((first.verb.as_deref(), first.window(), first.retention_needed()), (Some("buy"), hours(1), hours(2)));
    assert_eq!((second.actor.as_str(), &second.verb, second.retention_needed()), ("17850", &None, hours(1)));
    assert_eq!((third.feed_lines, &third.expect), (None, &None));
}

#[test]
fn mistakes_in_a_question_file_are_shown_with_their_line() {
    let error = load("{\"queries\": [\n{\"id\": \"q1\"}]}").unwrap_err();
    assert!(error.contains("q.json cannot be understood: missing field `actor_field` at line 2"), "{error}");
}

#[test]
fn a_question_fits_when_its_window_begins_at_or_after_the_floor_of_the_store() {
    let file = load(FILE).unwrap();
    let needs_2h = &file.queries[0];
    assert!(needs_2h.fits(hours(2), hours(0)));
    assert!(!needs_2h.fits(hours(2), hours(1)));
    assert!(needs_2h.fits(hours(3), hours(1)));
    assert!(!needs_2h.fits(hours(1), hours(0)));
}

#[test]
fn questions_are_due_once_their_lines_are_fed() {
    let ids = |questions: Vec<Question>| questions.into_iter().map(|question| question.id).collect::<Vec<_>>();
    let mut schedule = Schedule::new(load(FILE).unwrap().queries);
    assert_eq!(ids(schedule.due(0)), ["q2"]);
    assert_eq!(ids(schedule.due(1)), Vec::<String>::new());
    assert_eq!(ids(schedule.due(5)), ["q1"]);
    assert!(!schedule.is_empty());
    assert_eq!(ids(schedule.rest()), ["q3"]);
}
