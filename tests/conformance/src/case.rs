//! The format of a case file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct CaseFile {
    pub(crate) format: u32,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) topology: String,
    pub(crate) params: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) compare_headers: bool,
    pub(crate) input: Vec<Step>,
    pub(crate) expect: Option<Expect>,
    pub(crate) expect_error: Option<ExpectError>,
}

impl Case {
    /// The sink topics whose records are compared.
    pub(crate) fn sinks(&self) -> impl Iterator<Item = &String> {
        self.expect.iter().flat_map(|expect| expect.output.keys())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Advance { advance_wall_clock_ms: u64 },
    Record(Input),
}

#[derive(Deserialize)]
pub(crate) struct Input {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) value: Value,
    pub(crate) ts: i64,
    #[serde(default)]
    pub(crate) headers: HeaderPairs,
}

pub(crate) type HeaderPairs = Vec<(String, Option<String>)>;

#[derive(Deserialize)]
pub(crate) struct Expect {
    pub(crate) output: BTreeMap<String, Vec<Output>>,
    /// Rows as they stand in the file.
    #[serde(default)]
    pub(crate) stores: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    pub(crate) versioned_reads: Vec<VersionedRead>,
}

/// A record of a sink topic, as expected and as found.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Output {
    pub(crate) step: usize,
    /// Text, null, or an object for a windowed key.
    pub(crate) key: Value,
    /// Text, a number or null.
    pub(crate) value: Value,
    pub(crate) ts: i64,
    #[serde(default)]
    pub(crate) headers: HeaderPairs,
}

/// A question to a versioned store, and its answer.
#[derive(Debug, Deserialize)]
pub(crate) struct VersionedRead {
    pub(crate) store: String,
    pub(crate) key: String,
    pub(crate) as_of: Option<i64>,
    #[serde(default)]
    pub(crate) value: Value,
    pub(crate) ts: Option<i64>,
    pub(crate) valid_to: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct ExpectError {
    pub(crate) category: String,
    pub(crate) step: i64,
}
