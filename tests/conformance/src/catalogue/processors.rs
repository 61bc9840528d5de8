//! The processors of the catalogue.

use std::ops::Bound;

use bytes::Bytes;
use nowfold_core::dsl::GlobalStore;
use nowfold_core::processor::{LoggedKeyValue, ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::state::{KeyRange, KeyValueReader, MemoryMap};
use nowfold_core::time::Timestamp;

use super::Text as Nullable;

pub(super) type Context<'n, 't> = ProcessorContext<'n, 't, Nullable, Nullable>;
pub(super) type Text = Record<Nullable, Nullable>;
pub(super) type Outcome = Result<(), ProcessError>;

/// A processor made of one function.
pub(super) struct Each<F>(F);

impl<F: FnMut(&mut Context<'_, '_>, Text) -> Outcome + Send> Processor<Nullable, Nullable, Nullable, Nullable>
    for Each<F>
{
    fn process(&mut self, cx: &mut Context<'_, '_>, record: Text) -> Outcome {
        (self.0)(cx, record)
    }
}

pub(super) fn each<F: FnMut(&mut Context<'_, '_>, Text) -> Outcome + Send>(f: F) -> Each<F> {
    Each(f)
}

/// Text concatenation shows null as `null`.
pub(super) fn show(value: &Nullable) -> String {
    value.clone().unwrap_or_else(|| "null".to_owned())
}

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn stored(store: &LoggedKeyValue<'_>, key: &str) -> Result<String, ProcessError> {
    Ok(show(&store.get(key.as_bytes())?.as_ref().map(text)))
}

/// `papi-kv-store`: `put X`, `put-null`, `del`, `get`, `pia X`, ranges and prefixes.
pub(super) fn commands(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let line = show(&record.value);
    let words: Vec<_> = line.split(' ').collect();
    let key = record.key.clone().ok_or_else(|| ProcessError::new("a store is asked for a null key"))?;
    let mut store = cx.key_value("kv")?;
    let old = stored(&store, &key)?;
    let reply = match words[..] {
        ["put", value] => {
            store.put(bytes(&key), bytes(value))?;
            None
        }
        ["put-null"] => {
            store.delete(key.as_bytes())?;
            None
        }
        ["del"] => {
            store.delete(key.as_bytes())?;
            Some(format!("deleted:{old}"))
        }
        ["get"] => Some(format!("got:{old}")),
        ["pia", value] => {
            if old == "null" {
                store.put(bytes(&key), bytes(value))?;
            }
            Some(format!("was:{old}"))
        }
        _ => return reads(cx, &record, &words),
    };
    reply.map_or(Ok(()), |reply| cx.forward(record.with_value(Some(reply))))
}

fn reads(cx: &mut Context<'_, '_>, record: &Text, words: &[&str]) -> Outcome {
    let all = (Bound::Unbounded, Bound::Unbounded);
    let store = cx.key_value("kv")?;
    let mut rows = match words {
        ["range" | "rrange", from, to] => store.range(range(from, to), usize::MAX)?,
        ["all" | "rall"] => store.range(all, usize::MAX)?,
        ["prefix", prefix] => store.prefix(prefix.as_bytes(), usize::MAX)?,
        _ => return Err(ProcessError::new(format!("unknown command {words:?}"))),
    };
    let command = words.first().copied().unwrap_or_default();
    if command.starts_with("rr") || command == "rall" {
        rows.reverse();
    }
    rows.iter().try_for_each(|(key, value)| {
        let value = Some(format!("{command}:{}", text(value)));
        cx.forward(Record::new(Some(text(key)), value, record.timestamp))
    })
}

fn range(from: &str, to: &str) -> KeyRange {
    let bound = |word: &str| if word == "null" { Bound::Unbounded } else { Bound::Included(bytes(word)) };
    (bound(from), bound(to))
}

/// `papi-running-count`: the value and its running number among the values of the key.
pub(super) fn running_count(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let key = record.key.clone().unwrap_or_else(|| "<null>".to_owned());
    let mut store = cx.key_value("n")?;
    let seen = store.get(key.as_bytes())?.map_or(0, |n| i64::from_be_bytes(n[..].try_into().unwrap_or_default()));
    store.put(bytes(&key), Bytes::copy_from_slice(&(seen + 1).to_be_bytes()))?;
    let value = Some(format!("{}#{}", show(&record.value), seen + 1));
    cx.forward(record.with_value(value))
}

/// `papi-shared-store`, the writing side.
pub(super) fn write(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let Some(key) = record.key else { return Ok(()) };
    let mut store = cx.key_value("kv")?;
    match record.value {
        Some(value) => store.put(bytes(&key), bytes(&value))?,
        None => store.delete(key.as_bytes())?,
    }
    Ok(())
}

/// `papi-shared-store`, the reading side.
pub(super) fn read(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let store = cx.key_value("kv")?;
    let found = record.key.as_ref().map_or_else(|| Ok("null".to_owned()), |key| stored(&store, key))?;
    let value = Some(format!("{}={found}", show(&record.value)));
    cx.forward(record.with_value(value))
}

/// `papi-global-store`, the filling side: null keys are ignored, null values delete.
pub(super) struct FillGlobal;

impl Processor<Nullable, Nullable, (), ()> for FillGlobal {
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, (), ()>, record: Text) -> Outcome {
        let Some(key) = record.key else { return Ok(()) };
        let mut store = cx.key_value("g")?;
        match record.value {
            Some(value) => store.put(Bytes::from(key), Bytes::from(value))?,
            None => store.delete(key.as_bytes())?,
        }
        Ok(())
    }
}

/// `papi-global-store`, the reading side.
pub(super) fn read_global(store: GlobalStore) -> impl Processor<Nullable, Nullable, Nullable, Nullable> + 'static {
    each(move |cx: &mut Context<'_, '_>, record: Text| {
        let rows =
            store.reader::<MemoryMap>().ok_or_else(|| ProcessError::new("the global store is of another kind"))?;
        let row = record.key.as_ref().map(|key| rows.get(key.as_bytes())).transpose()?.flatten();
        let found = row.map_or_else(|| "null".to_owned(), |row| String::from_utf8_lossy(&row).into_owned());
        let value = Some(format!("{}={found}", show(&record.value)));
        cx.forward(record.with_value(value))
    })
}

/// `papi-headers`: `drop` removes the headers `h`, anything else adds their number as `n`.
pub(super) fn headers(cx: &mut Context<'_, '_>, mut record: Text) -> Outcome {
    if record.value.as_deref() == Some("drop") {
        record.headers.remove("h");
    } else {
        let n = record.headers.iter().len().to_string();
        record.headers.push("n", Some(Bytes::from(n)));
    }
    cx.forward(record)
}

/// `papi-stream-time`: the task's stream time, and whether the record is older.
pub(super) fn stream_time(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let now = cx.stream_time();
    let late = if record.timestamp < now { " late" } else { "" };
    let value = Some(format!("{}@{}{late}", show(&record.value), now.as_millis()));
    cx.forward(record.with_value(value))
}

/// Moves timestamps by `delta`.
pub(super) fn shift(delta: i64) -> impl Processor<Nullable, Nullable, Nullable, Nullable> + 'static {
    each(move |cx: &mut Context<'_, '_>, record: Text| {
        let timestamp = Timestamp::from_millis(record.timestamp.as_millis() + delta);
        cx.forward(Record { timestamp, ..record })
    })
}

/// `papi-forward-children`: to both children, to one twice, or to one by the length of the value.
pub(super) fn route(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    match record.value.as_deref() {
        None | Some("both") => {
            cx.forward_to("even", record.clone())?;
            cx.forward_to("odd", record)
        }
        Some("twice") => {
            let later = Timestamp::from_millis(record.timestamp.as_millis() + 1);
            cx.forward_to("even", record.clone())?;
            cx.forward_to("even", Record { timestamp: later, ..record })
        }
        Some(value) if value.len() % 2 == 0 => cx.forward_to("even", record),
        Some(_) => cx.forward_to("odd", record),
    }
}
