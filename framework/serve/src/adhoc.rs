//! Features that a question defines itself, by the grammar of feature files.

use nowfold_operators::feature::{Feature, SpecLimits};
use serde_json::Value;

use crate::limits::Limits;
use crate::problem::Problem;

/// Values that an ad-hoc feature may list or keep at most.
const MOST_VALUES: usize = 10_000;

/// Windows of one ad-hoc feature.
const MOST_WINDOWS: usize = 16;

/// The features of the `adhoc` array. What depends on the store is checked when it is asked.
pub(crate) fn define(features: Vec<Value>, limits: &Limits) -> Result<Vec<Feature>, Problem> {
    if features.is_empty() {
        return Ok(Vec::new());
    }
    let most = SpecLimits { values: MOST_VALUES, windows: MOST_WINDOWS, actions: limits.actions };
    Feature::from_json("adhoc", &Value::Array(features), most).map_err(|report| {
        // Each problem has a code of its own; over HTTP they are one question that is malformed.
        let causes = report.problems().iter().map(|problem| problem.split_once(' ').map_or("", |(_, cause)| cause));
        Problem::invalid(causes.collect::<Vec<_>>().join("; "))
    })
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::hours;
    use nowfold_operators::feature::{Window, attr, feature};
    use serde_json::json;

    use super::*;

    fn define_one(json: Value) -> Result<Feature, String> {
        let message = |problem: Problem| json!(problem)["message"].as_str().unwrap_or_default().to_owned();
        define(vec![json], &Limits::default()).map(|mut features| features.remove(0)).map_err(message)
    }

    #[test]
    fn defines_what_feature_files_define() {
        let f = || feature("f");
        let cases = [
            (json!({"aggregate": "count"}), f().count()),
            (json!({"aggregate": "quantile", "of": "object.price", "p": 0.5}), f().quantile(0.5, "object.price")),
            (json!({"aggregate": "mean", "of": "object.e", "verbs": ["apply"]}), f().mean("object.e").verb("apply")),
            (
                json!({"aggregate": "weighted_mean", "of": "object.e", "weights": {"apply": 1.0, "dismiss": -1.0}}),
                f().weighted_mean("object.e", [("apply", 1.0), ("dismiss", -1.0)]),
            ),
            (
                json!({"aggregate": "count", "where": {"path": "object.price", "gt": 5}}),
                f().count().filter(attr("object.price").gt(5)),
            ),
            (json!({"aggregate": "actions", "select": ["object.*"], "limit": 7}), f().actions(["object.*"]).limit(7)),
        ];
        for (mut json, expected) in cases {
            json["name"] = json!("f");
            json["within"] = json!(["1h", "last-10"]);
            let expected = expected.windows([Window::sliding(hours(1)), Window::last(10)]);
            assert_eq!(define_one(json.clone()), Ok(expected), "{json}");
        }
    }

    #[test]
    fn refuses_with_every_cause_what_an_aggregate_does_not_take() {
        let cases = [
            (json!({"aggregate": "count", "of": "verb"}), "adhoc[0].of does not go with the aggregate \"count\""),
            (json!({"aggregate": "mean"}), "needs the key \"of\" for \"mean\""),
            (json!({"aggregate": "last", "of": "object", "k": 1_000_000}), "k is 1000000; ask for at most 10000"),
            (json!({"aggregate": "meen", "of": "object.e"}), "did you mean \"mean\"?"),
            (json!({"aggregate": "count", "window": "1h", "limit": 3}), "unknown key \"window\""),
            (json!({"aggregate": "count", "window": "1h", "limit": 3}), "limit is for actions"),
        ];
        for (mut json, expected) in cases {
            json["name"] = json!("f");
            json["within"] = json!("1h");
            let error = define_one(json.clone()).unwrap_err();
            assert!(error.starts_with("NF016 ") && error.contains(expected), "{json}: {error}");
        }
    }
}
