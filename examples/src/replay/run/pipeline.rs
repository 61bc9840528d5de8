//! The pipeline of a mapping: raw lines to actions to stores, by the ordinary path.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nowfold::core::names::TopicName;
use nowfold::core::serde::{Deserializer, Format, SerdeError};
use nowfold::core::time::minutes;
use nowfold::operators::feature::Feature;
use nowfold::prelude::*;
use serde_json::Value;

use super::args::Args;
use crate::replay::Tally;
use crate::replay::mapping::{CompiledMapping, Mapped, Side, TableMapping};
use crate::replay::raw::line_of_key;

/// How far back a store reaches that keeps nothing more.
const DEFAULT_RETENTION: Duration = hours(97);

/// How far back questions to an entry of the mapping may reach.
pub(super) fn retention(args: &Args, mapping: &CompiledMapping, entry: usize) -> Duration {
    let of_entry = mapping.actions().get(entry).and_then(|actions| actions.retention());
    args.retention.or(of_entry).unwrap_or(DEFAULT_RETENTION)
}

/// The whole pipeline; every entry of the mapping reads the one raw topic.
pub(super) fn topology(
    args: &Args,
    mapping: &Arc<CompiledMapping>,
    features: &[Feature],
    tally: &Arc<Tally>,
) -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new(&args.named(&format!("replay-{}", mapping.feed().name)));
    let tables: Vec<_> = mapping.tables().iter().map(|table| (table, open_table(&app, args, table))).collect();
    let lines = app.stream(args.named(&mapping.feed().topic), Pair::new(LineNumber, JsonLine));
    for (index, entry) in mapping.actions().iter().enumerate() {
        let (mapped, counted) = (mapping.clone(), tally.clone());
        let standardize = move |line, record: Arc<Value>| action_of(&mapped, &counted, index, line, &record);
        let mut actions = lines.clone().to_actions(&format!("standardize-{}", entry.name()), standardize);
        for (table, rows) in tables.iter().filter(|(table, _)| table.actions().contains(&index)) {
            actions = enrich(actions, &format!("{}-with-{}", entry.name(), table.name()), table, rows);
        }
        let kept = retention(args, mapping, index) + minutes(10) + args.shuffle_within.unwrap_or_default();
        actions.through(args.named(entry.topic())).materialize(
            Actions::named(entry.store()).retention(kept).features(features.to_vec()).late_records_to_dead_letters(),
        );
    }
    app.build()
}

fn action_of(
    mapping: &CompiledMapping,
    tally: &Tally,
    entry: usize,
    line: u64,
    record: &Value,
) -> Result<Option<Action>, String> {
    let Some(actions) = mapping.actions().get(entry) else { return Ok(None) };
    let outcome = actions.map(line, record);
    tally.count(entry, &outcome);
    outcome.map(Mapped::into_action).map_err(|reject| reject.to_string())
}

fn open_table(app: &StreamsBuilder, args: &Args, table: &TableMapping) -> GlobalTable<String, Value> {
    app.global_table(args.named(table.topic()), Json::<String, Value>::new())
}

fn enrich(actions: ActionStream, name: &str, table: &TableMapping, rows: &GlobalTable<String, Value>) -> ActionStream {
    let side = table.enriches();
    let table = table.clone();
    let attributes = move |row: &Value| table.attributes(row).0;
    match side {
        Side::Actor => actions.enrich_actor(name, rows, attributes),
        Side::Object => actions.enrich_object(name, rows, attributes),
    }
}

/// The raw topic's key: the line's number in decimal digits.
struct LineNumber;

impl Format for LineNumber {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("line-number")
    }
}

impl Deserializer<u64> for LineNumber {
    fn deserialize(&self, _: &TopicName, bytes: &Bytes) -> Result<u64, SerdeError> {
        line_of_key(bytes).map_err(|error| SerdeError::invalid("line number", error))
    }
}

/// The raw topic's value: the line's JSON, parsed once for all entries.
struct JsonLine;

impl Format for JsonLine {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("json")
    }
}

impl Deserializer<Arc<Value>> for JsonLine {
    fn deserialize(&self, _: &TopicName, bytes: &Bytes) -> Result<Arc<Value>, SerdeError> {
        serde_json::from_slice(bytes).map(Arc::new).map_err(|error| SerdeError::invalid("JSON", error))
    }
}
