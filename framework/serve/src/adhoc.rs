//! Features that a question defines itself.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_operators::feature::{Feature, feature};
use serde::Deserialize;

use crate::limits::Limits;
use crate::problem::Problem;
use crate::text;

/// Values that an ad-hoc feature may list or keep at most.
const MOST_VALUES: usize = 10_000;

/// Windows of one ad-hoc feature.
const MOST_WINDOWS: usize = 16;

/// A feature as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adhoc {
    name: String,
    aggregate: Aggregate,
    of: Option<String>,
    verbs: Option<Vec<String>>,
    within: Vec<String>,
    weights: Option<BTreeMap<String, f64>>,
    k: Option<usize>,
    cap: Option<usize>,
    limit: Option<usize>,
    select: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Aggregate {
    Count,
    CountBy,
    Sum,
    Mean,
    WeightedMean,
    DistinctCount,
    Last,
    Actions,
}

impl Adhoc {
    /// The feature it defines. Paths and windows are checked against the store when it is asked.
    pub(crate) fn define(self, limits: &Limits) -> Result<Feature, Problem> {
        self.check(limits).map_err(|cause| Problem::invalid(format!("feature {:?} {cause}", self.name)))?;
        let windows = self.windows()?;
        let (name, of) = (feature(self.name), self.of.unwrap_or_default());
        let mut defined = match self.aggregate {
            Aggregate::Count => name.count(),
            Aggregate::CountBy => name.count_by(of),
            Aggregate::Sum => name.sum(of),
            Aggregate::Mean => name.mean(of),
            Aggregate::WeightedMean => name.weighted_mean(of, self.weights.unwrap_or_default()),
            Aggregate::DistinctCount => name.distinct_count(of),
            Aggregate::Last => name.last(self.k.unwrap_or(1), of),
            Aggregate::Actions => name.actions(self.select.unwrap_or_default()),
        };
        if let Some(verbs) = self.verbs {
            defined = defined.verbs(verbs);
        }
        if let Some(cap) = self.cap {
            defined = defined.cap(cap);
        }
        if let Some(limit) = self.limit {
            defined = defined.limit(limit);
        }
        Ok(defined.within(windows))
    }

    fn windows(&self) -> Result<Vec<Duration>, Problem> {
        let windows = self.within.iter().map(|window| text::duration(window));
        let windows = windows.collect::<Result<_, _>>();
        windows.map_err(|cause| Problem::invalid(format!("feature {:?}: {cause}", self.name)))
    }

    fn check(&self, limits: &Limits) -> Result<(), String> {
        use Aggregate::{Actions, Count, CountBy, DistinctCount, Last, WeightedMean};
        let takes = |name: &str, given: bool, takes: bool| match given && !takes {
            true => Err(format!("has {name:?}, which its aggregate does not take")),
            false => Ok(()),
        };
        let at_most = |name: &str, n: Option<usize>, most: usize| match n {
            Some(n) if n > most => Err(format!("has {name} {n}; ask for at most {most}")),
            _ => Ok(()),
        };
        takes("of", self.of.is_some(), !matches!(self.aggregate, Count | Actions))?;
        takes("weights", self.weights.is_some(), self.aggregate == WeightedMean)?;
        takes("verbs", self.verbs.is_some(), self.aggregate != WeightedMean)?;
        takes("k", self.k.is_some(), self.aggregate == Last)?;
        takes("cap", self.cap.is_some(), matches!(self.aggregate, CountBy | DistinctCount))?;
        takes("limit", self.limit.is_some(), self.aggregate == Actions)?;
        takes("select", self.select.is_some(), self.aggregate == Actions)?;
        if self.of.is_none() && !matches!(self.aggregate, Count | Actions) {
            return Err("lacks \"of\"; name what to aggregate, such as \"object.embedding\"".to_owned());
        }
        at_most("k", self.k, MOST_VALUES)?;
        at_most("cap", self.cap, MOST_VALUES)?;
        at_most("limit", self.limit, limits.actions)?;
        at_most("as many windows as", Some(self.within.len()), MOST_WINDOWS)
    }
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::hours;
    use serde_json::json;

    use super::*;

    fn define(json: serde_json::Value) -> Result<Feature, String> {
        let adhoc: Adhoc = serde_json::from_value(json).map_err(|error| error.to_string())?;
        let message = |problem: Problem| serde_json::json!(problem)["message"].as_str().unwrap_or_default().to_owned();
        adhoc.define(&Limits::default()).map_err(message)
    }

    #[test]
    fn defines_every_aggregate() {
        let f = || feature("f");
        let cases = [
            (json!({"aggregate": "count"}), f().count()),
            (json!({"aggregate": "count_by", "of": "verb", "cap": 5}), f().count_by("verb").cap(5)),
            (json!({"aggregate": "sum", "of": "object.price"}), f().sum("object.price")),
            (json!({"aggregate": "mean", "of": "object.e", "verbs": ["apply"]}), f().mean("object.e").verb("apply")),
            (
                json!({"aggregate": "weighted_mean", "of": "object.e", "weights": {"apply": 1.0, "dismiss": -1.0}}),
                f().weighted_mean("object.e", [("apply", 1.0), ("dismiss", -1.0)]),
            ),
            (json!({"aggregate": "distinct_count", "of": "object"}), f().distinct_count("object")),
            (json!({"aggregate": "last", "of": "object", "k": 3}), f().last(3, "object")),
            (json!({"aggregate": "actions", "select": ["object.*"], "limit": 7}), f().actions(["object.*"]).limit(7)),
        ];
        for (mut json, expected) in cases {
            json["name"] = json!("f");
            json["within"] = json!(["1h", "24h"]);
            assert_eq!(define(json.clone()), Ok(expected.within([hours(1), hours(24)])), "{json}");
        }
    }

    #[test]
    fn refuses_what_an_aggregate_does_not_take() {
        let cases = [
            (json!({"aggregate": "count", "of": "verb"}), "has \"of\", which its aggregate does not take"),
            (json!({"aggregate": "mean"}), "lacks \"of\""),
            (json!({"aggregate": "mean", "of": "object.e", "k": 1}), "has \"k\", which"),
            (json!({"aggregate": "last", "of": "object", "k": 1_000_000}), "has k 1000000; ask for at most 10000"),
            (json!({"aggregate": "median", "of": "object.e"}), "unknown variant `median`, expected one of"),
            (json!({"aggregate": "count", "window": "1h"}), "unknown field `window`"),
        ];
        for (mut json, expected) in cases {
            json["name"] = json!("f");
            json["within"] = json!(["1h"]);
            let error = define(json.clone()).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
