//! Answers, one a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer to a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How many actions are in the window.
    pub count: u64,
    /// How many different objects they have.
    pub distinct_objects: u64,
    /// Sum of each number; 0 where none is present.
    pub sum: BTreeMap<String, f64>,
    /// Mean of each number over the actions that have it; `None` where none has.
    pub mean: BTreeMap<String, Option<f64>>,
    /// How many actions have an object with an embedding.
    pub embedding_count: u64,
    /// Component-wise mean of those embeddings; `None` without any.
    pub avg_embedding: Option<Vec<f64>>,
    /// Objects of the last five actions, newest first.
    pub last5_objects: Vec<String>,
    /// Actions of each verb; only for a question about all verbs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_by_verb: Option<BTreeMap<String, u64>>,
    /// The value of each feature that the question names, as in answers over HTTP.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    #[serde(flatten)]
    answer: &'a Answer,
}

impl Answer {
    /// The answer to the question `id` as one line of JSON, without its end.
    ///
    /// # Errors
    ///
    /// Never in practice: JSON has no place for a float that is not finite, and writes it as null.
    pub fn to_line(&self, id: &str) -> serde_json::Result<String> {
        serde_json::to_string(&Named { id, answer: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_fields_that_checkers_read() {
        let answer = Answer {
            count: 2,
            distinct_objects: 1,
            sum: [("Quantity".to_owned(), 5.0)].into(),
            mean: [("Quantity".to_owned(), None)].into(),
            embedding_count: 0,
            avg_embedding: None,
            last5_objects: vec!["a".to_owned(), "é".to_owned()],
            counts_by_verb: Some([("buy".to_owned(), 2)].into()),
            features: BTreeMap::new(),
        };
        let line = answer.to_line("q001").unwrap();
        let expected = r#"{"id":"q001","count":2,"distinct_objects":1,"sum":{"Quantity":5.0},"mean":{"Quantity":null},"embedding_count":0,"avg_embedding":null,"last5_objects":["a","é"],"counts_by_verb":{"buy":2}}"#;
        assert_eq!(line, expected);
        let one_verb = Answer { counts_by_verb: None, ..answer };
        assert!(!one_verb.to_line("q001").unwrap().contains("counts_by_verb"));
    }
}
