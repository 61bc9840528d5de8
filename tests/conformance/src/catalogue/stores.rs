//! Processors that ask window, session and versioned stores.

use bytes::Bytes;
use nowfold_core::processor::{ProcessError, Processor};
use nowfold_core::record::Record;
use nowfold_core::state::{SessionEntry, Version, VersionPut};
use nowfold_core::time::Timestamp;

use super::Text as Nullable;
use super::processors::{Context, Outcome, Text, bytes, each, show, text};

/// The words of the command, and the bytes of its key.
fn command(record: &Text) -> Result<(String, Bytes), ProcessError> {
    let key = record.key.as_ref().ok_or_else(|| ProcessError::new("a store is asked for a null key"))?;
    Ok((show(&record.value), bytes(key)))
}

fn unknown(line: &str) -> ProcessError {
    ProcessError::new(format!("unknown command {line:?}"))
}

fn time(word: &str) -> Result<Timestamp, ProcessError> {
    Ok(Timestamp::from_millis(word.parse()?))
}

fn reply(cx: &mut Context<'_, '_>, record: &Text, value: String) -> Outcome {
    cx.forward(record.clone().with_value(Some(value)))
}

/// `papi-window-store`.
pub(super) fn window(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let (line, key) = command(&record)?;
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["put", value] => Ok(cx.window("w")?.put(key, record.timestamp, Some(bytes(value)))?),
        ["put", value, at] => Ok(cx.window("w")?.put(key, time(at)?, Some(bytes(value)))?),
        ["del", at] => Ok(cx.window("w")?.put(key, time(at)?, None)?),
        ["get", at] => {
            let found = cx.window("w")?.get(&key, time(at)?)?;
            reply(cx, &record, format!("got:{}", show(&found.as_ref().map(text))))
        }
        ["fetch" | "rfetch", from, to] => {
            let mut found = cx.window("w")?.fetch(&key, time(from)?, time(to)?)?;
            if line.starts_with('r') {
                found.reverse();
            }
            for (at, value) in found {
                reply(cx, &record, format!("{}={}", at.as_millis(), text(&value)))?;
            }
            reply(cx, &record, "end".to_owned())
        }
        ["fetchall", from, to] => fetch_all(cx, &record, (time(from)?, time(to)?)),
        _ => Err(unknown(&line)),
    }
}

/// All keys, by key and time.
fn fetch_all(cx: &mut Context<'_, '_>, record: &Text, (from, to): (Timestamp, Timestamp)) -> Outcome {
    let mut found = cx.window("w")?.fetch_all(from, to)?;
    found.sort_by(|a, b| (&a.key, a.start).cmp(&(&b.key, b.start)));
    for entry in found {
        let value = format!("all:{}={}", entry.start.as_millis(), text(&entry.value));
        let row = record.clone().with_key(Some(text(&entry.key))).with_value(Some(value));
        cx.forward(row)?;
    }
    Ok(())
}

/// `papi-session-store`.
pub(super) fn session(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let (line, key) = command(&record)?;
    let words: Vec<_> = line.split(' ').collect();
    let mut store = cx.session("s")?;
    match words[..] {
        ["put", start, end, value] => Ok(store.put(key, time(start)?, time(end)?, Some(bytes(value)))?),
        ["rm", start, end] => Ok(store.put(key, time(start)?, time(end)?, None)?),
        ["get", start, end] => {
            let found = store.get(&key, time(start)?, time(end)?)?;
            reply(cx, &record, format!("got:{}", show(&found.as_ref().map(text))))
        }
        ["find" | "rfind", from, to] => {
            let mut found = store.find(&key, time(from)?, time(to)?)?;
            if line.starts_with('r') {
                found.reverse();
            }
            list(cx, &record, &found)
        }
        ["fetch"] => {
            let found = store.find(&key, Timestamp::MIN, Timestamp::MAX)?;
            list(cx, &record, &found)
        }
        _ => Err(unknown(&line)),
    }
}

fn list(cx: &mut Context<'_, '_>, record: &Text, found: &[SessionEntry]) -> Outcome {
    for SessionEntry { start, end, value, .. } in found {
        reply(cx, record, format!("{}..{}={}", start.as_millis(), end.as_millis(), text(value)))?;
    }
    reply(cx, record, "end".to_owned())
}

/// `papi-versioned-store`.
pub(super) fn versioned(cx: &mut Context<'_, '_>, record: Text) -> Outcome {
    let (line, key) = command(&record)?;
    let words: Vec<_> = line.split(' ').collect();
    let mut store = cx.versioned("v")?;
    let answer = match words[..] {
        ["put", at, value] => {
            let value = (value != "null").then(|| bytes(value));
            match store.put(key, value, time(at)?)? {
                VersionPut::Latest => "put:latest".to_owned(),
                VersionPut::Until(until) => format!("put:until {}", until.as_millis()),
                VersionPut::Rejected => "put:rejected".to_owned(),
            }
        }
        ["del", at] => {
            let before = store.as_of(&key, time(at)?)?;
            store.put(key, None, time(at)?)?;
            format!("del:{}", version(before.as_ref()))
        }
        ["get"] => format!("got:{}", version(store.latest(&key)?.as_ref())),
        ["asof", at] => format!("asof:{}", version(store.as_of(&key, time(at)?)?.as_ref())),
        _ => return Err(unknown(&line)),
    };
    reply(cx, &record, answer)
}

/// The version without its end, which Kafka Streams' processors are not told.
fn version(version: Option<&Version>) -> String {
    let Some(Version { value, from, .. }) = version else { return "null".to_owned() };
    format!("{}@{}", text(value), from.as_millis())
}

/// `papi-dedup`: passes a value of a key once in a window around its time.
pub(super) fn dedup(window: i64) -> impl Processor<Nullable, Nullable, Nullable, Nullable> + 'static {
    each(move |cx: &mut Context<'_, '_>, record: Text| {
        let Record { key: Some(key), value: Some(value), timestamp, .. } = &record else { return Ok(()) };
        let (id, at) = (bytes(&format!("{key}/{value}")), timestamp.as_millis());
        let mut seen = cx.window("seen")?;
        let around = (Timestamp::from_millis((at - window).max(0)), Timestamp::from_millis(at + window));
        if !seen.fetch(&id, around.0, around.1)?.is_empty() {
            return Ok(());
        }
        seen.put(id, *timestamp, Some(Bytes::copy_from_slice(&at.to_be_bytes())))?;
        cx.forward(record)
    })
}
