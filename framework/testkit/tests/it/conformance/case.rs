//! The format of a case file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct CaseFile {
    pub(super) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) topology: String,
    pub(super) params: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) compare_headers: bool,
    pub(super) input: Vec<Step>,
    pub(super) expect: Option<Expect>,
    pub(super) expect_error: Option<ExpectError>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Step {
    Advance { advance_wall_clock_ms: u64 },
    Record(Input),
}

#[derive(Deserialize)]
pub(super) struct Input {
    pub(super) topic: String,
    pub(super) key: Option<String>,
    pub(super) value: Value,
    pub(super) ts: i64,
    #[serde(default)]
    pub(super) headers: HeaderPairs,
}

pub(super) type HeaderPairs = Vec<(String, Option<String>)>;

#[derive(Deserialize)]
pub(super) struct Expect {
    pub(super) output: BTreeMap<String, Vec<Output>>,
    #[serde(default)]
    pub(super) stores: BTreeMap<String, Vec<Entry>>,
}

/// A record of a sink topic, as expected and as found.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Output {
    pub(super) step: usize,
    /// Text, null, or an object for a windowed key.
    pub(super) key: Value,
    /// Text, a number or null.
    pub(super) value: Value,
    pub(super) ts: i64,
    #[serde(default)]
    pub(super) headers: HeaderPairs,
}

/// A row of a store. The timestamps of timestamped stores are not compared: ours keep the value only.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
}

#[derive(Deserialize)]
pub(super) struct ExpectError {
    pub(super) category: String,
    pub(super) step: i64,
}
