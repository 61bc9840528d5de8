//! One case: its steps through the driver, its sinks and stores compared.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use nowfold_core::failure::TaskFailure;
use nowfold_core::record::{Header, OutputRecord};
use nowfold_core::state::{
    KeyValueReader, MemoryHistories, MemoryMap, MemorySessions, MemoryWindows, SessionReader, StoreError,
    VersionedReader, WindowReader, unstamp,
};
use nowfold_core::time::{Timestamp, millisecs};
use nowfold_core::topology::{TopologyError, TopologyFault};
use nowfold_testkit::{Stored, TestDriver};
use serde_json::{Value, json};

use crate::case::{Case, Input, Output, Step, VersionedRead};
use crate::catalogue::{Built, Kind, Sink, SinkKey, StoreKind};

/// What differs, as text.
type Difference = String;

pub(crate) fn check(case: &Case, built: Built) -> Result<(), Difference> {
    let Built { topology, stores, sinks } = built;
    let driver = TestDriver::new(topology);
    let outcome = run(case, &driver, &sinks);
    match (&case.expect, &case.expect_error, outcome) {
        (Some(expect), _, Ok(found)) => {
            for (topic, expected) in &expect.output {
                same(topic, expected, found.get(topic).unwrap_or(&Vec::new()))?;
            }
            for (name, expected) in &expect.stores {
                let kind = stores.iter().find(|(known, _)| known == name);
                let (_, kind) = kind.ok_or_else(|| format!("the topology has no store {name} to be compared"))?;
                let rows = rows(&driver, name, kind).map_err(|error| error.to_string())?;
                same(name, &sorted(expected.clone()), &sorted(rows))?;
            }
            expect.versioned_reads.iter().try_for_each(|read| ask(&driver, read))
        }
        (_, Some(expected), Err((step, failure))) => {
            same("failing step", &expected.step, &i64::try_from(step).unwrap_or(i64::MAX))?;
            same("category", &expected.category.as_str(), &category(&failure))
                .map_err(|difference| format!("{difference}\n  {failure}"))
        }
        (_, Some(_), Ok(_)) => Err("it must fail, but does not".to_owned()),
        (_, _, Err((step, failure))) => Err(format!("step {step} failed: {failure}")),
        (None, None, Ok(_)) => Err("the case expects nothing".to_owned()),
    }
}

/// The category of a topology's refusal.
pub(crate) fn build_category(error: &TopologyError) -> &'static str {
    match error.faults() {
        [TopologyFault::InvalidWindow { .. }, ..] => "invalid-window",
        [TopologyFault::InvalidRetention { .. }, ..] => "invalid-retention",
        [TopologyFault::NeedsVersionedTable { .. }, ..] => "needs-versioned-table",
        [TopologyFault::InvalidGrace { .. }, ..] => "invalid-grace",
        _ => "unknown",
    }
}

fn same<T: Lines + PartialEq>(what: &str, expected: &T, found: &T) -> Result<(), Difference> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}\n  expected{}\n  found   {}", expected.lines(), found.lines()))
}

/// How something is shown in a difference.
trait Lines {
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

type Outputs = BTreeMap<String, Vec<Output>>;

fn run(case: &Case, driver: &TestDriver, sinks: &[(String, Sink)]) -> Result<Outputs, (usize, TaskFailure)> {
    let topics = case.expect.iter().flat_map(|expect| expect.output.keys());
    let mut outputs: Outputs = topics.map(|topic| (topic.clone(), Vec::new())).collect();
    for (step, input) in case.input.iter().enumerate() {
        let done = match input {
            Step::Record(input) => driver.pipe_raw(raw(input)),
            Step::Advance { advance_wall_clock_ms } => driver.advance(millisecs(*advance_wall_clock_ms)),
        };
        done.map_err(|failure| (step, failure))?;
        for (topic, found) in &mut outputs {
            let sink = sinks.iter().find(|(name, _)| name == topic).map_or(Sink::TEXT, |(_, sink)| *sink);
            let fresh = driver.records(topic).into_iter().skip(found.len());
            found.extend(fresh.map(|stored| output(step, stored, sink, case.compare_headers)));
        }
    }
    Ok(outputs)
}

fn raw(input: &Input) -> OutputRecord {
    let value = match &input.value {
        Value::String(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
        Value::Number(number) => number.as_i64().map(|n| Bytes::copy_from_slice(&n.to_be_bytes())),
        _ => None,
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
        timestamp: Timestamp::from_millis(input.ts),
        headers: input.headers.iter().map(header).collect(),
    }
}

fn output(step: usize, stored: Stored, sink: Sink, with_headers: bool) -> Output {
    let record = stored.record;
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    let pair = |header: &Header| (header.name.clone(), header.value.clone().map(text));
    Output {
        step,
        key: record.key.map_or(Value::Null, |key| sink.key.read(&key)),
        value: record.value.map_or(Value::Null, |value| sink.value.read(&value)),
        ts: record.timestamp.as_millis(),
        headers: record.headers.iter().filter(|_| with_headers).map(pair).collect(),
    }
}

impl Kind {
    /// A value's bytes as the files show it.
    pub(crate) fn read(self, bytes: &Bytes) -> Value {
        match self {
            Self::Text => String::from_utf8_lossy(bytes).into(),
            Self::Integer => bytes.first_chunk().map_or(Value::Null, |bytes| i64::from_be_bytes(*bytes).into()),
        }
    }
}

impl SinkKey {
    fn read(self, bytes: &Bytes) -> Value {
        let split = |n: usize| bytes.split_at_checked(bytes.len().saturating_sub(n));
        let time = |bytes: &[u8]| bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self {
            Self::Text => text(bytes).into(),
            Self::Windowed { length } => split(8).map_or(Value::Null, |(key, start)| {
                let start = time(start).unwrap_or(-1);
                json!({ "key": text(key), "start": start, "end": start.saturating_add(length) })
            }),
            Self::Session => split(16).map_or(Value::Null, |(key, times)| {
                let (end, start) = (time(times), times.get(8..).and_then(time));
                json!({ "key": text(key), "start": start, "end": end })
            }),
        }
    }
}

/// All rows of a store as the files show them.
fn rows(driver: &TestDriver, store: &str, kind: &StoreKind) -> Result<Vec<Value>, StoreError> {
    let (all, forever) = ((Bound::Unbounded, Bound::Unbounded), (Timestamp::MIN, Timestamp::MAX));
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let missing = || StoreError::NotConnected { store: store.to_owned(), kind: "compared" };
    let split = |bytes: &Bytes| unstamp(bytes).unwrap_or_else(|| (Timestamp::MIN, bytes.clone()));
    Ok(match kind {
        StoreKind::Plain(kind) => {
            let reader = driver.reader::<MemoryMap>(store, 0).ok_or_else(missing)?;
            let row = |(key, value): &(Bytes, Bytes)| json!({ "key": text(key), "value": kind.read(value) });
            reader.range(all, usize::MAX)?.iter().map(row).collect()
        }
        StoreKind::Stamped(kind) => {
            let reader = driver.reader::<MemoryMap>(store, 0).ok_or_else(missing)?;
            let row = |(key, stored): &(Bytes, Bytes)| {
                let (ts, value) = split(stored);
                json!({ "key": text(key), "value": kind.read(&value), "ts": ts.as_millis() })
            };
            reader.range(all, usize::MAX)?.iter().map(row).collect()
        }
        StoreKind::Window { kind, length, stamped } => {
            let reader = driver.reader::<MemoryWindows>(store, 0).ok_or_else(missing)?;
            let row = |entry: &nowfold_core::state::WindowEntry| {
                let (key, start) = (text(&entry.key), entry.start.as_millis());
                let end = start.saturating_add(*length);
                if *stamped {
                    let (ts, value) = split(&entry.value);
                    let value = kind.read(&value);
                    return json!({ "key": key, "start": start, "end": end, "value": value, "ts": ts.as_millis() });
                }
                json!({ "key": key, "start": start, "end": end, "value": kind.read(&entry.value) })
            };
            reader.fetch_all(forever.0, forever.1)?.iter().map(row).collect()
        }
        StoreKind::Session(kind) => {
            let reader = driver.reader::<MemorySessions>(store, 0).ok_or_else(missing)?;
            let row = |entry: &nowfold_core::state::SessionEntry| {
                let (start, end) = (entry.start.as_millis(), entry.end.as_millis());
                json!({ "key": text(&entry.key), "start": start, "end": end, "value": kind.read(&entry.value) })
            };
            reader.ended(forever.0, forever.1)?.iter().map(row).collect()
        }
        StoreKind::Global { rows, stamped } => {
            let row = |(key, value, ts): (String, String, i64)| {
                if *stamped {
                    json!({ "key": key, "value": value, "ts": ts })
                } else {
                    json!({ "key": key, "value": value })
                }
            };
            rows().into_iter().map(row).collect()
        }
    })
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

fn ask(driver: &TestDriver, read: &VersionedRead) -> Result<(), Difference> {
    let reader = driver.reader::<MemoryHistories>(&read.store, 0);
    let reader = reader.ok_or_else(|| format!("there is no versioned store {}", read.store))?;
    let version = match read.as_of {
        Some(time) => reader.as_of(read.key.as_bytes(), Timestamp::from_millis(time)),
        None => reader.latest(read.key.as_bytes()),
    };
    let version = version.map_err(|error| error.to_string())?;
    let found = version.map_or(json!({ "value": null, "ts": null, "valid_to": null }), |version| {
        let until = version.until.filter(|_| read.valid_to.is_some()).map(Timestamp::as_millis);
        json!({ "value": Kind::Text.read(&version.value), "ts": version.from.as_millis(), "valid_to": until })
    });
    let expected = json!({ "value": read.value, "ts": read.ts, "valid_to": read.valid_to });
    same(&format!("{} {} as of {:?}", read.store, read.key, read.as_of), &expected, &found)
}

fn category(failure: &TaskFailure) -> &'static str {
    let categories = [
        ("negative timestamp", "negative-timestamp"),
        ("null key", "null-key"),
        ("buffer is full", "buffer-full"),
        ("timestamp cannot be told", "invalid-timestamp"),
    ];
    let known = categories.iter().find(|(part, _)| failure.cause.contains(part));
    known.map_or("unknown", |(_, category)| category)
}
