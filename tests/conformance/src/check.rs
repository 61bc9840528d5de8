//! One case's results against what Kafka Streams answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use nowfold_core::query::StoreHub;
use nowfold_core::topology::{TopologyError, TopologyFault};
use serde_json::Value;

use crate::case::{Case, Expect, ExpectError, Output};
use crate::catalogue::{BuildError, Built, StoreKind};
use crate::stores;

/// What differs, as text.
pub(crate) type Difference = String;

/// What became of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is as expected.
    Passed,
    /// It differs.
    Failed(Difference),
    /// It needs a clock that is moved by hand, in step with the records.
    NeedsClock,
}

/// Records by sink topic.
pub(crate) type Outputs = BTreeMap<String, Vec<Output>>;

/// What running a case's steps has left behind.
pub(crate) struct Results {
    pub(crate) outputs: Outputs,
    /// Whether outputs tell the step that they come from.
    pub(crate) sees_steps: bool,
    pub(crate) stores: Vec<(&'static str, StoreKind)>,
    pub(crate) hub: Arc<StoreHub>,
}

/// A step that failed, and the sentence of its failure.
pub(crate) struct FailedStep {
    pub(crate) step: usize,
    pub(crate) cause: String,
}

/// What running a case's steps has come to. Stores are compared while their owner, which `then` may hold, lives.
pub(crate) type Ran = Result<Results, FailedStep>;

/// Runs the case with `run` where its topology can be built, and compares.
pub(crate) fn verdict(
    case: &Case,
    built: Result<Built, BuildError>,
    run: impl FnOnce(Built) -> Result<(), Difference>,
) -> Verdict {
    let outcome = match (built, &case.expect_error) {
        (Err(BuildError::Impossible(_)), Some(expected)) if expected.step == -1 => Ok(()),
        (Err(BuildError::Refused(error)), Some(expected)) if expected.step == -1 => {
            let (expected, found) = (expected.category.as_str(), build_category(&error));
            same("category", &expected, &found).map_err(|difference| format!("{difference}\n  {error}"))
        }
        (Err(error), _) => Err(format!("it cannot be built: {error}")),
        (Ok(_), Some(expected)) if expected.step == -1 => {
            Err(format!("building it must fail with {}, but does not", expected.category))
        }
        (Ok(built), _) => run(built),
    };
    outcome.map_or_else(Verdict::Failed, |()| Verdict::Passed)
}

/// The category of a topology's refusal.
fn build_category(error: &TopologyError) -> &'static str {
    match error.faults() {
        [TopologyFault::InvalidWindow { .. }, ..] => "invalid-window",
        [TopologyFault::InvalidRetention { .. }, ..] => "invalid-retention",
        [TopologyFault::NeedsVersionedTable { .. }, ..] => "needs-versioned-table",
        [TopologyFault::InvalidGrace { .. }, ..] => "invalid-grace",
        _ => "unknown",
    }
}

/// Compares what a run has come to with what the case expects.
pub(crate) fn compare(case: &Case, ran: Ran) -> Result<(), Difference> {
    match (&case.expect, &case.expect_error, ran) {
        (Some(expect), _, Ok(results)) => compare_results(expect, &results),
        (_, Some(expected), Err(failed)) => compare_failure(expected, &failed),
        (_, Some(_), Ok(_)) => Err("it must fail, but does not".to_owned()),
        (_, _, Err(FailedStep { step, cause })) => Err(format!("step {step} failed: {cause}")),
        (None, None, Ok(_)) => Err("the case expects nothing".to_owned()),
    }
}

fn compare_results(expect: &Expect, results: &Results) -> Result<(), Difference> {
    for (topic, expected) in &expect.output {
        let found = results.outputs.get(topic).cloned().unwrap_or_default();
        if results.sees_steps {
            same(topic, expected, &found)?;
        } else {
            same(topic, &without_steps(expected), &without_steps(&found))?;
        }
    }
    for (name, expected) in &expect.stores {
        let kind = results.stores.iter().find(|(known, _)| known == name);
        let (_, kind) = kind.ok_or_else(|| format!("the topology has no store {name} to be compared"))?;
        let rows = stores::rows(&results.hub, name, kind).map_err(|error| error.to_string())?;
        same(name, &sorted(expected.clone()), &sorted(rows))?;
    }
    expect.versioned_reads.iter().try_for_each(|read| stores::ask(&results.hub, read))
}

fn without_steps(outputs: &[Output]) -> Vec<Output> {
    outputs.iter().map(|output| Output { step: 0, ..output.clone() }).collect()
}

fn compare_failure(expected: &ExpectError, failed: &FailedStep) -> Result<(), Difference> {
    let explain = |difference| format!("{difference}\n  {}", failed.cause);
    same("failing step", &expected.step, &i64::try_from(failed.step).unwrap_or(i64::MAX)).map_err(explain)?;
    same("category", &expected.category.as_str(), &category(&failed.cause)).map_err(explain)
}

/// The category of a failure, by its words.
fn category(cause: &str) -> &'static str {
    let categories = [
        ("negative timestamp", "negative-timestamp"),
        ("null key", "null-key"),
        ("buffer is full", "buffer-full"),
        ("timestamp cannot be told", "invalid-timestamp"),
    ];
    let known = categories.iter().find(|(part, _)| cause.contains(part));
    known.map_or("unknown", |(_, category)| category)
}

/// By the bytes of the key, then start, then end; the files sort some stores as Java sorts text.
fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    let place = |row: &Value| {
        let time = |name| row.get(name).and_then(Value::as_i64);
        let key = row.get("key").and_then(Value::as_str).map(str::to_owned);
        (key, time("start"), time("end"), row.get("value").map(Value::to_string))
    };
    rows.sort_by_key(place);
    rows
}

pub(crate) fn same<T: Lines + PartialEq>(what: &str, expected: &T, found: &T) -> Result<(), Difference> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}\n  expected{}\n  found   {}", expected.lines(), found.lines()))
}

/// How something is shown in a difference.
pub(crate) trait Lines {
    fn lines(&self) -> String;
}

impl Lines for Vec<Output> {
    fn lines(&self) -> String {
        let line = |output: &Output| {
            let Output { step, key, value, ts, headers } = output;
            let headers = if headers.is_empty() { String::new() } else { format!(" {headers:?}") };
            format!("\n    step {step}: {key} {value} @{ts}{headers}")
        };
        self.iter().map(line).collect()
    }
}

impl Lines for Vec<Value> {
    fn lines(&self) -> String {
        self.iter().map(|row| format!("\n    {row}")).collect()
    }
}

impl Lines for i64 {
    fn lines(&self) -> String {
        format!(" {self}")
    }
}

impl Lines for &str {
    fn lines(&self) -> String {
        format!(" {self}")
    }
}

impl Lines for Value {
    fn lines(&self) -> String {
        format!(" {self}")
    }
}
