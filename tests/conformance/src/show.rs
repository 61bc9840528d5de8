//! Records between the files' text and the topics' bytes.

use bytes::Bytes;
use nowfold_core::record::{Header, Headers, LogRecord, OutputRecord};
use nowfold_core::time::Timestamp;
use serde_json::{Value, json};

use crate::case::{Input, Output};
use crate::catalogue::{Kind, Sink, SinkKey};

/// What is compared of a record that was found on a topic.
pub(crate) struct Found {
    key: Option<Bytes>,
    value: Option<Bytes>,
    timestamp: Timestamp,
    headers: Headers,
}

impl From<OutputRecord> for Found {
    fn from(OutputRecord { key, value, timestamp, headers, .. }: OutputRecord) -> Self {
        Self { key, value, timestamp, headers }
    }
}

impl From<LogRecord> for Found {
    fn from(LogRecord { key, value, timestamp, headers, .. }: LogRecord) -> Self {
        Self { key, value, timestamp, headers }
    }
}

/// An input step's record in bytes.
pub(crate) fn raw(input: &Input) -> OutputRecord {
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

/// A found record as the files show it.
pub(crate) fn output(step: usize, found: Found, sink: Sink, with_headers: bool) -> Output {
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    let pair = |header: &Header| (header.name.clone(), header.value.clone().map(text));
    Output {
        step,
        key: found.key.map_or(Value::Null, |key| sink.key.read(&key)),
        value: found.value.map_or(Value::Null, |value| sink.value.read(&value)),
        ts: found.timestamp.as_millis(),
        headers: found.headers.iter().filter(|_| with_headers).map(pair).collect(),
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
