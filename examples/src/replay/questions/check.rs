//! How far an answer is from what was expected.

use serde::Deserialize;
use serde_json::Value;

use super::answer::Answer;

/// Numbers agree when they differ by no more than the larger of `absolute` and `relative` times the larger of the two.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Tolerance {
    /// As a share of the number.
    pub relative: f64,
    /// In the number's own unit.
    pub absolute: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { relative: 1e-6, absolute: 1e-6 }
    }
}

impl Tolerance {
    fn agree(self, a: f64, b: f64) -> bool {
        (a - b).abs() <= self.absolute.max(self.relative * a.abs().max(b.abs()))
    }
}

/// One sentence for each place where `got` is not what was wanted; empty when they agree.
///
/// Every field of `wanted` is compared: whole numbers and texts must be equal, other numbers within the tolerance, lists
/// and maps of the same length with the same keys.
pub fn differences(wanted: &Value, got: &Answer, tolerance: Tolerance) -> Vec<String> {
    let got = serde_json::to_value(got).unwrap_or_default();
    let mut found = Vec::new();
    match wanted.as_object() {
        None => found.push(format!("the expected answer is {wanted}, not an object")),
        Some(fields) if fields.is_empty() => found.push("the expected answer is empty".to_owned()),
        Some(fields) => {
            for (name, value) in fields {
                compare(name, value, got.get(name), tolerance, &mut found);
            }
        }
    }
    found
}

fn compare(path: &str, wanted: &Value, got: Option<&Value>, tolerance: Tolerance, found: &mut Vec<String>) {
    let agree = match (wanted, got) {
        (Value::Object(a), Some(Value::Object(b))) if a.len() == b.len() => {
            a.iter().for_each(|(name, value)| compare(&format!("{path}.{name}"), value, b.get(name), tolerance, found));
            true
        }
        (Value::Array(a), Some(Value::Array(b))) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.for_each(|(i, (a, b))| compare(&format!("{path}[{i}]"), a, Some(b), tolerance, found));
            true
        }
        (Value::Number(a), Some(Value::Number(b))) if a.is_f64() => {
            a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| tolerance.agree(a, b))
        }
        (a, b) => Some(a) == b,
    };
    if !agree {
        let got = got.map_or("nothing".to_owned(), Value::to_string);
        found.push(format!("{path}: wanted {wanted}, got {got}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            count: 3,
            distinct_objects: 2,
            sum: [("n".to_owned(), 1e6)].into(),
            mean: [("n".to_owned(), Some(2.0)), ("m".to_owned(), None)].into(),
            embedding_count: 1,
            avg_embedding: Some(vec![0.5, 0.0]),
            last5_objects: vec!["b".to_owned(), "a".to_owned()],
            counts_by_verb: Some([("v".to_owned(), 3)].into()),
            features: std::collections::BTreeMap::new(),
        }
    }

    fn check(change: impl Fn(&mut Answer), paths: &[&str]) {
        let mut got = answer();
        change(&mut got);
        let found = differences(&serde_json::to_value(answer()).unwrap(), &got, Tolerance::default());
        let found: Vec<_> = found.iter().filter_map(|text| text.split(':').next()).collect();
        assert_eq!(found, paths);
    }

    #[test]
    fn small_errors_of_floats_agree() {
        check(|_| {}, &[]);
        check(|got| *got.sum.get_mut("n").unwrap() += 0.9, &[]);
        check(|got| got.avg_embedding.as_mut().unwrap()[1] = 9e-7, &[]);
    }

    #[test]
    fn every_field_is_compared() {
        check(|got| got.count = 4, &["count"]);
        check(|got| got.distinct_objects = 3, &["distinct_objects"]);
        check(|got| *got.sum.get_mut("n").unwrap() += 1.1, &["sum.n"]);
        check(|got| got.sum.clear(), &["sum"]);
        check(|got| got.sum = [("m".to_owned(), 1e6)].into(), &["sum.n"]);
        check(|got| *got.mean.get_mut("m").unwrap() = Some(0.0), &["mean.m"]);
        check(|got| got.embedding_count = 0, &["embedding_count"]);
        check(|got| got.avg_embedding = None, &["avg_embedding"]);
        check(|got| got.avg_embedding.as_mut().unwrap()[1] = 2e-6, &["avg_embedding[1]"]);
        check(|got| got.avg_embedding.as_mut().unwrap().push(0.0), &["avg_embedding"]);
        check(|got| got.avg_embedding.as_mut().unwrap()[0] = f64::NAN, &["avg_embedding[0]"]);
        check(|got| got.last5_objects.reverse(), &["last5_objects[0]", "last5_objects[1]"]);
        check(|got| got.counts_by_verb = None, &["counts_by_verb"]);
    }

    #[test]
    fn only_what_is_wanted_is_compared_and_nothing_wanted_is_a_mistake() {
        assert!(differences(&serde_json::json!({"count": 3}), &answer(), Tolerance::default()).is_empty());
        assert!(!differences(&serde_json::json!({"median": 3}), &answer(), Tolerance::default()).is_empty());
        assert!(!differences(&serde_json::json!({}), &answer(), Tolerance::default()).is_empty());
    }
}
