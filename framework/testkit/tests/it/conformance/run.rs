//! One case: its steps through the driver, its sinks and stores compared.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use nowfold_core::failure::TaskFailure;
use nowfold_core::record::{Header, OutputRecord};
use nowfold_core::state::{KeyValueReader, MemoryMap};
use nowfold_core::time::millisecs;
use nowfold_testkit::{Stored, TestDriver};
use serde_json::Value;

use super::case::{Case, Entry, Input, Output, Step};
use super::catalogue::{Built, Rows, StoreKind};
use crate::support::at;

/// What differs, as text.
type Difference = String;

pub(super) fn check(case: &Case, built: Built) -> Result<(), Difference> {
    let driver = TestDriver::new(built.topology);
    let outcome = run(case, &driver);
    match (&case.expect, &case.expect_error, outcome) {
        (Some(expect), _, Ok(found)) => {
            for (topic, expected) in &expect.output {
                same(topic, expected, found.get(topic).unwrap_or(&Vec::new()))?;
            }
            let compared =
                expect.stores.iter().filter_map(|(name, rows)| Some((name, rows, built.stores.get(name.as_str())?)));
            for (name, expected, kind) in compared {
                same(name, &sorted(expected), &rows(&driver, name, kind))?;
            }
            Ok(())
        }
        (_, Some(expected), Err((step, failure))) => {
            same("failing step", &expected.step, &i64::try_from(step).unwrap())?;
            same("category", &expected.category.as_str(), &category(&failure))
        }
        (_, Some(_), Ok(_)) => Err("it must fail, but does not".to_owned()),
        (_, _, Err((step, failure))) => Err(format!("step {step} failed: {failure}")),
        (None, None, Ok(_)) => Err("the case expects nothing".to_owned()),
    }
}

fn same<T: std::fmt::Debug + PartialEq>(what: &str, expected: &T, found: &T) -> Result<(), Difference> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}\n  expected {expected:?}\n  found    {found:?}"))
}

type Outputs = BTreeMap<String, Vec<Output>>;

fn run(case: &Case, driver: &TestDriver) -> Result<Outputs, (usize, TaskFailure)> {
    let topics = case.expect.iter().flat_map(|expect| expect.output.keys());
    let mut outputs: Outputs = topics.map(|topic| (topic.clone(), Vec::new())).collect();
    for (step, input) in case.input.iter().enumerate() {
        let done = match input {
            Step::Record(input) => driver.pipe_raw(raw(input)),
            Step::Advance { advance_wall_clock_ms } => driver.advance(millisecs(*advance_wall_clock_ms)),
        };
        done.map_err(|failure| (step, failure))?;
        for (topic, found) in &mut outputs {
            let fresh = driver.records(topic).into_iter().skip(found.len());
            found.extend(fresh.map(|stored| output(step, stored, case.compare_headers)));
        }
    }
    Ok(outputs)
}

fn raw(input: &Input) -> OutputRecord {
    let value = match &input.value {
        Value::Null => None,
        Value::String(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
        Value::Number(number) => Some(Bytes::copy_from_slice(&number.as_i64().unwrap().to_be_bytes())),
        other => panic!("{other} is no value"),
    };
    let header = |(name, value): &(String, Option<String>)| Header {
        name: name.clone(),
        value: value.as_ref().map(|text| Bytes::copy_from_slice(text.as_bytes())),
    };
    OutputRecord {
        topic: (&input.topic).into(),
        partition: Some(0),
        key: input.key.as_ref().map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value,
        timestamp: at(input.ts),
        headers: input.headers.iter().map(header).collect(),
    }
}

fn output(step: usize, stored: Stored, with_headers: bool) -> Output {
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let value = |bytes: Option<Bytes>| bytes.map_or(Value::Null, |bytes| text(bytes).into());
    let record = stored.record;
    let pair = |header: &Header| (header.name.clone(), header.value.clone().map(text));
    Output {
        step,
        key: value(record.key),
        value: value(record.value),
        ts: record.timestamp.as_millis(),
        headers: record.headers.iter().filter(|_| with_headers).map(pair).collect(),
    }
}

fn rows(driver: &TestDriver, store: &str, kind: &StoreKind) -> Vec<Entry> {
    let StoreKind::KeyValue(value) = kind else { return global_rows(kind) };
    let handle = driver.hub().with_store(store, |_, entry| entry.partitions[&0].clone()).unwrap();
    let map = handle.reader.downcast::<MemoryMap>().unwrap();
    let all = map.range((Bound::Unbounded, Bound::Unbounded), usize::MAX).unwrap();
    let entry =
        |(key, bytes): (Bytes, Bytes)| Entry { key: String::from_utf8(key.to_vec()).unwrap(), value: value(&bytes) };
    all.into_iter().map(entry).collect()
}

/// By the bytes of the keys; the files sort some stores as Java sorts text.
fn sorted(rows: &[Entry]) -> Vec<Entry> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn global_rows(kind: &StoreKind) -> Vec<Entry> {
    let StoreKind::Global(rows) = kind else { return Vec::new() };
    let rows: Rows = rows();
    rows.into_iter().map(|(key, value)| Entry { key, value: value.into() }).collect()
}

fn category(failure: &TaskFailure) -> &'static str {
    let categories = [("negative timestamp", "negative-timestamp"), ("null key", "null-key")];
    let known = categories.iter().find(|(part, _)| failure.cause.contains(part));
    known.map_or("unknown", |(_, category)| category)
}
