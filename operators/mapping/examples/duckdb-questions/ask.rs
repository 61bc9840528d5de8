//! A question put to the store.

use nowfold_core::time::Timestamp;
use nowfold_operators::feature::{Feature, SpecLimits};
use serde_json::{Value, json};

use super::feed::Stores;
use super::file::{Question, QuestionFile};

/// A question with its answer.
#[derive(Debug)]
pub(crate) struct Asked {
    as_of: Timestamp,
    value: Value,
}

impl Asked {
    pub(crate) fn of(question: &Question, file: &QuestionFile, stores: &Stores) -> Self {
        let same = file.questions.iter().filter(|other| other.id == question.id).count();
        assert!(same == 1, "{} is the id of {same} questions", question.id);
        let as_of = instant(&question.as_of);
        let query = stores.features(&question.store).query(&question.actor).as_of(as_of);
        let answer = query.adhoc(define(question)).get().unwrap_or_else(|error| panic!("{}: {error}", question.id));
        assert!(answer.envelope.found && answer.envelope.complete, "{}: {:?}", question.id, answer.envelope);
        let answer = serde_json::to_value(&answer).unwrap();
        Self { as_of, value: answer["features"]["f"]["value"].clone() }
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn as_of_ms(&self) -> i64 {
        self.as_of.as_millis()
    }
}

fn instant(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    Timestamp::from_millis(instant.as_millisecond())
}

fn define(question: &Question) -> Feature {
    let mut feature = question.feature.clone();
    feature.insert("name".to_owned(), json!("f"));
    let features = Feature::from_json("feature", &json!([feature]), SpecLimits::NONE);
    features.unwrap_or_else(|report| panic!("{}: {report}", question.id)).remove(0)
}
